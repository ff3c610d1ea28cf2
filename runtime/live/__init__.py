"""What happens now: calls in flight and rows just booked, told to open pages by one subscription a worker."""
