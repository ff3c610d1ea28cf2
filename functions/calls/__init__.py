"""What the endpoints share that call models."""
