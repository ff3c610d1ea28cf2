"""Servers on this machine: an embedded Postgres, an embedded model, a local Ollama."""
