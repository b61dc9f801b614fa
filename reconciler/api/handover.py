"""A command hands its passes over to the daemon of its home, and follows what it does."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager

from reconciler.api import messages
from reconciler.api.call import Broken, Line, connect
from reconciler.engine.news import Progress
from reconciler.engine.report import Report
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key

ANSWER_SECONDS = 5.0
MORE_SECONDS = 30.0
"""Beyond the time that was asked for, before a silent daemon is given up."""


class DaemonOf:
    """The daemon of one home; asked for each time, for it may come and go."""

    def __init__(self, home: str) -> None:
        self._home = home

    @contextmanager
    def taking(self, namespaces: Collection[str]) -> Iterator[Handed | None]:
        """None where nobody is there to be talked to."""
        line = connect(self._home)
        if line is None:
            yield None
            return
        with closing(line):
            try:
                for _ in line.ask({"ask": "leave", "namespaces": sorted(namespaces)}, deadline=ANSWER_SECONDS):
                    pass
            except Broken:
                yield None
            else:
                yield Handed(line)


class Handed:
    """An open line, on which the passes of these namespaces are ours to ask for."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def settle(
        self, namespace: str, keys: Collection[Key], *, wait: bool, timeout: float, progress: Progress
    ) -> Report | None:
        question = {
            "ask": "settle",
            "namespace": namespace,
            "keys": [str(key) for key in sorted(keys)],
            "wait": wait,
            "timeout": timeout,
        }
        try:
            return _follow(self._line, question, timeout + MORE_SECONDS, progress)
        except (Broken, ValueError, LookupError):
            return None


def _follow(line: Line, question: dict[str, object], deadline: float, progress: Progress) -> Report:
    for told in line.ask(question, deadline=deadline):
        match told:
            case {"started": action}:
                progress.started(messages.action_of(action))
            case {"passed": news}:
                progress.passed(messages.news_of(news))
            case {"answer": report}:
                return messages.report_of(report)
            case {"error": message, **more}:
                raise ReconcilerError(message, hint=str(more.get("hint", "")))
    raise Broken("no answer")
