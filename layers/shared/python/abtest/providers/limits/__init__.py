"""Keeping within what a provider's account allows: shared rate buckets, permits, calls in flight, limit headers."""
