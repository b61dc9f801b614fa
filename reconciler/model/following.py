"""What is remembered of a Source that is followed: how far it is in force, and what is held back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reconciler.model.status import Arrival
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """A revision that is kept back, and what a confirmation of it would have to name."""

    reason: str
    message: str
    plan: str


@dataclass(frozen=True, slots=True)
class Known:
    """Kept apart from the diary: losing that must not lose this."""

    origin: str = ""
    """Where all of this comes from: who follows another place begins anew."""
    applied: str = ""
    """The revision that is in force."""
    arrivals: tuple[Arrival, ...] = ()
    """The last few revisions that came into force, newest first."""
    good: str = ""
    """The last one of which everything became Ready."""
    bad: str = ""
    """The one that was left again because it did not."""
    begun: str = ""
    """The one that is being put into force, or was last."""
    missing: Mapping[str, float] = field(default_factory=dict)
    """Since when documents have been missing, by key."""
    brought: tuple[str, ...] = ()
    """Keys of what it declares."""
    failures: int = 0
    """How often in a row it could not be put into force."""
    held: Held | None = None

    @property
    def in_force(self) -> str:
        """Wherever it came from."""
        return self.arrivals[0].revision if self.arrivals else ""

    @property
    def newest(self) -> str:
        """No revision that does not contain this one is taken without a word."""
        return self.bad or self.applied
