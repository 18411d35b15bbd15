"""One file a command, or a few that belong together; each has `register(app)` and imports late what it needs."""
