"""Migrations, oldest first. Each is frozen: it imports nothing from the tables it makes."""
