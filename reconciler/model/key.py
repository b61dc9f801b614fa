"""Names of things: `service/shop/web`, and of its instances: `service/shop/web/0`."""

from __future__ import annotations

from typing import NamedTuple, Self

WORKLOADS = frozenset({"service", "job", "campaign"})
"""Kinds whose instances run something. They share one space of names in a namespace, for so they do on an engine."""


class _Ordered(NamedTuple):
    """What keys compare by, in this order."""

    namespace: str
    kind: str
    name: str
    place: int
    """The instance's number; -1 stands for the resource itself, which comes before its instances."""


class Key(_Ordered):
    """A resource, or with an index one instance of it.

    A tuple, for a plan looks up thousands of keys, and tuples are compared and hashed without a line of Python.
    """

    __slots__ = ()

    def __new__(cls, kind: str, namespace: str, name: str, index: int | None = None) -> Self:
        return tuple.__new__(cls, (namespace, kind, name, -1 if index is None else index))

    def __getnewargs__(self) -> tuple[str, str, str, int | None]:
        """Copies are made as keys are, not as tuples."""
        return self.kind, self.namespace, self.name, self.index

    def __str__(self) -> str:
        base = f"{self.kind}/{self.namespace}/{self.name}"
        return base if self.place < 0 else f"{base}/{self.place}"

    def __repr__(self) -> str:
        return f"Key({str(self)!r})"

    @property
    def index(self) -> int | None:  # type: ignore[override]
        return None if self.place < 0 else self.place

    @property
    def resource(self) -> Key:
        return self if self.place < 0 else Key(self.kind, self.namespace, self.name)

    @property
    def is_workload(self) -> bool:
        return self.kind in WORKLOADS

    @property
    def short(self) -> str:
        """What a person reads: `service/web`, without the namespace."""
        return f"{self.kind}/{self.name}"

    @property
    def engine_name(self) -> str:
        """The deterministic name on the engine: a host-wide mutex, free of charge."""
        base = f"{self.namespace}-{self.name}"
        return base if self.place < 0 else f"{base}-{self.place}"

    def instance(self, index: int) -> Key:
        return Key(self.kind, self.namespace, self.name, index)

    @classmethod
    def parse(cls, text: str) -> Key:
        parts = text.split("/")
        index = int(parts[3]) if len(parts) == 4 else None
        kind, namespace, name = parts[:3]
        return cls(kind, namespace, name, index)
