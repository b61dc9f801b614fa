"""For who looks again and again: a runtime that hangs costs everybody one deadline once, and not one at each look."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from reconciler.inquiry import Question, Told
from reconciler.model.observed import View
from reconciler.ports import Observer
from reconciler.telemetry import Say, get_logger

HANGING = 1.0
"""Seconds. Who says no says it sooner, and may be asked at each look."""

log = get_logger()


class Patient:
    """An observer that stands before another one. While that one hangs it answers in its place, at once and with the
    same problem; a thread goes on asking, and all is looked at again as soon as there is another answer.

    Slowness alone is no reason: a slow answer is one. A command that looks once has no use for this.
    """

    def __init__(self, observer: Observer, tell: Callable[[str], None]) -> None:
        self.name = observer.name
        self.host = observer.host
        self._observer = observer
        self._tell = tell
        self._hung: View | None = None
        self._lock = threading.Lock()

    def observe(self, *, deep: bool = False) -> View:
        if hung := self._hung:
            return hung
        view, hangs = self._ask(deep=deep)
        if hangs:
            self._give_up(view)
        return view

    def question(self) -> Question | None:
        """Who hangs is left out of what is asked together."""
        ask = getattr(self._observer, "question", None)
        return ask() if ask and not self._hung else None

    def view(self, told: Told) -> View:
        """Of those who are asked together the one that hangs is the one that has told nothing."""
        view: View = self._observer.view(told)  # type: ignore[attr-defined]  # who has a question reads the answer
        if told.fault and told.took >= HANGING:
            self._give_up(view)
        return view

    def _ask(self, *, deep: bool) -> tuple[View, bool]:
        began = time.monotonic()
        view = self._observer.observe(deep=deep)
        return view, not view.reachable and time.monotonic() - began >= HANGING

    def _give_up(self, view: View) -> None:
        """Several may find out at the same time; one thread is enough."""
        with self._lock:
            if self._hung:
                return
            self._hung = view
        log.warning(Say.UNREACHABLE, runtime=self.name, host=self.host, problem=view.problem)
        threading.Thread(target=self._go_on_asking, name=f"asking {self.name}", daemon=True).start()

    def _go_on_asking(self) -> None:
        """Each question ends at its own deadline, so there is no need to pause between them."""
        try:
            while self._ask(deep=False)[1]:
                continue
        finally:
            self._hung = None
            self._tell("")
