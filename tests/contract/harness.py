"""What the contract suite needs of a runtime under test. A new runtime brings one of these, and passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from reconciler.model.desired import Desired, PortBinding, Sealed
from reconciler.model.observed import Observed
from reconciler.ports import Reach, Runtime

OWNER = "owner-of-these-tests"
FOREVER = ("sleep", "1000")


class Reachable(Runtime, Reach, Protocol):
    """A runtime with instances."""


class Harness(Protocol):
    runtime: Reachable
    runs_programs: bool
    """False for one that only pretends: what programs do can't be seen then."""
    limits: bool
    """False for one that can't limit anybody, and says so to who asks for it."""

    def desired(
        self,
        name: str = "web",
        command: tuple[str, ...] = FOREVER,
        *,
        index: int = 0,
        fingerprint: str = "f1",
        ports: tuple[PortBinding, ...] = (),
        env: Mapping[str, str | Sealed] | None = None,
        files: Mapping[str, bytes | Sealed] | None = None,
    ) -> Desired:
        """A service of this test. `files` are mounted; the sealed ones as secrets. Dies of TERM at once."""

    def volume(self, name: str = "data") -> Desired: ...

    def path_inside(self, desired: Desired, file: str) -> str:
        """Where the workload finds one of its files."""

    def break_behind_back(self, how: str, seen: Observed) -> None:
        """Kill | stop | pause | remove: what a person does with other tools. Done when it returns."""

    def let_come_up(self, seen: Observed) -> None:
        """Until it would hear a signal."""

    def foreign(self, desired: Desired) -> str:
        """Puts something in the place of `desired` that is not ours; returns its name."""

    def close(self) -> None:
        """What `remove` of other tools left, which is nothing that a look would show."""
