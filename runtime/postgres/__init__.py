"""Connections to Postgres, what goes over them, and bringing its tables up to date."""
