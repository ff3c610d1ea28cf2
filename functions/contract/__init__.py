"""What an endpoint is, who calls it, and what it may."""
