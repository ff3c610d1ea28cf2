"""Tests of the build of the admin UI and of its files."""
