"""How many samples a test needs, and what they cost: requests, plans, pilots."""
