"""The admin UI in a real browser, in front of a real gateway and Postgres."""
