"""The texts in requests and answers of any surface, found without knowing the surface."""
