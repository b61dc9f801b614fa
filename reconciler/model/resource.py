"""What a user declared: one YAML document, read and validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from reconciler.model.key import Key
from reconciler.values import dataclass

SOURCE = "reconciler/source"
PROFILE = "reconciler/profile"
ROOT = "reconciler/root"
"""Annotations of what a Source brought: its name, the policy's profile that it is under, where its own files lie."""
RESTRICTED_PROFILE = "restricted"
TOMBSTONE = "reconciler/deleting"
"""Annotation of a kept document that was deleted: `keep-data` or `with-data`."""
GUEST = "reconciler/guest"
"""Annotation of a Source that `watch` follows for as long as it runs."""
FORWARD = "reconciler.dev/port-forward"
"""Label of a service that keeps a port-forward: `SERVICE.PORT`, which it leads to."""
FORMER = "reconciler/former"
"""Annotation of the tombstone of where a host led before: how the host is called."""
MARKS = frozenset({SOURCE, PROFILE, ROOT, TOMBSTONE, GUEST, FORMER})
"""What nobody may write into a spec: by them somebody else's word is widened, or something is deleted."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document stands, so that every later complaint can say so."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Resource:
    """`spec` is the kind's own frozen dataclass, defaults filled, paths absolute, environment interpolated."""

    key: Key
    spec: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    origin: Origin = field(default_factory=Origin, compare=False)
    deleting: bool = False
    """True for a tombstone: the document was deleted, and its things in the world are to go."""
    delete_data: bool = False
    """On a tombstone: a person asked by name that the data goes too."""

    @property
    def profile(self) -> str:
        """Empty for what a person applied here. What came from a Source and says no more is restricted."""
        return self.annotations.get(PROFILE) or (RESTRICTED_PROFILE if SOURCE in self.annotations else "")
