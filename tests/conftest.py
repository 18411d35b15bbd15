"""What all tests share. That this file is here puts the folder on the path, so that `entities` can be imported."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no failure: examples have no deadline. They are the same ones in every run, so that a change is
# judged by what it changed; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("abtest", deadline=None, max_examples=60, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile("abtest")
