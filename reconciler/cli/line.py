"""From a verb to the engine room and back: opens the controller, passes progress on, prints reports."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import click

from reconciler.cli.context import Context
from reconciler.cli.durations import duration
from reconciler.cli.render.output import TREES, show_names, show_tree
from reconciler.cli.render.progress import DONE, FAILED, RUNNING, fetching
from reconciler.cli.render.progress import Progress as Lines
from reconciler.cli.render.text import clean, paint

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.engine.news import News
    from reconciler.engine.report import Report, Trouble
    from reconciler.model.key import Key
    from reconciler.model.plan import Action
    from reconciler.model.status import Status

OUTPUTS = (*TREES, "name")
DOING = {"Create": "creating", "Adjust": "adjusting", "Start": "starting", "Stop": "stopping", "Remove": "removing"}
HELD, MOVED = " is held by ", "; moved to "
"""How it is said of a port that it is another one than was asked for."""
REDS = ("pruned", "deleted", "forgotten", "removed")
COLORS = {
    "created": "green",
    "adopted": "green",
    "configured": "yellow",
    "pending": "yellow",
    **dict.fromkeys(REDS, "red"),
}
LATE = "time is up before all was Ready; what runs goes on running, and the next apply goes on from here"
WORDS = {
    "forgotten": "forgotten, its data kept; delete it with --volumes",
    "removed": "removed; nobody had declared it",
}


def open_controller(context: Context, *, acts: bool = False) -> Controller:
    """The engine room of this home, with its notes on stderr. Only a verb that `acts` may make the home."""
    from reconciler import wiring

    def note(text: str) -> None:
        print(f"note: {clean(text)}", file=context.stderr)

    if not context.invocation.guest:
        set_up_logs(context, context.verbosity)
    cause = shlex.join(["reconciler", *context.invocation.arguments])
    controller = wiring.controller(
        context.home, acts=acts, port_range=context.port_range, note=note, cause=cause,
        fetching=partial(fetching, context),
    )  # fmt: skip
    context.invocation.held.append(controller.parts.store.close)
    return controller


def set_up_logs(context: Context, verbosity: int) -> None:
    from reconciler.telemetry import configure

    form: Literal["json", "console"] = "json" if context.log_format == "json" else "console"
    configure(form, verbosity, color=context.color_on_stderr)


def waiting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    wait = click.option("--wait/--no-wait", default=True, help="Wait until it is done (the default), or not.")
    timeout = click.option("--timeout", type=duration, metavar="SPAN", help="At most so long [60s]: 90, 2m30s.")
    return wait(timeout(function))


def settled_word(status: Status) -> str:
    """How one stands that is as it should be: one that was stopped is not ready, nor is one that is done."""
    ready = status.condition("Ready")
    return (
        ready.reason.lower() if ready and ready.reason in ("Stopped", "Completed", "Scheduled", "Running") else "ready"
    )


class Bridge:
    """Tells the progress lines what the engine does, in words: of what was named, and of what is acted upon."""

    def __init__(self, lines: Lines, keys: Iterable[Key], *, going: bool = False) -> None:
        """`going`: all of them are taken down. What stays of it on purpose the report tells."""
        self._lines = lines
        self._shown = set(keys)
        self._untold = frozenset(self._shown if going else ())
        self._many = len({key.namespace for key in self._shown}) > 1
        self._noted: set[tuple[Key, str, str]] = set()
        self._last: dict[Key, str] = {}
        self._busy: dict[Key, set[str]] = {}
        """With what was told since something of it takes its time: every pass begins with all of that again."""

    def started(self, action: Action) -> None:
        self._shown.add(action.key.resource)
        self._say(action.key.resource, f"{DOING[action.verb]}: {action.cause}")

    def passed(self, news: News) -> None:
        self._note_all((key, message) for key, message in news.notes if key.resource not in self._untold)
        undone = {key.resource for key, _ in news.undone}
        self._busy = {key: self._busy.get(key, {self._last.get(key, "")}) for key in undone}
        for key, message in news.undone:
            self._say(key.resource, _said(message, key))
        waits = {wait.key.resource: wait for wait in reversed(news.waits)}
        for key in sorted({*news.statuses, *waits} & self._shown):
            if key.kind == "source":  # no pass changes anything about it
                continue
            if key in waits:
                self._say(key, f"{waits[key].reason}: {_said(waits[key].message, key)}")
            elif news.statuses[key].ready and not news.acting:
                self._lines.update(self._name(key), DONE, settled_word(news.statuses[key]))
            elif not news.acting:
                condition = news.statuses[key].condition("Ready")
                self._lines.update(
                    self._name(key), FAILED, f"{condition.reason}: {_said(condition.message, key)}" if condition else ""
                )

    def _say(self, key: Key, text: str) -> None:
        told = self._busy.get(key, set())
        if text not in told:
            told.add(text)
            self._last[key] = text
            self._lines.update(self._name(key), RUNNING, text)

    def _note_all(self, notes: Iterable[tuple[Key, str]]) -> None:
        """Each once, for each pass brings it up again; and of replicas whose ports were moved one line tells."""
        found: dict[tuple[Key, str], list[str]] = {}
        for key, message in notes:
            said, moved, number = message.rpartition(MOVED) if MOVED in message else (message, "", "")
            about = (key.resource, said.partition(HELD)[0] if moved else said, number)
            if about not in self._noted:
                self._noted.add(about)
                found.setdefault((key.resource, f"{said}{moved}"), []).append(number)
        for (resource, said), numbers in found.items():
            self._lines.note(f"note: {self._name(resource)}: {said}{', '.join(numbers)}")

    def _name(self, key: Any) -> str:
        return str(key) if self._many else str(key.short)


def _said(message: str, key: Key) -> str:
    from reconciler.core.advice import without_key

    return without_key(message, key)


def print_report(context: Context, report: Report, *, late: str = LATE) -> int:
    """Results to stdout in the form asked for, troubles to stderr; the exit code. `late` is said when time was up."""
    many = len({key.namespace for key in report.results}) > 1
    names = {key: str(key) if many else key.short for key in report.results}
    if context.output == "name":
        show_names(context, (names[key] for key in sorted(report.results)))
    elif not show_tree(context, report.as_json()):
        report = _told_once(report)
        for key in sorted(report.results):
            said = report.results[key]
            word = paint(WORDS.get(said, said), COLORS.get(said, ""), color=context.color)
            print(f"{names[key]} {word}", file=context.stdout)
    return print_troubles(context, report, late=late)


def _told_once(report: Report) -> Report:
    """Of data that stays the results tell already."""
    from dataclasses import replace

    from reconciler.engine.edits import kept_data

    told = {kept_data(key) for key, word in report.results.items() if word == "forgotten"}
    return replace(report, notes=tuple(note for note in report.notes if note not in told))


def print_troubles(context: Context, report: Report, *, late: str = LATE) -> int:
    """To stderr; the exit code."""
    for note in report.notes:
        print(f"note: {clean(note)}", file=context.stderr)
    for alike in _alike(report.troubles):
        _print_trouble(context, alike)
    if report.timed_out:
        print(f"error: {late}", file=context.stderr)
    elif not report.settled and not report.troubles:
        for wait in report.waits:
            print(f"error: {wait.key.short}: {wait.reason}: {clean(wait.message)}", file=context.stderr)
    return 0 if report.ok else 1


def _alike(troubles: Iterable[Trouble]) -> list[list[Trouble]]:
    """An engine that is down is one trouble, however many are concerned."""
    found: dict[object, list[Trouble]] = {}
    for trouble in troubles:
        found.setdefault((trouble.reason, trouble.message, trouble.hint, trouble.log), []).append(trouble)
    return list(found.values())


def _print_trouble(context: Context, alike: Sequence[Trouble]) -> None:
    head, trouble = paint("error:", "red", color=context.color_on_stderr), alike[0]
    whose = ", ".join(one.key.short for one in alike)
    print(f"{head} {whose}: {trouble.reason}: {clean(trouble.message)}", file=context.stderr)
    for line in trouble.log:
        print(f"  | {clean(line)}", file=context.stderr)
    if trouble.hint:
        print(f"{paint('hint:', 'cyan', color=context.color_on_stderr)} {clean(trouble.hint)}", file=context.stderr)
