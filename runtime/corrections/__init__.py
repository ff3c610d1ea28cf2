"""Corrections: rows that correct booked rows, and the changes of counters and windows that follow."""
