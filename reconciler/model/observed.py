"""What is there: things seen in the world, before anybody judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from reconciler.model.hostfacts import HostFacts, Lease
from reconciler.model.key import Key
from reconciler.model.place import LOCAL, Place, place
from reconciler.values import dataclass

ENGINELESS = "run it as a process there, or on another host; or install an engine there and name its socket"
INSTANCE = "service"
"""What kind of thing every instance is in a view, ours and others', whichever kind of workload it belongs to."""


class Phase(StrEnum):
    """Where an instance stands in its life. Networks and volumes are Running once they exist."""

    CREATED = "Created"
    """Made, never started: the trace of a start that failed or of a crash between the two."""
    STARTING = "Starting"
    """A launcher is at work on it; nobody else may."""
    RUNNING = "Running"
    PAUSED = "Paused"
    EXITED = "Exited"
    REMOVING = "Removing"
    UNKNOWN = "Unknown"
    """It is there, but what it does could not be read."""


RUNS = frozenset({Phase.RUNNING, Phase.PAUSED})
"""Its program has begun, and not ended."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A port of the host that something occupies, or may occupy once it runs."""

    port: int
    protocol: str = "tcp"
    address: str = "0.0.0.0"  # noqa: S104 -- the wildcard, as the kernel writes it
    inside: int = field(default=0, compare=False)
    """Of a container: which of its own ports that is, where it is known."""

    def clashes(self, other: Binding) -> bool:
        """Whether both can't be bound at once. The kernel lets different specific addresses share a port."""
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        wild = {"", "0.0.0.0", "::", "*"}  # noqa: S104
        return self.address in wild or other.address in wild or self.address == other.address


@dataclass(frozen=True, slots=True)
class Grant:
    """A host port that was chosen for a named port, and the request it answers ("8080", "auto", "80-90")."""

    port: int
    request: str


@dataclass(frozen=True, slots=True)
class Facts:
    """How a thing is made, as a closer look found it: plain values, under the names of the payload's fields.

    A field that is not among them could not be found out, and nothing follows from that. Values of variables are
    raw, secret ones too, so nothing in here is ever printed.
    """

    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the image gives where the payload says nothing."""
    stale: str = ""
    """Why it is no longer what it was made as where no field tells, as a sentence: its program was replaced on disk."""
    fixed: frozenset[str] = frozenset()
    """Fields that this engine can't change on the living thing."""
    stopping: tuple[str, float] | None = None
    """The signal and the seconds that it was made to be stopped with, unless something else is said."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One object in the world. `key`, `owner` and all that follows from labels is empty on foreign ones."""

    id: str
    """The immutable id that every mutation addresses."""
    name: str
    kind: str
    """INSTANCE, network or volume."""
    runtime: str
    host: str = LOCAL
    key: Key | None = None
    owner: str = ""
    phase: Phase = Phase.RUNNING
    fingerprint: str = ""
    generation: int = 0
    grants: Mapping[str, Grant] = field(default_factory=dict)
    """Host ports by the names of the spec's ports, read back from the label."""
    bindings: tuple[Binding, ...] = ()
    """Host ports that it occupies right now."""
    networks: tuple[str, ...] = ()
    gateway: str = ""
    """Of a network: the host's address inside it."""
    exit_code: int | None = None
    started_at: float | None = None
    finished_at: float | None = None
    pid: int | None = None
    image: str = ""
    made_from: str = ""
    """The image that we made it from, by its label."""
    detail: str = ""
    """What the runtime has to add, for people: "OOM killed", an error of a failed start."""
    stragglers: bool = False
    """Processes of an earlier run are still about, though the service itself has ended."""
    restarting: bool = False
    """It counts as running, but it has ended, and the engine will start it anew by itself."""
    facts: Facts | None = field(default=None, repr=False)
    """None where nobody looked closer."""
    adopted: bool = False
    """Others made it, and a person had us adopt it: what its labels would say stands in a record of ours."""
    attached: bool = False
    """Others run it, and a service of ours is attached to it: it is looked at, and nothing is ever done to it."""

    @property
    def place(self) -> Place:
        return place(self.runtime, self.host)

    @property
    def life(self) -> str:
        """What its health goes by: several services may be attached to one thing, each with its own questions."""
        return f"{self.id} {self.key}" if self.attached else self.id

    @property
    def title(self) -> str:
        """How to name it to a person who may never have heard of it."""
        noun = {INSTANCE: "container" if self.runtime != "process" else "process"}.get(self.kind, self.kind)
        where = "" if self.host == LOCAL else f" on {self.host}"
        return f"{noun} {self.name} ({self.id[:12]}){where}"


