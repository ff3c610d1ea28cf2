"""The governed rows in Postgres (keys, teams, users, organizations, customers), and who may see which
rows."""
