"""The parts the stacks are made of, one concern a file."""
