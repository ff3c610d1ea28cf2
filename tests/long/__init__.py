"""Tests that take long. `just test-long` runs them; do so after a change to what they test."""
