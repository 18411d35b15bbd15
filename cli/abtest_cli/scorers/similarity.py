"""Does the answer speak of what the reference speaks of?

Measures: the cosine of the angle between the embeddings of answer and reference, below 0 taken as 0; of a list of
references the nearest one counts. The embedding is the mean of the words' vectors, of a model of 256 dimensions that
the package `wordllama` carries: nothing is fetched, and the same text always has the same vector.

When it misleads: it is no measure of correctness. "It is true" and "it is not true" score 0.86, and a wrong number in
an otherwise equal sentence costs next to nothing. The order of words does not count. Long texts look alike. It knows
English best. Use it to find answers that are off the subject, not to decide which variant is right.

Depends on: wordllama. Used by: `abtest judge`, by name.

Source: D. Miller, WordLlama (token embeddings of language models as light-weight text embeddings), 2024.
"""

from __future__ import annotations

import json
import logging
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abtest_cli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]

_EMPTY = "there is no text to compare"


@cache
def _model() -> Any:
    try:
        import wordllama
    except ImportError as error:
        raise UsageError(
            "The scorer `similarity` needs the package wordllama, which is not installed: it has no build for every "
            "machine. Try `pip install wordllama` in the environment of abtest, or use a scorer of your own."
        ) from error
    # The package turns every library's notes on for the whole program.
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.WARNING)
    # Its own folder as the cache: there its vocabulary lies, and nothing is to be fetched.
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def _vector(text: str) -> Vector | None:
    """Return the unit vector of a text, or None where it holds no word."""
    if not text.strip():
        return None
    (vector,) = _model().embed(text)
    length = float((vector @ vector) ** 0.5)
    return vector / length if length > 0 else None


@lru_cache(maxsize=64)
def _reference(text: str) -> Vector | None:
    """Return the vector of a reference, once for the answers of all variants to it."""
    return _vector(text)


def score(sample: dict[str, Any], answer: str, response: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - an interface
    """Return how near an answer is to the sample's reference, from 0 to 1.

    Args:
        sample: the row of the dataset; without a reference the scorer cannot say.
        answer: the text.
        response: not read.

    Raises:
        UsageError: wordllama is not installed.
    """
    reference = sample.get("reference")
    wanted = reference if isinstance(reference, list) else [reference]
    texts = [one if isinstance(one, str) else json.dumps(one) for one in wanted if one is not None]
    vectors = [vector for vector in map(_reference, texts) if vector is not None]
    if not vectors:
        return {"score": None, "reason": "the sample has no reference to compare with"}
    own = _vector(answer)
    if own is None:
        return {"score": 0.0, "reason": _EMPTY}
    return {"score": min(1.0, max(0.0, *(float(own @ vector) for vector in vectors)))}
