"""What is asked of a machine to look at it, and what it tells.

Several rooms want to know something of one machine. Each owns its question and reads its own answer; the host takes
all of them along in one exchange.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from reconciler.errors import ReconcilerError
from reconciler.ports import Host
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.model.observed import Listener, View


@dataclass(frozen=True, slots=True)
class Question:
    """A script for a POSIX shell, and its words. It changes nothing that is looked at, so it may be asked again."""

    script: str
    words: tuple[str, ...] = ()

    @property
    def argv(self) -> list[str]:
        return ["sh", "-c", self.script, "look", *self.words]


@dataclass(frozen=True, slots=True)
class Told:
    """The whole answer to one question, or the fault for which there is none."""

    text: str
    before: float
    """By our clock: when it was asked, and when all was told."""
    after: float
    took: float
    """In seconds, whatever becomes of the clock."""
    fault: ReconcilerError | None = None

    @property
    def whole(self) -> str:
        if self.fault:
            raise self.fault
        return self.text


class Asking(Protocol):
    """A runtime that looks by a question, which may be asked along with others'."""

    def question(self) -> Question | None:
        """None for who has to be looked at by itself just now."""

    def view(self, told: Told) -> View: ...


class Asked(Host, Protocol):
    """A host that is asked several questions at once."""

    sockets: Question

    def ask(self, questions: Sequence[Question]) -> list[Told]:
        """In one exchange. Each has its own fate, and none of them is raised."""

    def read_sockets(self, told: Told) -> tuple[Listener, ...]:
        """Every listening socket, without holders, as `sockets` asked for it."""


def alone(host: Host, question: Question, *, deadline: float) -> Told:
    """For who wants to know nothing else, of any host."""
    before, since = time.time(), time.monotonic()
    text, fault = "", None
    try:
        text = host.run(question.argv, deadline=deadline).stdout.decode(errors="replace")
    except ReconcilerError as error:
        fault = error
    return Told(text, before, time.time(), time.monotonic() - since, fault)
