"""A matrix of parameters, written out: each axis with each other one, less what is excluded, with what is included."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

INCLUDE, EXCLUDE = "include", "exclude"

Scalar = str | float | int | bool
"""`float` stands first: who looks for a number among these takes the first that is one, and it may be whole or not."""
Params = dict[str, Scalar]
"""Of one run, in the order of the axes."""
Matrix = Mapping[str, Sequence[Scalar | Params]]


def expand(matrix: Matrix) -> list[Params]:
    """All combinations, the last axis turning fastest. An entry of `include` that agrees with combinations, and only
    adds to them, is added to each of those; one that agrees with none is a run of its own, as it stands.
    """
    axes = {name: values for name, values in matrix.items() if name not in (INCLUDE, EXCLUDE)}
    excluded = list(_mappings(matrix.get(EXCLUDE, ())))
    products = itertools.product(*axes.values()) if axes else ()
    found: list[Params] = [dict(zip(axes, values, strict=True)) for values in products]  # type: ignore[arg-type]
    found = [params for params in found if not any(_agrees(params, one) for one in excluded)]
    plain = [dict(params) for params in found]
    alone: list[Params] = []
    for entry in _mappings(matrix.get(INCLUDE, ())):
        fitting = [more for more, params in zip(found, plain, strict=True) if _extends(params, entry)]
        for params in fitting:
            params.update(entry)
        if not fitting:
            alone.append(dict(entry))
    return [*found, *alone]


def same(one: Params, other: Params) -> bool:
    """`1`, `true` and `"1"` are three things, whatever Python says of two of them."""
    return distinct(one) == distinct(other)


def distinct(params: Params) -> tuple[tuple[str, str, Scalar], ...]:
    return tuple(sorted((name, type(value).__name__, value) for name, value in params.items()))


def written(value: Scalar) -> str:
    """As YAML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _mappings(items: Iterable[Scalar | Params]) -> Iterator[Params]:
    return (item for item in items if isinstance(item, dict))


def _agrees(params: Params, wanted: Params) -> bool:
    """An excluded combination names as many axes as it likes."""
    return all(name in params and same({name: params[name]}, {name: value}) for name, value in wanted.items())


def _extends(params: Params, entry: Params) -> bool:
    """It would overwrite none of the axes' own values. What another entry has added may be overwritten."""
    return all(same({name: params[name]}, {name: entry[name]}) for name in entry if name in params)
