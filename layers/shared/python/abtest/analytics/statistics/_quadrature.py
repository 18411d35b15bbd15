"""Nodes and weights of Gauss-Legendre quadrature, computed once for each number of nodes.

Depends on: numpy. Used by: the statistics, the sequential boundaries and the planning that integrate.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=8)
def gauss_legendre(nodes: int) -> tuple[Floats, Floats]:
    """Return the nodes on (-1, 1) and their weights, shape (nodes,) each, both read-only.

    Args:
        nodes: how many; polynomials up to degree 2 nodes - 1 are integrated exactly.
    """
    points, weights = np.polynomial.legendre.leggauss(nodes)
    points.flags.writeable = weights.flags.writeable = False
    return points, weights
