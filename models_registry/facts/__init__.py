"""What is known of hosts and models beforehand: what they add to a request, what a name tells."""
