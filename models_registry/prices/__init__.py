"""What a call costs: prices, where they come from, and what an attempt is charged."""
