"""How to get into a container: its log, commands inside, a terminal, its ports. All over the bare socket."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from reconciler.errors import Gone, OutcomeUnknown, ReconcilerError, Refused, Unreachable
from reconciler.model.observed import Observed
from reconciler.passed_signals import one_mark, passed_on
from reconciler.ports import Completed, Entry
from reconciler.runtimes.docker import archives
from reconciler.runtimes.docker.connection import READ_SECONDS, Connection
from reconciler.runtimes.docker.frames import STDERR, STDOUT, Frames
from reconciler.runtimes.docker.wire import Request, Stream
from reconciler.waiting import until

LARGEST_OUTPUT = 64 * 1024
UPGRADE = ("Connection: Upgrade", "Upgrade: tcp")
EXEC_MARK = "RECONCILER_EXEC"

END_MARKED = (
    "n=0; more=1; while [ $more = 1 ] && [ $n -lt 20 ]; do more=0; n=$((n+1)); "
    'for d in /proc/[0-9]*; do if grep -q "$0" $d/environ 2>/dev/null; '
    "then kill -9 ${d#/proc/} 2>/dev/null && more=1; fi; done; done"
)
"""Ends every process that carries a mark in its environment: the engine has no call for ending an exec, and
children that left their parent carry the mark too. A constant; the mark is its only argument."""

SIGNAL_MARKED = (
    'first=; rest=; for d in /proc/[0-9]*; do if grep -q "$0" $d/environ 2>/dev/null; then parent=; '
    'while read -r word parent; do [ "$word" = PPid: ] && break; done <$d/status; '
    'if [ "$parent" = 0 ]; then first=${d#/proc/}; else rest="$rest ${d#/proc/}"; fi; fi; done 2>/dev/null; '
    '[ -n "$first$rest" ] && kill "-$1" $first $rest'
)
"""Sends them a signal, for which the engine has no call either, first to the one that was begun: it is not to go on
because its children have ended. Fails while there is nobody who carries the mark.
"""


class DockerReach:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def logs(
        self,
        seen: Observed,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        options = {
            "stdout": 1,
            "stderr": 1,
            "follow": int(follow),
            "tail": "all" if tail is None else tail,
            "since": f"{since:.9f}" if since else 0,
            "timestamps": int(timestamps),
        }
        told = 0
        for piece in self._log(seen, options):
            told += len(piece)
            yield piece
        if follow and tail is None and self._connection.engine == "podman":
            yield from self._rest(seen, options, told)

    def _log(self, seen: Observed, options: Mapping[str, object]) -> Iterator[bytes]:
        doing = f"reading the log of {seen.title}"
        tty = self._has_terminal(seen, doing)
        query = "&".join(f"{name}={value}" for name, value in options.items())
        stream = self._connection.open(Request(f"/containers/{seen.id}/logs?{query}"), doing)
        try:
            yield from _pieces(stream, tty=tty, patient=bool(options["follow"]))
        finally:
            stream.close()

    def _rest(self, seen: Observed, options: Mapping[str, object], told: int) -> Iterator[bytes]:
        """What an engine left out that now and then ends a log which it was to follow before it has told all."""
        runs, more = True, True
        with suppress(Gone):
            while runs and more:
                runs, more = self._inspect(seen, f"looking at {seen.title}")["State"]["Running"], False
                length = 0
                for piece in self._log(seen, {**options, "follow": int(runs)}):
                    new = piece[max(told - length, 0) :]
                    length += len(piece)
                    if new:
                        more = True
                        yield new
                told = max(told, length)

    def run(
        self, seen: Observed, argv: Sequence[str], *, deadline: float, env: Mapping[str, str] | None = None
    ) -> Completed:
        doing = f"running {argv[0]} in {seen.title}"
        mark = f"{EXEC_MARK}={secrets.token_hex(8)}"
        given = [f"{name}={value}" for name, value in sorted((env or {}).items())]
        config = {"Cmd": list(argv), "Env": [*given, mark], "AttachStdout": True, "AttachStderr": True}
        command = self._exec(seen, config, doing)
        output = {STDOUT: bytearray(), STDERR: bytearray()}
        try:
            self._collect(command, output, time.monotonic() + deadline, doing)
        except Unreachable as error:
            raise OutcomeUnknown(f"{doing}: no end after {deadline:g} s, {self._end(seen, mark)}") from error
        return Completed(self._exit_code(command, doing), bytes(output[STDOUT]), bytes(output[STDERR]))

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
        from reconciler.runtimes.docker.terminal import converse  # noqa: PLC0415 -- termios is for those who attach

        doing = f"attaching to {seen.title}"
        mark = f"{EXEC_MARK}={one_mark(alone) if alone else secrets.token_hex(8)}"
        config = {
            "Cmd": list(argv),
            "Tty": tty,
            "AttachStdin": stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Env": [*(f"{name}={env[name]}" for name in sorted(env)), mark],
            "User": user,
            "WorkingDir": workdir,
        }
        inside = Marked(self, seen, mark, user)
        if alone:
            self._end(seen, mark, user)
        with passed_on(inside.pass_on) as heard:
            command = self._exec(seen, config, doing)
            inside.stream = stream = self._begin(command, doing, tty=tty)
            try:
                size = partial(self._resize, command)
                converse(stream, tty=tty, stdin=stdin, resize=size)
            except OSError:  # nobody reads any more, or the terminal is gone: what runs inside has lost us
                inside.signal(signal.SIGHUP)
                if heard:
                    return 128 + heard[-1]
                raise
            finally:
                stream.close()
            return 128 + heard[-1] if inside.lost else self._exit_code(command, doing)

    def address(self, seen: Observed, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """The published port where there is one, else the container's own address."""
        inspected = self._inspect(seen, f"looking for port {port} of {seen.title}")
        settings = inspected["NetworkSettings"]
        if published := (settings.get("Ports") or {}).get(f"{port}/{protocol}"):
            return self._reachable(str(published[0].get("HostIp") or "")), int(published[0]["HostPort"])
        if inspected["HostConfig"].get("NetworkMode") == "host":
            return self._reachable(""), port
        for network in (settings.get("Networks") or {}).values():
            if address := network.get("IPAddress"):
                return str(address), port
        raise Refused(f"{seen.title}: nothing leads to port {port}/{protocol}", hint="is it running? publish the port")

    def entry(self, seen: Observed, path: str) -> Entry | None:
        return archives.entry(self._connection, seen.id, path, f"looking for {path} in {seen.title}")

    def fetch(self, seen: Observed, path: str) -> Iterator[bytes]:
        return archives.fetch(self._connection, seen.id, path, f"copying {path} from {seen.title}")

    def deliver(self, seen: Observed, directory: str, pieces: Iterable[bytes]) -> None:
        archives.deliver(self._connection, seen.id, directory, pieces, f"copying into {seen.title}, to {directory}")

    # -- parts

    def _has_terminal(self, seen: Observed, doing: str) -> bool:
        """It stays so for its life: asked for only where no closer look has told it."""
        if seen.facts and "tty" in seen.facts.fields:
            return bool(seen.facts.fields["tty"])
        return bool(self._inspect(seen, doing)["Config"]["Tty"])

    def _inspect(self, seen: Observed, doing: str) -> Any:
        return self._connection.get(f"/containers/{seen.id}/json", doing)

    def _reachable(self, bound: str) -> str:
        """Where a bound address is found from here."""
        if not self._connection.endpoint.path:
            return self._connection.endpoint.machine[0]
        return "127.0.0.1" if bound in {"", "0.0.0.0", "::"} else bound  # noqa: S104 -- compared, not bound

    def _exec(self, seen: Observed, config: dict[str, Any], doing: str) -> str:
        reply = self._connection.ask(Request(f"/containers/{seen.id}/exec", "POST", config), doing)
        return str(reply.json()["Id"])

    def _begin(self, command: str, doing: str, *, tty: bool = False) -> Stream:
        body = {"Detach": False, "Tty": tty}
        return self._connection.open(Request(f"/exec/{command}/start", "POST", body, UPGRADE), doing)

    def _collect(self, command: str, output: dict[int, bytearray], deadline: float, doing: str) -> None:
        stream = self._begin(command, doing)
        stream.deadline = deadline
        try:
            for kind, data in Frames(stream):
                kept = output[kind]
                kept += data[: LARGEST_OUTPUT - len(kept)]
        finally:
            stream.close()

    def _exit_code(self, command: str, doing: str) -> int:
        """The stream may end a moment before the engine knows how the command did."""

        def ended() -> Any:
            told = self._connection.get(f"/exec/{command}/json", doing)
            return None if told["Running"] or told["ExitCode"] is None else told

        if told := until(ended, READ_SECONDS, pause=0.01):
            return int(told["ExitCode"])
        raise OutcomeUnknown(f"{doing}: it closed its output, and still runs")

    def _resize(self, command: str, rows: int, columns: int) -> None:
        path = f"/exec/{command}/resize?h={rows}&w={columns}"
        self._connection.ask(Request(path, "POST"), "telling the size of the terminal")

    def done(self, seen: Observed, config: dict[str, Any], doing: str) -> int:
        """A small command of our own; what it prints is of no interest."""
        command = self._exec(seen, config, doing)
        self._collect(command, {STDOUT: bytearray(), STDERR: bytearray()}, time.monotonic() + READ_SECONDS, doing)
        return self._exit_code(command, doing)

    def _end(self, seen: Observed, mark: str, user: str = "") -> str:
        """As the user that the command was: the environment of its processes is open to no other.
        Says what became of it.
        """
        doing = f"ending what ran too long in {seen.title}"
        output = {STDOUT: bytearray(), STDERR: bytearray()}
        config = {"Cmd": ["sh", "-c", END_MARKED, mark], "User": user, "AttachStdout": True, "AttachStderr": True}
        try:
            command = self._exec(seen, config, doing)
            self._collect(command, output, time.monotonic() + READ_SECONDS, doing)
            code = self._exit_code(command, doing)
        except ReconcilerError as error:
            return f"it may still run ({error.message})"
        words = (output[STDERR] or output[STDOUT]).decode(errors="replace").strip()
        return "so it was killed" if code == 0 else f"it still runs, for it could not be killed ({words})"


