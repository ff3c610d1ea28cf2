"""Tests that take long: `just test-long` runs them before a change to what they touch."""
