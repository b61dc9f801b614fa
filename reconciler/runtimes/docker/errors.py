"""The engine's answers, and its silence, as the decisions of our error tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.errors import (
    Denied,
    Gone,
    ImageUnavailable,
    OutcomeUnknown,
    PortInUse,
    ReconcilerError,
    Refused,
    Unreachable,
)
from reconciler.runtimes.docker.endpoint import Endpoint

START_IT = "is it running? start it (`sudo systemctl start docker`), or set DOCKER_HOST to the one that you mean"
NONE_THERE = "install one there, or name its socket in the host's document, or none (engine); processes go on without"
JOIN_GROUP = "add yourself to its group (`sudo usermod -aG docker $USER`, then log in again), or run as root"
STUCK = "it may be stuck or overloaded; see its log (`journalctl -u docker`)"

TAKEN_PORT = re.compile(
    r"(?:bind (?:for|host port(?: for)?)|listen \w+|exposing port \w+) (?:\[[^\]]*\]|[^\s:]*):(\d+)", re.IGNORECASE
)
"""How four generations of engines say it."""
PROGRAM = re.compile(r'exec: (".*"): (.*?)(?:: unknown)?$', re.DOTALL)
NO_SOURCE = re.compile(r"bind source path does not exist: (\S+)")


def unreachable(endpoint: Endpoint, error: OSError, seconds: float) -> Unreachable:
    """Nobody can be spoken to. Nothing follows from it about what runs."""
    match error:
        case ConnectionError() if endpoint.host:
            return Unreachable(f"no container engine answers at {endpoint.source}", hint=NONE_THERE)
        case TimeoutError():
            return Unreachable(f"the container engine at {endpoint} did not answer in {seconds:g} s", hint=STUCK)
        case PermissionError():
            return Unreachable(f"this user may not speak to the container engine at {endpoint}", hint=JOIN_GROUP)
        case FileNotFoundError() | ConnectionRefusedError() | NotADirectoryError():
            return Unreachable(f"no container engine answers at {endpoint}", hint=START_IT)
        case _:
            words = error.strerror or str(error) or type(error).__name__
            return Unreachable(f"the container engine at {endpoint} can't be spoken to: {words}", hint=START_IT)


def garbled(endpoint: Endpoint, what: str) -> Unreachable:
    return Unreachable(f"the container engine at {endpoint} answered with {what}", hint=STUCK)


def refusal(status: int, message: str, doing: str) -> ReconcilerError:
    """A clear no. What the engine says is kept, less its noise."""
    words = tidy(message)
    if (port := TAKEN_PORT.search(message)) and ("allocated" in message or "in use" in message):
        return PortInUse(f"{doing}: port {port[1]} is taken", port=int(port[1]), hint="choose another hostPort")
    if source := NO_SOURCE.search(message):
        return missing_source(source[1], doing)
    if "no such image" in message.lower():
        return ImageUnavailable(f"{doing}: {words}", hint="pull or build it; `docker images` shows what is here")
    match status:
        case 404:
            return Gone(f"{doing}: {words}", hint="it was removed meanwhile; look again")
        case 401 | 407:
            return Denied(f"{doing}: {words}")
        case _:
            return Refused(f"{doing}: {words}")


def missing_source(path: str, doing: str) -> Refused:
    return Refused(f"{doing}: the host path {path} does not exist", hint=f"make it: mkdir -p {path}")


def tidy(message: str) -> str:
    """The part of the engine's message that says what is wrong, without the way that it took through the layers."""
    if program := PROGRAM.search(message):
        return f"{program[1]}: {program[2]}"
    return message.removeprefix("Error response from daemon: ").strip() or "the engine said no, and nothing else"


@contextmanager
def engine_errors(endpoint: Endpoint, doing: str) -> Iterator[None]:
    """What the client library raises, told in our words. A time-out after sending is unknown, not failed."""
    import docker.errors  # noqa: PLC0415 -- who comes here has a client already
    import requests.exceptions  # noqa: PLC0415

    try:
        yield
    except docker.errors.APIError as error:
        status = 500 if error.response is None else error.response.status_code
        raise refusal(status, error.explanation or str(error), doing) from error
    except requests.exceptions.ConnectionError as error:
        if isinstance(cause := _never_connected(error), OSError):
            raise unreachable(endpoint, cause, 0) from error
        raise unknown(doing, "the connection broke") from error
    except requests.exceptions.Timeout as error:
        raise unknown(doing, "the engine did not answer in time") from error
    except (requests.exceptions.RequestException, docker.errors.DockerException) as error:
        raise unknown(doing, str(error)) from error


def unknown(doing: str, cause: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"{doing}: {cause}; it may have happened all the same", hint="look again")


def _never_connected(error: BaseException) -> BaseException | None:
    """The refusal of connect() among the causes: then nothing was sent, so nothing can have happened."""
    for cause in _causes(error):
        if isinstance(cause, FileNotFoundError | ConnectionRefusedError | PermissionError):
            return cause
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Wrapped errors stand in `args` and in `__context__`, depending on who wrapped them."""
    pending, seen = [error], set()
    while pending:
        cause = pending.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        nested = (*cause.args, cause.__context__, getattr(cause, "reason", None))
        pending += [item for item in nested if isinstance(item, BaseException)]
