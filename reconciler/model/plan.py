"""What may be done now, and what has to wait. A plan prints as text, and tests compare the print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from reconciler.model.desired import Desired, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.values import dataclass


class Verb(StrEnum):
    CREATE = "Create"
    """Make it and start it."""
    ADJUST = "Adjust"
    """Change it in place: unpause, rename, limits, restartPolicy, networks."""
    START = "Start"
    STOP = "Stop"
    REMOVE = "Remove"


class Reason(StrEnum):
    """Why something waits or is not as it should be: the one list of reasons, in events and conditions alike."""

    # waits that pass by themselves
    STARTING = "Starting"
    NOT_READY = "NotReady"
    DEPENDENCY = "DependencyNotReady"
    NETWORK = "NetworkNotReady"
    VOLUME = "VolumeNotReady"
    BACK_OFF = "BackOff"
    IN_USE = "InUse"
    TERMINATING = "Terminating"
    ROLLING = "RollingUpdate"
    UNREACHABLE = "Unreachable"
    # waits that need a person
    NAME_CONFLICT = "NameConflict"
    PORT_IN_USE = "PortInUse"
    PORTS_EXHAUSTED = "PortsExhausted"
    IMAGE = "ImageUnavailable"
    EXTERNAL_MISSING = "ExternalMissing"
    NOT_THERE = "NotThere"
    """What a service is attached to: others run it, and it does not run, or can't be found."""
    VOLUME_DIFFERS = "VolumeDiffers"
    UNREADABLE = "Unreadable"
    DENIED = "Denied"
    HOST_TAKEN = "HostTaken"
    """Another installation looks after the host."""
    # ends
    FAILED = "Failed"
    DEADLINE = "DeadlineExceeded"
    COMPLETED = "Completed"
    STOPPED = "Stopped"
    READY = "Ready"
    SETTLED = "Settled"
    DECLARED = "Declared"
    """Of a Campaign: there is nothing that passes would do about it."""
    PENDING = "Pending"
    RUNNING = "Running"
    """Of a job or a campaign: it has not come to its end yet."""
    INTERRUPTED = "Interrupted"
    """Of a campaign: nobody is at work on it, and it has not come to its end."""
    SCHEDULED = "Scheduled"
    CRASH_LOOP = "CrashLoop"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    ORPHAN = "Orphan"
    """Ours, but declared by nobody."""
    # of Sources: how the last sync ended
    SYNCED = "Synced"
    NOT_SYNCED = "NotSynced"
    """Nobody has looked at it yet."""
    SUSPENDED = "Suspended"
    INVALID_SPEC = "InvalidSpec"
    REWOUND = "Rewound"
    """The branch no longer contains what was applied last."""
    UNVERIFIED = "Unverified"
    BRAKED = "Braked"
    """It would remove too much for nobody to look at it."""
    CONFLICT = "Conflict"
    """What it brings is declared by somebody else."""
    VANISHED = "Vanished"
    """Documents are gone; a second look has to agree before anything is taken down."""
    WAVE = "WaveNotReady"
    ROLLED_BACK = "RolledBack"
    # of Sources, as events
    OVERRULED = "Overruled"
    """What a person changed was set back to what its Source says."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do to one object, and why, as a sentence."""

    verb: Verb
    key: Key
    cause: str
    desired: Desired | None = None
    seen: Observed | None = None
    changes: tuple[str, ...] = ()
    """Of an Adjust: which of "unpause", "rename", "limits", "restartPolicy", "networks"."""
    stop: Stop | None = None
    """Of a Stop: how it is asked to end, where its spec is still known."""

    def __str__(self) -> str:
        return f"{self.verb} {self.key}: {self.cause}"


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that can't be done yet: why, and when to look again if time alone will help."""

    key: Key
    reason: Reason
    message: str
    until: float | None = None

    def __str__(self) -> str:
        return f"Wait {self.key}: {self.reason}: {self.message}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Sequences run in order inside, and concurrently beside one another. Inside of one, neighbours that do the same to
    different things are done at once.
    """

    sequences: tuple[tuple[Action, ...], ...] = ()
    waits: tuple[Wait, ...] = ()
    desired: Mapping[Key, Desired] = field(default_factory=dict)
    """All that ought to exist, acted on or not: what a status is judged against."""
    notes: tuple[Wait, ...] = ()
    """Worth saying, but nothing waits for it: an orphan, a moved port."""
    wake: float | None = None
    """When time alone will bring something to do, though nothing waits for it: a schedule, or a job that is to go."""

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(action for sequence in self.sequences for action in sequence)

    @property
    def settled(self) -> bool:
        return not self.sequences and not self.waits

    def __str__(self) -> str:
        lines = [str(action) for action in self.actions] + [str(wait) for wait in self.waits]
        return "\n".join(lines) or "settled"


class Result(StrEnum):
    """The outcomes of one outside call. Unknown is not failed: the effect may well have happened."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    action: Action
    result: Result
    reason: str = ""
    message: str = ""
    hint: str = ""
    port: int = 0
    """The host port that was refused, if that was it."""
    fetching: float = field(default=0.0, compare=False)
    """Seconds in which what its sequence needs was fetched: an image pulled, or built."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the diary remembers of one instance's troubles. Losing it costs a back-off, nothing else."""

    failures: int = 0
    last_at: float = 0.0
    fingerprint: str = ""
    """Of what failed: a changed spec is tried at once."""
    reason: str = ""
    message: str = ""
    restarts: int = 0
    crashes: int = 0
    """How often it ended and was started again with no calm stretch between. It says how long one has to run before it
    is believed; so a person's word, which forgives failures, doesn't take it back.
    """
    avoid: tuple[int, ...] = ()
    """Host ports that were refused though nobody was seen to hold them."""


Journal = Mapping[Key, Record]
