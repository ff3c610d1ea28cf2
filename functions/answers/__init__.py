"""Shapes of answers that several endpoints give."""
