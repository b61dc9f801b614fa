"""Invocations that don't pay for a start: a process that has imported the whole program forks for each of them.

What is forked goes on as `python -m reconciler` would have begun: arguments, environment, directory and pipes of its
own. The process that forks has one thread only, for a fork of one with threads may
inherit a lock that nobody will ever let go; so it is not the test process. It serves many at once, and ends with the
test process. What is settled when an interpreter starts, PYTHON... and the locale, decides which process is asked, so
these mean what they always mean. What is about start-up, signals, terminals or threads of its own is for a genuine one.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTLED_AT_START = ("PYTHON", "LC_", "LANG")
CHUNK = 1 << 16


def run(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdin: str = "", seconds: float = 120.0,
    module: str = "reconciler",
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """As `subprocess.run` of `python -m reconciler`, or of another module, with its output captured as text."""
    settled = tuple(sorted(item for item in env.items() if item[0].startswith(SETTLED_AT_START)))
    return _forker(settled).run([module, *arguments], env, cwd, stdin, seconds)


@functools.cache
def _forker(settled: tuple[tuple[str, str], ...]) -> Forker:
    forker = Forker({"PATH": os.environ["PATH"], **dict(settled)})
    atexit.register(forker.close)
    return forker


class Forker:
    """The near end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._requests, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(far.fileno())], pass_fds=[far.fileno()], env=environment,
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path, stdin: str, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        pipes = [os.pipe() for _ in range(4)]
        (given, feed), (out, printed), (err, complained), (report, told) = pipes
        try:
            self._ask([list(arguments), dict(environment), str(cwd)], [given, printed, complained, told])
        finally:
            for descriptor in (given, printed, complained, told):
                os.close(descriptor)
        talk = _Talk(feed, stdin.encode(), (out, err, report))
        if not talk.ends(time.monotonic() + seconds):
            os.kill(int(talk.heard(report).split()[0]), signal.SIGKILL)
            talk.ends(time.monotonic() + seconds)
            raise subprocess.TimeoutExpired(list(arguments), seconds, talk.heard(out), talk.heard(err))
        _, code = talk.heard(report).split()
        return subprocess.CompletedProcess(list(arguments), int(code), talk.heard(out), talk.heard(err))

    def close(self) -> None:
        self._requests.close()
        self._process.communicate()

    def _ask(self, request: list[object], descriptors: list[int]) -> None:
        """By a file, for a message has to be small."""
        file = os.memfd_create("request")
        try:
            os.write(file, json.dumps(request).encode())
            socket.send_fds(self._requests, [b"!"], [file, *descriptors])
        finally:
            os.close(file)


class _Talk:
    """Writes one pipe and reads others until all have ended, whichever is ready."""

    def __init__(self, feed: int, given: bytes, sources: tuple[int, ...]) -> None:
        self._given = given
        self._heard: dict[int, list[bytes]] = {source: [] for source in sources}
        self._ready = selectors.DefaultSelector()
        for source in sources:
            self._ready.register(source, selectors.EVENT_READ)
        os.set_blocking(feed, False)
        self._ready.register(feed, selectors.EVENT_WRITE)

    def ends(self, until: float) -> bool:
        while self._ready.get_map():
            for key, events in self._ready.select(max(until - time.monotonic(), 0)):
                over = self._write(key.fd) if events & selectors.EVENT_WRITE else self._read(key.fd)
                if over:
                    self._ready.unregister(key.fd)
                    os.close(key.fd)
            if time.monotonic() > until:
                return False
        self._ready.close()
        return True

    def heard(self, source: int) -> str:
        return b"".join(self._heard[source]).decode().replace("\r\n", "\n").replace("\r", "\n")

    def _read(self, source: int) -> bool:
        chunk = os.read(source, CHUNK)
        self._heard[source].append(chunk)
        return not chunk

    def _write(self, feed: int) -> bool:
        """Who does not read what he is given may leave it."""
        try:
            self._given = self._given[os.write(feed, self._given[:CHUNK]) :] if self._given else b""
        except BrokenPipeError:
            self._given = b""
        return not self._given


# -- the far end


def main(descriptor: int) -> None:
    _import_all()
    gc.freeze()
    assert threading.active_count() == 1
    with socket.socket(fileno=descriptor) as requests:
        mine = _serve(requests)
    if mine:
        _become(mine)


def _import_all() -> None:
    """And reads one spec, for much of that is put together at first use."""
    package = importlib.import_module("reconciler")
    for module in pkgutil.walk_packages(package.__path__, "reconciler."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for late in ("docker", "tarfile", "rich.console", "yaml"):
        importlib.import_module(late)
    from reconciler.core.parse import Text, parse

    spec = b"{apiVersion: reconciler/v1, kind: Service, metadata: {name: a}, spec: {process: {command: [a]}}}"
    parse([Text("warm.yaml", spec, "/")], environment={}, namespace="warm")


def _serve(requests: socket.socket) -> list[int]:
    """Until the near end is gone; in a child until it knows what it is to become."""
    running: dict[int, tuple[int, int]] = {}
    while True:
        ready, _, _ = select.select([requests, *running], [], [])
        for ended in (one for one in ready if one is not requests):
            pid, report = running.pop(ended)
            _tell(report, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            os.close(report)
            os.close(ended)
        if requests in ready:
            message, descriptors, _, _ = socket.recv_fds(requests, 1, 5)
            if not message:
                return []
            if (pid := os.fork()) == 0:
                return descriptors
            *used, report = descriptors
            for descriptor in used:
                os.close(descriptor)
            _tell(report, pid)
            running[os.pidfd_open(pid)] = pid, report


def _tell(report: int, number: int) -> None:
    """Nobody may listen any more."""
    try:
        os.write(report, f"{number}\n".encode())
    except BrokenPipeError:
        return


def _become(descriptors: list[int]) -> None:
    """The module's own entry in this very process, with streams and an environment as from a shell."""
    request, *streams, _ = descriptors
    with open(request, closefd=False) as file:
        file.seek(0)
        (module, *arguments), environment, directory = json.load(file)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.argv = [module, *arguments]
    os._exit(_lived(module))


def _lived(module: str) -> int:
    """As the interpreter would end, but for the taking apart of all modules, which takes longer than most verbs."""
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 -- the outermost place of this process
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main(int(sys.argv[1]))
