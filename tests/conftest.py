"""What all tests share. That this file is here puts the folder on the path, so that `entities` can be imported."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no failure: examples have no deadline.
settings.register_profile("abtest", deadline=None, max_examples=60)
settings.load_profile("abtest")
