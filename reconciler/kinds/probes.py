"""Probes: startup, readiness, liveness, alike for containers and native processes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Literal

from reconciler.kinds.base import EDGE, Argv, Fault, PortNumber, Seconds, camel
from reconciler.kinds.limits import Ge, Le
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGet:
    """Ready when a GET is answered with a status from 200 to 399."""

    __pydantic_config__ = EDGE

    port: str | PortNumber
    """A port's name, or the number inside."""
    path: str = "/"
    """Path and query."""
    scheme: Literal["http", "https"] = "http"
    """https accepts any certificate."""
    http_headers: dict[str, str] = field(default_factory=dict)
    """More request headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSocket:
    """Ready when the port accepts a connection."""

    __pydantic_config__ = EDGE

    port: str | PortNumber
    """A port's name, or the number inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """Ready when a command inside exits with 0."""

    __pydantic_config__ = EDGE

    command: Argv
    """Program and arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Ready once a line of its output matches."""

    __pydantic_config__ = EDGE

    pattern: str
    """A regular expression, searched in each line since its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question, asked again and again. Exactly one of httpGet, tcpSocket, exec and log."""

    __pydantic_config__ = EDGE

    http_get: HttpGet | None = None
    """Ask by HTTP."""
    tcp_socket: TcpSocket | None = None
    """Ask by connecting."""
    exec: Exec | None = None
    """Ask by running a command inside."""
    log: Log | None = None
    """Ask its output."""
    initial_delay_seconds: Seconds = 0.0
    """Wait so long after the start before the first question."""
    period_seconds: Annotated[float, Ge(0.1), Le(86400)] = 10.0
    """Time between questions."""
    timeout_seconds: Annotated[float, Ge(0.1), Le(3600)] = 1.0
    """No answer for so long is a failure."""
    success_threshold: Annotated[int, Ge(1)] = 1
    """So many good answers in a row make it good."""
    failure_threshold: Annotated[int, Ge(1)] = 3
    """So many bad answers in a row make it bad."""

    @property
    def action(self) -> HttpGet | TcpSocket | Exec | Log:
        chosen = self.http_get or self.tcp_socket or self.exec or self.log
        assert chosen is not None, "validated: exactly one"
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """How to find out whether it works."""

    __pydantic_config__ = EDGE

    startup: Probe | None = None
    """Until it succeeds the other two are not asked; when it fails for good the instance is started anew."""
    readiness: Probe | None = None
    """Whether it can serve; those who depend on it wait for this."""
    liveness: Probe | None = None
    """Whether it still works; when it fails for good the instance is started anew."""

    @property
    def any(self) -> bool:
        return bool(self.startup or self.readiness or self.liveness)


def probe_faults(probes: Probes, path: tuple[str | int, ...], port_names: set[str]) -> Iterator[Fault]:
    for role in ("startup", "readiness", "liveness"):
        probe: Probe | None = getattr(probes, role)
        if probe is None:
            continue
        here = (*path, role)
        given = [camel(name) for name in ("http_get", "tcp_socket", "exec", "log") if getattr(probe, name)]
        if len(given) != 1:
            message = f"exactly one of httpGet, tcpSocket, exec and log is needed, not {' and '.join(given) or 'none'}"
            yield Fault(here, message, f"keep {given[0]}, remove the rest" if given else "like tcpSocket: {port: 80}")
        yield from _port_faults(probe, here, port_names)
        if probe.log:
            yield from _pattern_faults(probe.log.pattern, (*here, "log", "pattern"))


def _port_faults(probe: Probe, here: tuple[str | int, ...], port_names: set[str]) -> Iterator[Fault]:
    for field_name, action in (("httpGet", probe.http_get), ("tcpSocket", probe.tcp_socket)):
        if action and isinstance(action.port, str) and action.port not in port_names:
            known = ", ".join(sorted(port_names)) or "none"
            yield Fault(
                (*here, field_name, "port"), f"no port is called {action.port!r}", f"ports of this service: {known}"
            )


def _pattern_faults(pattern: str, here: tuple[str | int, ...]) -> Iterator[Fault]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what may mean something else in a later Python is still a pattern
            re.compile(pattern)
    except re.error as error:
        yield Fault(here, f"not a regular expression: {error}", "a backslash makes ( ) [ ] . * + ? mean themselves")
    except (RecursionError, OverflowError):
        yield Fault(here, "a regular expression with too deep a nesting, or too large a count", "write a simpler one")
