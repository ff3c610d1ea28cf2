"""Rows that correct booked ones, and what they change in counters and windows."""
