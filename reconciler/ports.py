"""The seams, as Protocols. Everything above sees only these; everything below is handed in by `wiring`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from reconciler.core.graph import Graph
from reconciler.model.desired import Desired, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Listener, Observed, View
from reconciler.model.plan import Record
from reconciler.model.resource import Resource
from reconciler.model.status import Event, Status
from reconciler.values import dataclass


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970; differences of it decide back-offs and probe times."""

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command that ran to its end left behind."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


class Observer(Protocol):
    """The half of a runtime that only looks. `diff` and `status` are given nothing else."""

    name: str
    host: str

    def observe(self, *, deep: bool = False) -> View:
        """All objects, ours and foreign. Never raises for a world that does not answer: the View says so.

        `deep` asks for what a listing leaves out (exact start time, pid, exit code).
        """


class Runtime(Observer, Protocol):
    """Five verbs. Each is idempotent, addresses the object id that was observed, has a deadline, and raises
    Refused (nothing happened), OutcomeUnknown (look again) or Unreachable.
    """

    def prepare(self, desired: Desired) -> None:
        """All that `create` will need and that can fail early, while the old one still runs: pull the image."""

    def create(self, desired: Desired) -> None:
        """Make it; instances are started too. One of ours that is already there under the name is a success."""

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None: ...

    def start(self, seen: Observed, desired: Desired) -> None: ...

    def stop(self, seen: Observed, stop: Stop) -> None: ...

    def remove(self, seen: Observed) -> None:
        """Take it away; gone already is a success. A volume's data goes with it: only asked for by name."""


class Reach(Protocol):
    """How to get into a workload that runs. A runtime with instances is one of these too."""

    def logs(
        self,
        seen: Observed,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        """Chunks as they come, stdout and stderr in the order written. `since` is seconds since 1970."""

    def run(self, seen: Observed, argv: Sequence[str], *, deadline: float) -> Completed:
        """A command inside, to its end, output capped at 64 KiB, killed with its children at the deadline."""

    def attach(
        self,
        seen: Observed,
        argv: Sequence[str],
        *,
        tty: bool,
        stdin: bool,
        env: Mapping[str, str],
        user: str = "",
        workdir: str = "",
    ) -> int:
        """A command inside, wired to this terminal. Returns its exit code; the workload stays."""

    def address(self, seen: Observed, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """Where this machine reaches the port on which the workload listens inside."""


class Alarm(Protocol):
    """Something that notices changes sooner than the next look would. A hint: losing it costs latency only."""

    def watch(self, tell: Callable[[str], None], stopping: threading.Event) -> None:
        """Tells what to look at again, "" for everything. Blocks until `stopping`; raises when it can't go on."""


class Host(Protocol):
    """A machine: run argument lists, read and write files, tell facts. Everything with a deadline."""

    name: str

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline: float = 30.0) -> Completed: ...

    def read(self, path: str) -> bytes: ...

    def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Durably and at once: a reader sees the old content or the new, never a part."""

    def listeners(self, ports: Iterable[int] = ()) -> tuple[Listener, ...]:
        """Every listening socket; the holders (pid, command) are looked up only for `ports`."""

    def ephemeral_ports(self) -> tuple[int, int]: ...


class Identity(Protocol):
    """Who we are: the id that stands in labels, and the keyed digest of secrets."""

    @property
    def owner(self) -> str: ...

    def seal(self, value: bytes) -> str: ...


class Home(Protocol):
    """The place of one installation."""

    def identity(self, *, make: bool) -> Identity:
        """Looking never makes one."""

    def lock(self, patience: float) -> AbstractContextManager[None]:
        """Held for one pass that acts. Raises when somebody else has it for longer than so many seconds."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One generation of a resource, as it was wanted. To go back to it is to keep `resource` as a new generation."""

    generation: int
    time: float
    """Since when, in seconds since 1970."""
    cause: str
    """The command line that said so; empty where it is not known."""
    resource: Resource


class Source(Protocol):
    """Where desired state is kept."""

    def namespaces(self) -> list[str]: ...

    def resources(self, namespace: str) -> list[Resource]:
        """Tombstones included. Raises when it can't be read: unreadable is not empty."""

    def damaged(self, namespace: str) -> dict[Key, str]:
        """Of which single resources nobody can say what is wanted, and why, with the next step."""

    def graph(self, namespace: str, identity: Identity, resources: Iterable[Resource] | None = None) -> Graph: ...

    def keep(self, resources: Sequence[Resource]) -> None: ...

    def revisions(self, key: Key) -> list[Revision]:
        """What was wanted of a Service, oldest first; the last one is in force, unless it is being deleted. Bounded."""

    def forget(self, key: Key) -> None: ...


class Store(Protocol):
    """The diary: what happened, for people, and what failed lately, for back-off. Losing it loses no object."""

    def journal(self, namespace: str) -> dict[Key, Record]: ...

    def write_journal(self, changed: Mapping[Key, Record | None]) -> None:
        """None forgets."""

    def add_events(self, events: Sequence[Event]) -> None:
        """The same (reason, key, message) as one of the last hour is counted up, not repeated."""

    def events(self, *, namespace: str | None = None, key: Key | None = None, limit: int = 1000) -> list[Event]:
        """Oldest first. A resource's key covers its instances."""

    def payload(self, fingerprint: str) -> str | None:
        """The plain (secret-free) JSON of a payload that was once made, for showing what changed."""

    def write_payloads(self, payloads: Mapping[str, str]) -> None: ...

    def statuses(self, namespace: str | None = None) -> dict[Key, Status]: ...

    def write_statuses(self, changed: Mapping[Key, Status | None]) -> None: ...

    def close(self) -> None: ...
