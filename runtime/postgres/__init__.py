"""Connections to Postgres, queries, migrations, and the listener for changes."""
