"""In which order the runs come: (cycle, configuration) by number, cycles from 1, configurations from 0."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

Turn = tuple[int, int]


def ordered(order: str, configurations: int, cycles: int, seed: int = 0) -> list[Turn]:
    """Each configuration once in each cycle, whatever the order."""
    return ORDERS[order](configurations, cycles, seed)


def _sequential(configurations: int, cycles: int, _seed: int) -> list[Turn]:
    return [(cycle, one) for one in range(configurations) for cycle in range(1, cycles + 1)]


def _interleaved(configurations: int, cycles: int, _seed: int) -> list[Turn]:
    return [(cycle, one) for cycle in range(1, cycles + 1) for one in range(configurations)]


def _shuffled(configurations: int, cycles: int, seed: int) -> list[Turn]:
    """A cycle's order depends on the seed and its own number: more cycles leave the earlier ones as they were."""
    turns: list[Turn] = []
    for cycle in range(1, cycles + 1):
        places = list(range(configurations))
        random.Random(f"{seed}/{cycle}").shuffle(places)  # noqa: S311 -- an order that can be had again, no secret
        turns += [(cycle, one) for one in places]
    return turns


def _latin_square(configurations: int, cycles: int, _seed: int) -> list[Turn]:
    """Row after row of a Williams design: over as many cycles as there are configurations each has had each place
    once; and where their number is even, each has followed each other one once, so that what one leaves behind (heat,
    caches) falls on all alike.
    """
    first = _zigzag(configurations)
    return [(cycle, (one + cycle - 1) % configurations) for cycle in range(1, cycles + 1) for one in first]


def _zigzag(count: int) -> list[int]:
    """0, 1, n-1, 2, n-2, …"""
    return [(place + 1) // 2 if place % 2 else (count - place // 2) % count for place in range(count)]


ORDERS: Mapping[str, Callable[[int, int, int], list[Turn]]] = {
    "sequential": _sequential,
    "interleaved": _interleaved,
    "shuffled": _shuffled,
    "latinSquare": _latin_square,
}
