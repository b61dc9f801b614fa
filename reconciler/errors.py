"""What can go wrong, as a tree of decisions. The type says what to do next.

ReconcilerError                 exit 1; carries a next step for a person
├── Unusable                    exit 2; the input must change before anything can happen
│   ├── SpecError               one or more Problems in spec files, each with its place
│   └── UsageError              a flag or an argument that makes no sense
├── Unreachable                 the engine or host does not answer: retry later, conclude nothing
├── OutcomeUnknown              a deadline passed after the request went out: look again, never retry blind
└── Refused                     the world said no, clearly: nothing happened
    ├── Gone                    the object that we addressed is not there any more: look again
    ├── NameTaken               something that is not ours holds the name: needs a person
    ├── PortInUse               somebody holds the port: choose another, or needs a person
    ├── ImageUnavailable        no such image here and none could be pulled: back off
    └── Denied                  no permission: needs a person
        ├── HostTaken           somebody else looks after that host: needs a person, or his going away
        ├── HostKeyUnknown      nobody has said yet that this is the host's key: needs a person
        └── HostKeyChanged      the host shows another key than the one that is known: needs a person
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ReconcilerError(Exception):
    """Something a person should read: what, why, and the next step."""

    exit_code = 1
    reason = "Failed"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class Unusable(ReconcilerError):
    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a spec, and where. `line` and `column` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    excerpt: str = ""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        text = f"{self.place}: {path}{self.message}"
        if self.excerpt:
            text += f"\n    {self.excerpt}\n    {' ' * max(self.column - 1, 0)}^"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class SpecError(Unusable):
    """Every problem of every file at once."""

    reason = "InvalidSpec"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(Unusable):
    reason = "Usage"


class Unreachable(ReconcilerError):
    reason = "Unreachable"


class OutcomeUnknown(ReconcilerError):
    reason = "OutcomeUnknown"


class Refused(ReconcilerError):
    reason = "Refused"


class Gone(Refused):
    reason = "Gone"


class StillRuns(Refused):
    """It was started after somebody had looked and found that it did not run. The next look knows."""

    reason = "StillRuns"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} runs by now", hint="stop it first")


class NameTaken(Refused):
    reason = "NameConflict"


class PortInUse(Refused):
    """`port` is what the error is about; `holder` is who has it, where that is known."""

    reason = "PortInUse"

    def __init__(self, message: str, *, port: int = 0, holder: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.port = port
        self.holder = holder


class ImageUnavailable(Refused):
    reason = "ImageUnavailable"


class Denied(Refused):
    reason = "Denied"


class HostTaken(Denied):
    reason = "HostTaken"


class HostKeyUnknown(Denied):
    reason = "HostKeyUnknown"


class HostKeyChanged(Denied):
    reason = "HostKeyChanged"
