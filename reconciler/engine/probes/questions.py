"""The four questions a probe may ask of a running instance, and the answers, in words for people.

An answer always comes: each question has the probe's own deadline, and reads no more than it needs. What can't
be asked at all, because the engine is away, is no answer, and proves nothing about the workload.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.engine.probes.http import Unanswered, connect, get
from reconciler.errors import Gone, OutcomeUnknown, ReconcilerError, Unreachable
from reconciler.kinds.probes import Exec, HttpGet, Log, Probe, TcpSocket
from reconciler.model.observed import Observed
from reconciler.ports import Completed, Reach
from reconciler.values import dataclass

EXCERPT = 100
LINE_BYTES = 16 * 1024
LOG_BYTES = 32 * 1024 * 1024
HANG_UP_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """None is: it could not be asked."""

    ok: bool | None
    message: str = ""


def ask(probe: Probe, seen: Observed, ports: Mapping[str, int], reach: Reach, now: float) -> Answer:
    """`ports` has, by name, the numbers on which the workload itself listens."""
    until = time.monotonic() + probe.timeout_seconds
    late = f"no answer in {probe.timeout_seconds:g} s"
    try:
        match probe.action:
            case HttpGet() as http:
                return _http(http, _address(http.port, seen, ports, reach), until, late)
            case TcpSocket() as tcp:
                return _tcp(seen, _address(tcp.port, seen, ports, reach), until, late)
            case Exec() as command:
                return _exit(reach.run(seen, command.command, deadline=probe.timeout_seconds))
            case Log() as log:
                return _log(log, reach.logs(seen, since=_since(seen, now)), until, late)
    except OutcomeUnknown:
        return Answer(False, late)
    except (Unreachable, Gone) as error:
        return Answer(None, error.message)
    except ReconcilerError as error:
        return Answer(False, error.message)


def readable(text: str | bytes, length: int = EXCERPT) -> str:
    """One line of somebody else's text, without anything a terminal would obey."""
    if isinstance(text, bytes):
        text = text[: length * 8].decode(errors="replace")
    line = "".join(char if char.isprintable() else " " for char in text[: length * 8])
    return " ".join(line.split())[:length]


def _address(port: str | int, seen: Observed, ports: Mapping[str, int], reach: Reach) -> tuple[str, int]:
    inside = ports.get(port) if isinstance(port, str) else port
    if inside is None:
        raise ReconcilerError(f"it has no port called {port!r}")
    return reach.address(seen, inside)


def _http(http: HttpGet, address: tuple[str, int], until: float, late: str) -> Answer:
    path = http.path if http.path.startswith("/") else f"/{http.path}"
    what = f"GET {http.scheme}://{_place(address)}{readable(path.partition('?')[0])}"  # a query may hold a token
    try:
        answer = get(address, path, until, tls=http.scheme == "https", headers=http.http_headers)
    except ConnectionRefusedError:
        return Answer(False, f"nothing listens on {_place(address)}")
    except TimeoutError:
        return Answer(False, f"{what}: {late}")
    except Unanswered as error:
        return Answer(False, f"{what}: {readable(str(error), 2 * EXCERPT)}")
    except OSError as error:
        return Answer(False, f"{what}: {error.strerror or error}")
    if 200 <= answer.status < 400:
        return Answer(True)
    said, told = f"{answer.status} {readable(answer.reason)}", _gist(answer.body)
    return Answer(False, f"{what}: {said}" if told in ("", said) else f"{what}: {said}: {told}")


def _gist(body: bytes) -> str:
    """The first line of text. Of a page that is mostly its title: nobody reads its source in a table."""
    return next((line for line in map(readable, _told(body).splitlines()) if line), "")


def _told(output: bytes) -> bytes:
    """What a reader of a page would see of it; anything else as it is."""
    if output.lstrip()[:1] != b"<":
        return output
    from html import unescape  # noqa: PLC0415 -- few answers are pages

    unseen = rb"<!--.*?(-->|$)|<(script|style)\b.*?(</\2\s*>|$)"
    seen = re.sub(unseen, b"", output, flags=re.DOTALL | re.IGNORECASE)
    texts = (b" ".join(text.split()) for text in re.split(rb"<[^>]*(?:>|$)", seen))
    return unescape(b"\n".join(texts).decode(errors="replace")).encode()


def _tcp(seen: Observed, address: tuple[str, int], until: float, late: str) -> Answer:
    try:
        with connect(address, until) as line:
            if seen.runtime == "process" or not _hangs_up(line.recv, line.settimeout):
                return Answer(True)
            return Answer(False, f"{_place(address)} hangs up at once: nothing listens inside")
    except ConnectionRefusedError:
        return Answer(False, f"nothing listens on {_place(address)}")
    except TimeoutError:
        return Answer(False, f"{_place(address)}: {late}")
    except OSError as error:
        return Answer(False, f"{_place(address)}: {error.strerror or error}")


def _hangs_up(receive: Callable[[int], bytes], set_timeout: Callable[[float], None]) -> bool:
    """An engine's proxy accepts for a container that does not listen, and hangs up the moment it finds out."""
    set_timeout(HANG_UP_SECONDS)
    try:
        return receive(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def _exit(completed: Completed) -> Answer:
    """A command ends with what went wrong; one that fetched a page has brought all of that along."""
    if completed.exit_code == 0:
        return Answer(True)
    page = completed.stdout.lstrip()[:1] == b"<"
    said = _last_line(completed.stderr) or (_gist if page else _last_line)(completed.stdout)
    return Answer(False, f"exit code {completed.exit_code}{f': {said}' if said else ''}")


def _last_line(output: bytes) -> str:
    lines = (readable(line) for line in reversed(output[-LINE_BYTES:].splitlines()))
    return next((line for line in lines if line), "")


def _log(log: Log, chunks: Iterable[bytes], until: float, late: str) -> Answer:
    pattern = re.compile(log.pattern)
    last = b""
    for line in _lines(chunks):
        if time.monotonic() > until:
            return Answer(False, late)
        if pattern.search(line.decode(errors="replace")):
            return Answer(True)
        last = line or last
    said = f"; the last one is: {readable(last)}" if last else ""
    return Answer(False, f"no line of its output matches {readable(log.pattern)!r}{said}")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, long ones cut; the unfinished one at the end too. Nothing beyond the cap is looked at."""
    rest, read = b"", 0
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line[:LINE_BYTES].rstrip(b"\r") for line in whole)
        rest = rest[:LINE_BYTES]
        read += len(chunk)
        if read >= LOG_BYTES:
            return
    if rest:
        yield rest


def _since(seen: Observed, now: float) -> float | None:
    """From when on a log speaks of this life. A process begins a new log with each.

    An engine's list tells the start only as an age, cut to whole seconds, minutes or hours: one such unit is
    added, for a line overlooked would never be found again.
    """
    if seen.runtime == "process" or seen.started_at is None:
        return None
    age = now - seen.started_at
    unit = 1.0 if age < 60 else 60.0 if age < 3600 else 3600.0
    return seen.started_at - unit


def _place(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
