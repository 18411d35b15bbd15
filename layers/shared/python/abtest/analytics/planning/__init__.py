"""How many samples a test needs, what it can find, and with which chance: one design a module."""
