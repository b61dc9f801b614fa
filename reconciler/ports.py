"""The seams, as Protocols. Everything above sees only these; everything below is handed in by `wiring`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.core.graph import Graph
from reconciler.model.desired import Desired, Stop
from reconciler.model.following import Known
from reconciler.model.history import History
from reconciler.model.key import Key
from reconciler.model.observed import Listener, Observed, Stranger, View
from reconciler.model.plan import Record
from reconciler.model.resource import Resource
from reconciler.model.status import Event, Status
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.campaign.manifest import Manifest
    from reconciler.core.parse import Document, Text
    from reconciler.errors import Problem
    from reconciler.kinds.source import SourceSpec


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


class Glancing(Protocol):
    """Something that can say cheaply whether a look would show something else than the last time."""

    def glance(self) -> str:
        """The same text for as long as nothing that could matter has changed; empty: it takes a look to know."""


class Runtime(Observer, Glancing, Protocol):
    """Five verbs. Each is idempotent, addresses the object id that was observed, has a deadline, and raises
    Refused (nothing happened), OutcomeUnknown (look again) or Unreachable.
    """

    def get_ready(self) -> None:
        """Some may have to be started in a moment: begin now what would keep them waiting. Returns at once."""

    def prepare(self, desired: Desired) -> None:
        """All that `create` will need and that can fail early, while the old one still runs: pull the image."""

    def create(self, desired: Desired) -> None:
        """Make it; instances are started too. One of ours that is already there under the name is a success."""

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None: ...

    def start(self, seen: Observed, desired: Desired) -> None: ...

    def stop(self, seen: Observed, stop: Stop) -> None: ...

    def clear_away(self, key: Key) -> None:
        """Of what nobody declares any more: all that was made for it besides and can be made again, like its images."""

    def remove(self, seen: Observed) -> None:
        """Take it away; gone already is a success. A volume's data goes with it: only asked for by name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies under a path inside of a workload."""

    path: str
    directory: bool
    target: str = ""
    """Of a symbolic link, as a whole path."""


class Adopting(Protocol):
    """What a runtime can do that takes over what others made. Only a person's explicit word leads here."""

    def strangers(self) -> Sequence[Stranger]:
        """Whoever is nobody's, as far as can be seen."""

    def stray_volumes(self) -> Sequence[Stranger]:
        """Volumes that are nobody's."""

    def look_closer(self, seen: Sequence[Observed]) -> Sequence[Observed]: ...

    def same_image(self, stranger: Stranger, image: str) -> bool:
        """Whether the name means the very image that it was made from."""

    def strayed_files(self, seen: Observed, desired: Desired) -> list[str]:
        """Files of Configs and Secrets that it does not have as they are declared, by their paths."""

    def adopt(self, ours: Mapping[str, Desired], outdated: Collection[str]) -> None:
        """Keep on record, by id, whose they are. Nothing is done to them. The `outdated` ones match nothing."""


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

    def run(
        self, seen: Observed, argv: Sequence[str], *, deadline: float, env: Mapping[str, str] | None = None
    ) -> Completed:
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
        alone: str = "",
    ) -> int:
        """A command inside, wired to this terminal. Returns its exit code; the workload stays. `alone` is a name under
        which there is to be one only: what was begun under it before, and has lost who stood for it, is ended first.
        """

    def address(self, seen: Observed, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """Where this machine reaches the port on which the workload listens inside."""

    def entry(self, seen: Observed, path: str) -> Entry | None:
        """What lies under an absolute path, a link itself and not what it leads to. It need not run."""

    def fetch(self, seen: Observed, path: str) -> Iterator[bytes]:
        """A file or a tree as a tar stream, under its own name."""

    def deliver(self, seen: Observed, directory: str, pieces: Iterable[bytes]) -> None:
        """Unpacks a tar stream in a directory that is there."""


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


class Source(Glancing, Protocol):
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

    def remember(self, histories: Mapping[Key, History]) -> None:
        """What has become of jobs; durably, for no look at the world could tell it again."""

    def forget(self, key: Key) -> None:
        """The resource, and what was remembered of it."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """All spec files of a Source at one revision."""

    revision: str
    """A commit's id, or a digest of what the directory holds."""
    texts: tuple[Text, ...]
    author: str = ""
    subject: str = ""
    root: str = ""
    """The directory that relative paths lead into; of a repository it is a mere name, and nothing lies there."""
    on_disk: bool = True
    """Whether files beneath `root` can be read by their paths."""
    rewound: bool = False
    """It does not contain what was applied last."""
    content: Callable[[str], bytes] = field(default=lambda _: b"", repr=False, compare=False)
    """Of a file beneath `root` that is not on disk, by its path there. Raises ReconcilerError for what is not one."""


class Feeds(Protocol):
    """The directories and repositories that Sources follow, and what is remembered of each."""

    parsed: dict[Key, Any]
    """Room for what a reader has made of a checkout, so that it is made once."""
    found: dict[str, Mapping[Key, Status]]
    """By namespace, what the last pass of this process found, as long as no sync has kept anything there since."""

    def fetch(self, key: Key, spec: SourceSpec, known: Known, *, revision: str = "") -> Checkout:
        """A whole, verified revision: the newest one, or a former one of a repository. Raises ReconcilerError with
        the reason; never comes back with less than there is.
        """

    def abandon(self) -> None:
        """Nobody waits any more: whoever is fetching comes to an end, and brings nothing."""

    def turn(self, key: Key) -> AbstractContextManager[None]:
        """One sync of a Source at a time, whoever asks for it."""

    def known(self, key: Key) -> Known: ...

    def remember(self, key: Key, known: Known) -> None: ...

    def confirmed(self, key: Key) -> frozenset[str]:
        """The plans that a person said yes to: what is wrong with one revision may be more than one thing."""

    def confirm(self, key: Key, plan: str) -> None:
        """One more. An empty one takes them all back."""

    def watched(self, key: Key, revision: str) -> float:
        """For how many seconds this process has seen a revision, by a clock that nobody sets. While nobody looked it
        may have been the machine that was down, which is not the revision's fault.
        """

    def forget(self, key: Key) -> None: ...


class Rules(Protocol):
    """What the policy says of what Sources bring."""

    def profile(self, spec: SourceSpec) -> str:
        """The name of the profile that its documents are under."""

    def environment(self, profile: str) -> Mapping[str, str]:
        """Our own variables that such documents may refer to."""

    def check(self, documents: Sequence[Document], profile: str, *, root: str) -> list[Problem]:
        """What they ask for and may not have. Content may be taken from files beneath `root`."""

    def limits(self, profile: str) -> tuple[int, float]:
        """How many objects, and how large a share of them, one revision may remove without a word."""


class Campaigns(Protocol):
    """What is kept of campaigns that were begun."""

    def keys(self) -> list[Key]: ...

    def manifest(self, key: Key) -> Manifest | None: ...

    def attended(self, key: Key) -> bool:
        """Whether somebody is at work on it right now."""


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
