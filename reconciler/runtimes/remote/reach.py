"""How to get into a service on another host."""

from __future__ import annotations

import posixpath
import secrets
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from reconciler.errors import OutcomeUnknown, ReconcilerError, Refused
from reconciler.model.labels import number
from reconciler.model.observed import Observed
from reconciler.passed_signals import one_mark, passed_on
from reconciler.ports import Completed, Entry, Host
from reconciler.runtimes.process.log import without_times
from reconciler.runtimes.remote import ways
from reconciler.runtimes.said import last_line

LOOK_SECONDS = 15.0
FOLLOW_SECONDS = 0.5
COPY_SECONDS = 600.0
OUTPUT_BYTES = 1 << 16
"""Of a command, as everywhere."""
LONGEST_HEAD, MOST_SIZE = 64, 10**18
PIECE = 4 * 1024 * 1024
"""So much of a copy is sent at a time."""


class FarHost(Host, Protocol):
    """What is asked of a host besides."""

    def reach(self, address: str, port: int) -> tuple[str, int]: ...

    def terminal(self, argv: Sequence[str], *, tty: bool, stdin: bool) -> int: ...

    def stream(self, argv: Sequence[str]) -> Iterator[bytes]: ...


class RemoteReach:
    def __init__(self, there: FarHost, state: str) -> None:
        """`state` is a directory there; empty for the usual one of the user that we are there."""
        self._there, self._state = there, state

    # -- logs

    def logs(
        self,
        seen: Observed,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        """Lines carry no time, so `since` leaves out only what was written before as a whole file."""
        if timestamps:
            raise without_times(seen)
        return self._logs(seen, follow, tail, since)

    def _logs(self, seen: Observed, follow: bool, tail: int | None, since: float | None) -> Iterator[bytes]:
        name = directory_of(seen)
        words = [name, "all" if tail is None else str(tail), "" if since is None else str(int(since))]
        pieces = self._there.stream(self._script(ways.TAIL, words))
        size, before = _head(pieces, seen.title)
        yield before
        yield from pieces
        if follow:
            yield from self._follow(name, size)

    def _follow(self, name: str, size: int) -> Iterator[bytes]:
        """Another run has a log of its own, which is read from its beginning."""
        position, run = size + 1, ""
        while True:
            done = self._ask(ways.MORE, [name, str(position)])
            who, _, more = done.stdout.partition(b"\n")
            now = who.decode(errors="replace")
            if run and now not in {run, "over"}:
                position, run = 1, now
                continue
            run = run if now == "over" else now
            position += len(more)
            if more:
                yield more
            elif now == "over":
                return
            else:
                time.sleep(FOLLOW_SECONDS)

    def earlier(self, seen: Observed, tail: int | None) -> bytes | None:
        """What the run before this one has written, if it was one of the same instance."""
        done = self._ask(ways.EARLIER, [directory_of(seen), "all" if tail is None else str(tail)])
        return done.stdout if done.exit_code == 0 else None

    # -- commands

    def run(
        self, seen: Observed, argv: Sequence[str], *, deadline: float, env: Mapping[str, str] | None = None
    ) -> Completed:
        given = self._prepared(seen, env) if env else ""
        words = self._entering(seen, argv, secrets.token_hex(8), given, "")
        done = self._there.run(words, deadline=deadline)
        if done.exit_code == ways.NOT_RUNNING and done.stderr.endswith(b"x: it does not run\n"):
            raise _not_running(seen)
        return Completed(done.exit_code, done.stdout[:OUTPUT_BYTES], done.stderr[:OUTPUT_BYTES])

    def attach(
        self,
        seen: Observed,
        argv: Sequence[str],
        *,
        tty: bool,
        stdin: bool,
        env: Mapping[str, str],
        user: str = "",
        workdir: str = "",
        alone: str = "",
    ) -> int:
        if user:
            raise Refused(f"{seen.title}: nobody else can be become on {seen.host}", hint="leave the user out")
        mark = one_mark(alone) if alone else secrets.token_hex(8)
        if alone:
            self._signal(mark, "KILL")
        words = self._entering(seen, argv, mark, self._prepared(seen, env), workdir)
        with passed_on(lambda number: self._signal(mark, str(int(number)))) as heard:
            try:
                code = self._there.terminal(words, tty=tty, stdin=stdin)
            except OutcomeUnknown:
                if heard:  # what was meant for us has ended the way there too
                    return 128 + heard[-1]
                raise
        return 128 + heard[-1] if heard and (code < 0 or code == 255) else code

    def _prepared(self, seen: Observed, env: Mapping[str, str]) -> str:
        """That it runs is made sure of. What the command is to be given may be secret, so it stands in a file there
        and in no command line; whoever reads it takes it away.
        """
        unfit = [name for name in env if not name.isidentifier() or not name.isascii()]
        if unfit:
            raise Refused(f"{seen.title}: a shell can't set the variable {unfit[0]!r}", hint="give it another name")
        lines = [f"export {name}={shlex.quote(env[name])}\n" for name in sorted(env)]
        given = f"given.{secrets.token_hex(6)}" if env else ""
        done = self._ask(ways.PREPARE, [directory_of(seen), seen.id, given], stdin="".join(lines).encode())
        if done.exit_code == ways.NOT_RUNNING:
            raise _not_running(seen)
        if done.exit_code:
            raise Refused(f"{seen.title} can't be entered: {_said(done)}")
        return given

    def _entering(self, seen: Observed, argv: Sequence[str], mark: str, given: str, workdir: str) -> list[str]:
        if not argv:
            raise Refused(f"{seen.title}: no command is given", hint="name one after --")
        return [*self._script(ways.ENTER, [directory_of(seen), seen.id, mark, given, workdir]), *argv]

    def _signal(self, mark: str, signal: str) -> None:
        """To the command and all that it has started."""
        try:
            self._there.run(["sh", "-c", ways.SIGNAL, "signal", mark, signal], deadline=LOOK_SECONDS)
        except ReconcilerError:
            return  # who can't be reached is not ended; that the connection was lost is told by itself

    # -- ports and files

    def address(self, seen: Observed, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """On the host's loopback, unless it was told to listen on one of its addresses only."""
        if protocol != "tcp":
            raise Refused(f"{seen.title}: only TCP leads to {seen.host}")
        told = (b.address for b in seen.bindings if b.port == port and b.address not in WILD)
        return self._there.reach(next(told, "127.0.0.1"), port)

    def entry(self, seen: Observed, path: str) -> Entry | None:
        done = self._there.run(["sh", "-c", ways.ENTRY, "entry", path], deadline=LOOK_SECONDS)
        if done.exit_code == ways.NOTHING_THERE:
            return None
        if done.exit_code:
            raise Refused(f"{seen.title}: {path} can't be looked at on {seen.host}: {_said(done)}")
        kind, _, target = done.stdout.decode(errors="surrogateescape").partition("\n")
        return Entry(path, directory=kind == "directory", target=target.removesuffix("\n"))

    def fetch(self, seen: Observed, path: str) -> Iterator[bytes]:
        directory, name = posixpath.split(path.rstrip("/"))
        if not name:
            raise Refused(f"{seen.title}: all of {seen.host} can't be copied", hint="name a directory in it")
        return self._there.stream(["sh", "-c", ways.PACK, "pack", directory or "/", name])

    def deliver(self, seen: Observed, directory: str, pieces: Iterable[bytes]) -> None:
        """Whole or not at all: what has come lies beside the service until all has."""
        name, draft = directory_of(seen), f"copy.{secrets.token_hex(6)}"
        what = f"{seen.title}: nothing can be copied to {directory} on {seen.host}"
        try:
            for piece in _in_large(pieces):
                self._copied(ways.TAKE, [name, draft], what, piece)
        except BaseException:
            with suppress(ReconcilerError):
                self._copied(ways.UNPACK, [name, draft, ""], what)
            raise
        self._copied(ways.UNPACK, [name, draft, directory], what)

    def _copied(self, script: str, words: Sequence[str], what: str, piece: bytes = b"") -> None:
        done = self._ask(script, words, stdin=piece, deadline=COPY_SECONDS)
        if done.exit_code:
            raise Refused(f"{what}: {_said(done)}")

    # -- parts

    def _ask(
        self, script: str, words: Sequence[str], *, stdin: bytes = b"", deadline: float = LOOK_SECONDS
    ) -> Completed:
        return self._there.run(self._script(script, words), stdin=stdin, deadline=deadline)

    def _script(self, script: str, words: Sequence[str]) -> list[str]:
        return ["sh", "-c", script, "reach", self._state, *words]


WILD = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 -- compared, not bound


def directory_of(seen: Observed) -> str:
    """What the directory of a service, or of a volume, is called."""
    if seen.key is None:
        raise Refused(f"{seen.title} is not ours, and so is not touched")
    if seen.attached:
        raise Refused(f"{seen.title} is run by others: there is no way into it", hint="it is only looked at")
    key = seen.key
    return seen.name if seen.kind == "volume" else f"{key.namespace}.{key.name}.{key.index}"


def _head(pieces: Iterator[bytes], title: str) -> tuple[int, bytes]:
    """The number in the first line, and what came together with it."""
    found = b""
    for piece in pieces:
        found += piece
        line, newline, rest = found.partition(b"\n")
        size = number(line.decode(errors="replace").strip(), MOST_SIZE)
        if newline and size is not None:
            return size, rest
        if newline or len(found) > LONGEST_HEAD:
            raise Refused(f"{title}: its host does not say how long its log is", hint="see what answers there")
    return 0, b""


def _in_large(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _not_running(seen: Observed) -> Refused:
    return Refused(f"{seen.title} does not run", hint="start it first")


def _said(done: Completed) -> str:
    return last_line(done.stderr, f"exit code {done.exit_code}").rpartition("x: ")[2]
