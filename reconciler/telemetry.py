"""What the program tells of itself while it works: constant messages with keys, on stderr.

`get_logger()` costs nothing; structlog is loaded by the first line that is really written. A message names an
event of the list below and never carries a value: values are keys, so that lines can be searched and counted.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import StrEnum
from typing import Any, Literal

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40


class Say(StrEnum):
    """The one list of events in logs."""

    RECONCILED = "reconciled"
    NOT_RECONCILED = "not reconciled"
    ACTION_BEGUN = "action begun"
    ACTION_ENDED = "action ended"
    PROBE_ANSWERED = "probe answered"
    DIARY = "diary"
    """What became of its file."""
    UNREACHABLE = "unreachable"
    LEASE_KEPT = "lease could not be given back"
    SOURCE_UNREADABLE = "source unreadable"
    SYNCED = "synced"
    LOOP_BEGUN = "loop begun"
    LOOP_ENDED = "loop ended"
    THREAD_DIED = "thread died"
    UNHEALTHY = "unhealthy"
    REREADING = "rereading"
    REQUEST = "request"
    HOOK = "hook"
    ALARM_BROKEN = "alarm broken"
    NOTE = "note"
    EVENTS_BEGUN = "events begun"
    EVENTS_ENDED = "events ended"
    """Of an engine. Until they come again, only the timer finds out what happens there."""


class Logger:
    """A name for things to say, with what is known already."""

    __slots__ = ("_bound",)

    def __init__(self, bound: dict[str, Any] | None = None) -> None:
        self._bound = bound or {}

    def bind(self, **more: Any) -> Logger:
        """The same, knowing more: which namespace, which key."""
        return Logger({**self._bound, **more})

    def debug(self, event: str, **values: Any) -> None:
        self._say(DEBUG, event, values)

    def info(self, event: str, **values: Any) -> None:
        self._say(INFO, event, values)

    def warning(self, event: str, **values: Any) -> None:
        self._say(WARNING, event, values)

    def error(self, event: str, **values: Any) -> None:
        self._say(ERROR, event, values)

    def exception(self, event: str, **values: Any) -> None:
        """An error with the trace of the exception that is being looked at."""
        self._say(ERROR, event, {**values, "exc_info": True})

    def _say(self, level: int, event: str, values: dict[str, Any]) -> None:
        if level >= _settings.level:
            with suppress(OSError, ValueError):  # a log that is full, or shut, is no reason to leave things half done
                _settings.writer().log(level, str(event), **{**self._bound, **values})


class _Settings:
    """How it is written. Kept until something is, for most commands say nothing."""

    def __init__(self, form: str = "console", level: int = WARNING, *, color: bool = False) -> None:
        self.form = form
        self.level = level
        self.color = color
        self._writer: Any = None

    def writer(self) -> Any:
        if self._writer is None:
            self._writer = self._make()
        return self._writer

    def _make(self) -> Any:
        import structlog  # noqa: PLC0415 -- 40 ms that only who is spoken to pays

        # Tracebacks as plain text in both forms: the structured one would show local variables, secrets among them.
        written: list[Any] = [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        if self.form == "json":
            written += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        else:
            plain = structlog.dev.plain_traceback
            written += [_harmless, structlog.dev.ConsoleRenderer(colors=self.color, exception_formatter=plain)]
        return structlog.wrap_logger(
            structlog.PrintLogger(sys.stderr),
            processors=written,
            wrapper_class=structlog.make_filtering_bound_logger(self.level),
        )


def _harmless(_logger: Any, _method: str, values: Any) -> Any:
    """Much that is logged was said by others; a terminal must not obey it."""
    for name, value in values.items():
        if isinstance(value, str) and name != "exception" and not value.isprintable():
            values[name] = "".join(char if char.isprintable() else " " for char in value)
    return values


_settings = _Settings()


def configure(format: Literal["console", "json"], verbosity: int, color: bool) -> None:  # noqa: A002
    """Warnings are always told; with -v what is done, with -vv everything."""
    global _settings  # noqa: PLW0603 -- a program has one stderr
    _settings = _Settings(format, (WARNING, INFO, DEBUG)[min(max(verbosity, 0), 2)], color=color)


def get_logger(**known: Any) -> Logger:
    return Logger(known)
