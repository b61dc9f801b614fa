"""One source of choices for generators: drawn by hypothesis, which shrinks them, or seeded, which is fast."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Draw = Callable[[int, int], int]


class Choose:
    """Everything comes down to a whole number between two bounds; the lower one is the simpler choice."""

    def __init__(self, number: Draw) -> None:
        self.number = number

    @classmethod
    def drawn(cls, data: st.DataObject) -> Choose:
        return cls(lambda low, high: data.draw(_integers(low, high)) if low < high else low)

    @classmethod
    def seeded(cls, seed: int) -> Choose:
        return cls(random.Random(seed).randint)

    def maybe(self, percent: int) -> bool:
        """False is the simpler choice."""
        return self.number(0, 99) >= 100 - percent

    def pick(self, options: Sequence[T]) -> T:
        """The first one is the simplest."""
        return options[self.number(0, len(options) - 1)]

    def some(self, options: Sequence[T], percent: int) -> tuple[T, ...]:
        return tuple(option for option in options if self.maybe(percent))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        left, order = list(items), []
        while left:
            order.append(left.pop(self.number(0, len(left) - 1)))
        return order


@cache
def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)
