"""When a run may be looked at, and which interval and p-value are right then: one design a module."""
