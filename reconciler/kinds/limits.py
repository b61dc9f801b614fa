"""The limits that a field's type may have: `Annotated[int, Ge(1), Le(65535)]`.

The validation library knows such words from another package, too; to import that one costs each start 6 ms, and here
it is asked for by three words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class _Limit:
    """`word` is what the library's core calls it."""

    __slots__ = ("bound",)
    word: ClassVar[str]

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.bound})"

    def __get_pydantic_core_schema__(self, source: Any, inner: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**inner(source), self.word: self.bound}


class Ge(_Limit):
    """At least."""

    word = "ge"


class Le(_Limit):
    """At most."""

    word = "le"


class Len(_Limit):
    """So many items at least."""

    word = "min_length"
