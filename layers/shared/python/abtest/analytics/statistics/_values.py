"""Takes a list of numbers from a caller.

Depends on: numpy. Used by: the statistics beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def finite_list(values: Any, name: str = "differences") -> npt.NDArray[np.float64]:
    """Return numbers as an array of shape (n,).

    Args:
        values: the numbers.
        name: what they are, in the plural, for the message.

    Raises:
        ValueError: it is no flat list, or holds a number that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} are a list of finite numbers; leave out what is missing")
    return array