@dataclass(frozen=True, slots=True)
class Stranger:
    """A container of which nobody has said that it is ours, with what tells whose it may be."""

    seen: Observed
    labels: Mapping[str, str] = field(default_factory=dict)
    image_id: str = ""
    published: Mapping[str, int] = field(default_factory=dict)
    """Host ports by what is behind them (80/tcp), as they are now: the engine may have chosen them."""


def kind_of(key: Key) -> str:
    """As a view would call what is made for this key."""
    return INSTANCE if key.is_workload else key.kind


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens on a host, and who holds it where that could be found out."""

    binding: Binding
    pid: int | None = None
    command: str = ""

    @property
    def holder(self) -> str:
        if self.pid is None:
            return "a process that this user may not look at"
        return f"pid {self.pid} ({self.command})" if self.command else f"pid {self.pid}"


@dataclass(frozen=True, slots=True)
class Leg:
    """An address of a host, on one of its interfaces."""

    device: str
    address: str
    """With the length of its network's prefix: 192.168.1.20/24."""


@dataclass(frozen=True, slots=True)
class Footing:
    """How a host stands in its networks."""

    legs: tuple[Leg, ...] = ()
    met_at: str = ""
    """Its own address, in the connection through which it was asked."""
    lacking: str = ""
    """Why it can't be made part of a mesh."""
    datagrams: frozenset[int] = frozenset()
    """Numbers of UDP that somebody has, of those that a part of a mesh may have."""


@dataclass(frozen=True, slots=True)
class View:
    """All that one runtime on one host holds, or why that could not be read. Unreadable is not empty."""

    runtime: str
    host: str = LOCAL
    objects: tuple[Observed, ...] = ()
    problem: str = ""
    hint: str = ""
    footing: Footing | None = None
    """Where it was asked for, and could be read."""
    reason: str = "Unreachable"
    """Of the problem, where there is one."""
    machine: HostFacts | None = None
    """What another host said about itself, to who asked it."""
    lease: Lease | None = None
    """Who may change things there, where somebody has said that he does."""
    engine: str = ""
    """Of another host: which engine answered, and its version."""

    @property
    def place(self) -> Place:
        return place(self.runtime, self.host)

    @property
    def reachable(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes of one running instance have said so far. Kept by the prober, judged by nobody else."""

    started: bool = True
    ready: bool = True
    live: bool = True
    known: bool = True
    """False while no answer has come yet: it is not ready as far as we know, which is not far."""
    message: str = ""
    next_probe: float | None = None
    ready_since: float | None = None
    """Without a break, as far as anybody saw; None where nobody kept watch."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One complete look at the world: the only thing besides the graph and the journal that a plan knows."""

    views: tuple[View, ...] = ()
    listeners: Mapping[str, tuple[Listener, ...]] = field(default_factory=dict)
    """By host."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """By the life of an object; an instance without probes has none."""
    ephemeral: tuple[int, int] = (32768, 60999)
    """The range from which the kernel hands out ports by itself; never chosen from."""
    unattached: Mapping[Key, str] = field(default_factory=dict)
    """Instances that are attached to something that was not found, and why."""

    def view(self, place: str) -> View:
        """Of a Place, or of a runtime here."""
        for view in self.views:
            if view.place == place:
                return view
        where = Place.of(place)
        if where.runtime == "docker" and where.host in {view.host for view in self.views} - {LOCAL}:
            problem = f"host {where.host} has no container engine: its document says so (engine: none)"
            return View(where.runtime, where.host, problem=problem, hint=ENGINELESS)
        return View(where.runtime, where.host, problem=f"no {where.runtime} runtime on {where.host}")

    def objects(self) -> tuple[Observed, ...]:
        return tuple(thing for view in self.views for thing in view.objects)
