"""Addresses that come from users: where they lead is judged before anything is asked for there."""
