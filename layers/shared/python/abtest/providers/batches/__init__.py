"""Batch interfaces of vendors: many requests handed over as one job, answered within a day at half the price."""