class Marked:
    """A command inside that is our own, as far as signals are concerned."""

    def __init__(self, reach: DockerReach, seen: Observed, mark: str, user: str) -> None:
        self._reach = reach
        self._seen = seen
        self._mark = mark
        self._user = user
        self.stream: Stream | None = None
        self.lost = False
        """It could not be told, so nobody waits for it any more."""

    def pass_on(self, number: int) -> None:
        """At once, and from a thread: whoever reads its output must go on with that."""
        threading.Thread(target=self._tell, args=(number,), name="passing on a signal", daemon=True).start()

    def _tell(self, number: int) -> None:
        if not self.signal(number) and self.stream is not None:
            self.lost = True
            with suppress(OSError):  # it has ended meanwhile
                self.stream.socket.shutdown(socket.SHUT_RDWR)

    def signal(self, number: int) -> bool:
        """Asked for again for a while: what has only just been begun may not be there yet."""
        return until(lambda: self._sent(number), READ_SECONDS, pause=0.05)

    def _sent(self, number: int) -> bool:
        """As the same user: the environment of its processes is open to no other. Who is gone needs no signal."""
        config = {
            "Cmd": ["sh", "-c", SIGNAL_MARKED, self._mark, str(int(number))],
            "User": self._user,
            "AttachStdout": True,
            "AttachStderr": True,
        }
        try:
            return self._reach.done(self._seen, config, f"signalling a command in {self._seen.title}") == 0
        except Refused:
            return True
        except ReconcilerError:
            return False


def _pieces(stream: Stream, *, tty: bool, patient: bool) -> Iterator[bytes]:
    """What is there already comes without a pause: an engine that falls silent over it holds up nobody for long, least
    of all a removal that keeps the log. Who follows has all the time that it takes.
    """
    pieces = stream.pieces() if tty else (data for _, data in Frames(stream))
    while True:
        stream.deadline = None if patient else time.monotonic() + READ_SECONDS
        piece = next(pieces, None)
        if piece is None:
            return
        yield piece
