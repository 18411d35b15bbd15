"""Who can be ranked against whom: the graph of comparisons, its pieces, and when finite strengths exist.

An edge i -> j says that i did not lose some comparison with j: it won or tied. Strengths exist when every variant is
reached from every other (Ford 1957); the models with a tie parameter need a little more (see `ties_are_bounded`).

Depends on: numpy. Used by: the Bradley-Terry family beside it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Edges = npt.NDArray[np.bool_]
Groups = tuple[tuple[int, ...], ...]


def reachable(edges: Edges, start: int) -> Edges:
    """Return which nodes are reached from one, itself included, as a mask of shape (k,)."""
    seen = np.zeros(edges.shape[0], dtype=bool)
    seen[start] = True
    frontier = seen.copy()
    while frontier.any():
        frontier = edges[frontier].any(axis=0) & ~seen
        seen |= frontier
    return seen


def is_strongly_connected(edges: Edges) -> bool:
    """Return whether every node is reached from every other."""
    return bool(reachable(edges, 0).all() and reachable(edges.T, 0).all())


def components(edges: Edges) -> Groups:
    """Return the groups of nodes that are linked at all, by their smallest member."""
    linked = edges | edges.T
    left = np.ones(edges.shape[0], dtype=bool)
    found: list[tuple[int, ...]] = []
    while left.any():
        group = reachable(linked, int(left.argmax()))
        left &= ~group
        found.append(_members(group))
    return tuple(found)


def strong_groups(edges: Edges) -> Groups:
    """Return the groups of nodes that reach each other; no group ever won or tied against an earlier one.

    Groups that were not compared, even through others, stand in an order that means nothing.
    """
    left = np.ones(edges.shape[0], dtype=bool)
    found: list[tuple[int, tuple[int, ...]]] = []
    while left.any():
        node = int(left.argmax())
        ahead = reachable(edges, node)
        group = ahead & reachable(edges.T, node)
        left &= ~group
        # What beats another reaches all that the other reaches, and more.
        found.append((-int(ahead.sum()), _members(group)))
    return tuple(group for _, group in sorted(found))


def ties_are_bounded(wins: Edges, ties: Edges) -> bool:
    """Return whether a Davidson or Rao-Kupper tie parameter stays finite, given a strongly connected graph with ties.

    It runs away when strengths d exist with d_i - d_j >= 1 wherever i beat j and |d_i - d_j| <= 1 wherever they tied:
    then strengths and tie parameter grow together and no observed outcome becomes less likely. Such d exist unless a
    round trip in the graph has more wins than ties, that is a negative cycle with length -1 for a win and 1 for a tie.
    """
    length = np.where(wins, -1.0, np.where(ties, 1.0, np.inf))
    distance = np.zeros(length.shape[0])
    for _ in range(length.shape[0]):
        shorter = np.minimum(distance, (distance[:, None] + length).min(axis=0))
        if np.array_equal(shorter, distance):
            return False
        distance = shorter
    return True


def _members(mask: Edges) -> tuple[int, ...]:
    return tuple(int(index) for index in np.flatnonzero(mask))
