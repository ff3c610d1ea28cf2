"""The commands `just dev` (everything for development) and `just invoke` (one call without HTTP)."""
