"""Rules that several endpoints keep: what a key, a team or a user may be given."""
