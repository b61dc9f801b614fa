"""Files that processes are delivered with: `<home>/packages/<id>/`, with `tree/`, which is the package, `setup.log`,
and `ready` once it is set up. One without `ready` is what a crash has left, and is made anew.

Whoever furnishes one or starts something from it has its turn, and whoever clears up takes a turn too. So none goes
between being ready and being used.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reconciler.core.setup import SETUP_SECONDS, setup_failed
from reconciler.errors import Refused
from reconciler.model.desired import Package, ProcessPayload
from reconciler.model.key import Key
from reconciler.runtimes.process import lock
from reconciler.runtimes.process.directory import directories, discard, make_private, read_labels, write_new
from reconciler.runtimes.process.log import of_files
from reconciler.runtimes.process.payload import inherited
from reconciler.waiting import until

LAST_LINES = 5


class Packages:
    def __init__(self, home: str) -> None:
        self._root = os.path.join(home, "packages")
        self._processes = os.path.join(home, "processes")

    def place(self, package: Package) -> str:
        """Where its files lie."""
        return os.path.join(self._root, package.id, "tree")

    @contextmanager
    def ready(self, key: Key, payload: ProcessPayload) -> Iterator[None]:
        """It is there, and stays at least until the end."""
        if payload.package is None:
            yield
            return
        make_private(self._root)
        with self._turn(key, payload.package.id):
            self._furnish(key, payload.package)
            yield

    def sweep(self) -> None:
        """Away with what nobody is started from any more."""
        for name in {name.removesuffix(".turn") for name in self._names()} - self._used():
            turn = lock.take(f"{self._root}/{name}.turn")
            if turn is None:
                continue
            with turn:
                if name not in self._used():
                    shutil.rmtree(f"{self._root}/{name}", ignore_errors=True)
                    discard(f"{self._root}/{name}.turn")

    def _names(self) -> list[str]:
        with suppress(FileNotFoundError):
            return os.listdir(self._root)
        return []

    def _used(self) -> set[str]:
        found = (read_labels(f"{self._processes}/{name}") or {} for name in directories(self._processes))
        return {str(labels["package"]) for labels in found if "package" in labels}

    @contextmanager
    def _turn(self, key: Key, name: str) -> Iterator[None]:
        turn = until(lambda: lock.take(f"{self._root}/{name}.turn"), SETUP_SECONDS, pause=0.05)
        if turn is None:
            raise Refused(f"{key}: its package has been set up for {SETUP_SECONDS:.0f} s", hint="try again")
        with turn:
            yield

    def _furnish(self, key: Key, package: Package) -> None:
        place = f"{self._root}/{package.id}"
        if os.path.exists(f"{place}/ready"):
            return
        shutil.rmtree(place, ignore_errors=True)
        make_private(place)
        os.mkdir(f"{place}/tree", 0o755)
        os.chmod(f"{place}/tree", 0o755)  # noqa: S103 -- whatever our umask: a service may be another user's
        self._unpack(package, f"{place}/tree")
        if package.setup:
            _set_up(key, package, f"{place}/tree", f"{place}/setup.log")
        write_new(f"{place}/ready", b"")

    def _unpack(self, package: Package, tree: str) -> None:
        """What was judged and nothing else, in a directory that nobody but us knows yet."""
        from reconciler.core.tarball import unpacked  # noqa: PLC0415 -- and hashes, for who delivers something

        _, pieces = package.content.archive()
        for member, body in unpacked(pieces):
            path = f"{tree}/{member.name}"
            if member.directory:
                os.makedirs(path, 0o755, exist_ok=True)
                os.chmod(path, 0o755)  # noqa: S103 -- see above
                continue
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.writelines(body)
                os.fchmod(file.fileno(), member.mode)


def _set_up(key: Key, package: Package, tree: str, log: str) -> None:
    """Once, as who we are. All that it begins ends with it."""
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as out:
        try:
            child = subprocess.Popen(
                package.setup, cwd=tree, env={**inherited(), **package.env}, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True, umask=0o022,
            )  # fmt: skip
        except OSError as error:
            message = f"{key}: the setup of its package, {package.setup[0]}, can't be run: {error.strerror}"
            raise Refused(message, hint="install it, or give the path of one in the package") from error
        try:
            code = child.wait(SETUP_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if code != 0:
        raise setup_failed(key, code, b"".join(of_files([log], LAST_LINES)), log)
