"""The process runtime: observe, and five verbs on service directories."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from reconciler.errors import Gone, NameTaken, OutcomeUnknown, Refused, StillRuns
from reconciler.failpoints import failpoint
from reconciler.model.desired import Desired, ProcessPayload, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase, View
from reconciler.ports import Completed
from reconciler.runtimes.process import launcher, lock, log, reach, tree
from reconciler.runtimes.process.directory import (
    directories,
    directory_name,
    make_private,
    read_labels,
    read_record,
    write_labels,
    write_new,
)
from reconciler.runtimes.process.files import Files
from reconciler.runtimes.process.identity import wait_for_end
from reconciler.runtimes.process.observation import Watched, observe
from reconciler.runtimes.process.packages import Packages
from reconciler.runtimes.process.payload import check, check_room, payload_of, placed
from reconciler.runtimes.process.pulse import Pulse
from reconciler.runtimes.process.recovery import Markers, is_lost, parent_of, untouched
from reconciler.runtimes.process.starter import Starter
from reconciler.runtimes.process.tree import Tree
from reconciler.runtimes.process.volumes import Volumes
from reconciler.waiting import until

SETTLING = 10.0
"""How long to wait for somebody else's verb, or the last steps of an end, before saying that we don't know."""
POLL = 0.01
WILD = {"", "0.0.0.0", "::"}  # noqa: S104 -- compared with, not bound
KEPT_LOG = 1 << 20
"""Bytes of a removed service's log that are kept."""


class ProcessRuntime(Files):
    """Native processes and their volumes under one home, on this machine."""

    name = "process"

    def __init__(self, home: str, owner: str, *, host: str = "local", ours: str = "") -> None:
        self.host = host
        self._ours = ours
        self._home = os.path.abspath(home)
        self._owner = owner
        self._root = os.path.join(self._home, "processes")
        self._volumes = Volumes(self._home, owner, host)
        self._starter = Starter(owner)
        self._packages = Packages(self._home)
        self._pulse = Pulse(self._root)
        self._parents: set[int] = set()
        """Shell parents that are children of this very process: somebody has to reap them while we last."""
        self._mutex = threading.Lock()

    # -- looking ---------------------------------------------------------------------------------------------

    def observe(self, *, deep: bool = False) -> View:  # noqa: ARG002 -- a look at everything costs no more
        self._reap()
        try:
            found = [*self._instances(), *self._volumes.observe()]
        except OSError as error:
            return View(
                self.name, self.host, problem=f"{self._root} can't be read: {error.strerror}", hint="check its owner"
            )
        return View(self.name, self.host, tuple(found))

    def glance(self) -> str:
        return self._pulse.feel()

    def _instances(self) -> Iterator[Observed]:
        markers = Markers(self._owner)
        names = directories(self._root)
        for name in [*names, *self._strays(names, markers)]:
            if seen := self._look(name, markers):
                yield seen

    def _strays(self, names: list[str], markers: Markers) -> list[str]:
        """Whose directory somebody deleted under them. Cheap to know where there are cgroups, else a look at all."""
        found = set(self._starter.strays(names))
        if not self._starter.cgroups.mount:
            found |= {directory_name(key) for key in markers.told_keys() if key.kind != "volume"}
        return sorted(name for name in found if not os.path.isdir(os.path.join(self._root, name)))

    def _look(self, name: str, markers: Markers | None = None, *, in_turn: bool = False) -> Observed | None:
        """One instance as it is now; None as well when it went away while we looked."""
        watched = self._watched(name, markers, in_turn=in_turn)
        try:
            return observe(watched)
        except FileNotFoundError:
            return None

    def _watched(self, name: str, markers: Markers | None = None, *, in_turn: bool = False) -> Watched:
        directory, cgroups = os.path.join(self._root, name), self._starter.cgroups
        return Watched(
            directory=directory,
            owner=self._owner,
            markers=markers or Markers(self._owner),
            mount=cgroups.mount,
            group=self._starter.group(directory),
            limiting=bool(cgroups.unified),
            host=self.host,
            in_turn=in_turn,
        )

    # -- the verbs -------------------------------------------------------------------------------------------

    def get_ready(self) -> None:
        """The kernel has whoever is the first for a while to join a cgroup wait for all processors, some 14 ms long."""
        threading.Thread(target=self._starter.cgroups.join_own, name="get ready", daemon=True).start()

    def prepare(self, desired: Desired) -> None:
        if isinstance(desired.payload, ProcessPayload):
            with self._furnished(desired):
                check(self._placed(desired), ours=self._ours, wholly=True)
            if os.path.isdir(self._root):  # what is not there yet is made where nothing runs that could be lost
                check_room(desired, self._root)

    def create(self, desired: Desired) -> None:
        if desired.key.kind == "volume":
            self._volumes.create(desired)
            return
        name = directory_name(desired.key)
        with self._furnished(desired), self._turn(name, make=True):
            watched = self._watched(name)
            now = None if untouched(watched.directory, watched.place) else self._past_starting(name)
            # Who has come to his end was overlooked: whether he is to run once more is for the next look.
            over = now is not None and now.phase is Phase.EXITED and now.fingerprint == desired.fingerprint
            if now is None or not (self._already(now, desired) or over):
                self._launch(desired, name, now)

    def start(self, seen: Observed, desired: Desired) -> None:
        with self._furnished(desired), self._turn(self._addressed(seen)) as name:
            now = self._past_starting(name)
            if now is None:
                raise _gone(seen)
            if not self._already(now, desired):
                self._launch(desired, name, now)

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        if unknown := set(changes) - {"unpause", "limits"}:
            raise Refused(f"{desired.key}: {', '.join(sorted(unknown))} can't be changed on a process that runs")
        if "limits" in changes:
            self._limit(seen, desired)
        if "unpause" in changes:
            tree.signal_all(self._tree(self._addressed(seen), desired.key), signal.SIGCONT)

    def _limit(self, seen: Observed, desired: Desired) -> None:
        """One that does not run gets its limits when it is started."""
        with self._turn(self._addressed(seen)) as name:
            now = self._past_starting(name)
            known = self._known(name)
            if now is None or now.key is None or known is None:
                raise _gone(seen)
            if now.phase in {Phase.RUNNING, Phase.PAUSED}:
                self._starter.limit(desired, os.path.join(self._root, name), known, self._tree(name, now.key))

    def stop(self, seen: Observed, stop: Stop) -> None:
        """A plain Stop() says nothing in particular: then it is stopped as it was made to be."""
        with self._turn(self._addressed(seen), make=is_lost(seen)) as name:
            stop = self._as_made(name) if stop == Stop() else stop
            now = self._past_starting(name)
            if now is None or now.key is None:
                raise _gone(seen)
            self._restore(name)
            if now.phase in {Phase.RUNNING, Phase.PAUSED}:
                number = signal.Signals[f"SIG{stop.signal.removeprefix('SIG')}"]
                tree.end(self._tree(name, now.key), number, stop.grace_seconds)
                failpoint("process.tree.ended")
            self._end_leftovers(name, now)
        self._reap()

    def _as_made(self, name: str) -> Stop:
        made = (read_labels(os.path.join(self._root, name)) or {}).get("stop")
        return Stop(made[0], made[1]) if made else Stop()

    def clear_away(self, key: Key) -> None:  # noqa: ARG002 -- what nobody uses is nobody's
        """A process runs what is there, or what it was delivered with."""
        self._packages.sweep()

    def remove(self, seen: Observed) -> None:
        if seen.kind == "volume":
            self._volumes.remove(seen)
            return
        try:
            with self._turn(self._addressed(seen)) as name:
                now = self._past_starting(name)
                if now and now.phase in {Phase.RUNNING, Phase.PAUSED}:
                    raise StillRuns(seen.title)
                if now:
                    self._end_leftovers(name, now)
                    self._keep_log(name)
                    failpoint("process.log.kept")
                    self._starter.forget(os.path.join(self._root, name))
        except Gone:
            return
        finally:
            self._packages.sweep()

    @contextmanager
    def _furnished(self, desired: Desired) -> Iterator[None]:
        """All that it will need is there, and stays until it has been started."""
        with self._packages.ready(desired.key, payload_of(desired)):
            check(self._placed(desired), ours=self._ours)
            yield

    def _placed(self, desired: Desired) -> Desired:
        return placed(desired, self._home, os.path.join(self._root, directory_name(desired.key)))

    # -- whose turn it is, and at what -----------------------------------------------------------------------

    def _addressed(self, seen: Observed) -> str:
        """The directory of what was observed, provided that it is still the same one."""
        if seen.key is None:
            raise Refused(f"{seen.title} is not ours", hint="it is never touched")
        if seen.attached:
            raise Refused(f"{seen.title} is run by others: there is no way into it", hint="it is only looked at")
        name = directory_name(seen.key)
        known = self._known(name)
        if known is None or known["id"] != seen.id:
            raise _gone(seen)
        return name

    def _known(self, name: str) -> dict[str, Any] | None:
        """Labels that were lost are told by whoever runs, and by nobody once that has ended."""
        try:
            known = self._watched(name).labels()
        except FileNotFoundError:
            return None
        return known[0] if known else None

    def _restore(self, name: str) -> None:
        """Before it is ended: afterwards nobody could tell any more whose directory this is."""
        known = self._known(name)
        directory = os.path.join(self._root, name)
        if known and read_labels(directory) != known:
            write_labels(directory, known)

    @contextmanager
    def _turn(self, name: str, *, make: bool = False) -> Iterator[str]:
        """One verb at a time on one instance, whoever calls it. Not the service's lock: this one is let go again."""
        directory = os.path.join(self._root, name)
        deadline = time.monotonic() + SETTLING
        while True:
            try:
                if make:
                    make_private(self._root)
                    make_private(directory)
                turn = lock.take(os.path.join(directory, "turn"))
            except FileNotFoundError:
                if make:  # removed between the two
                    continue
                raise Gone(f"{name} is not there any more", hint="look again") from None
            if turn is not None:
                break
            if time.monotonic() > deadline:
                raise Refused(f"{name}: somebody else has been at work on it for {SETTLING:.0f} s", hint="try again")
            time.sleep(POLL)
        with turn:
            yield name

    def _past_starting(self, name: str) -> Observed | None:
        """What is there now. A launch whose launcher was killed goes on by itself: its end is waited for."""
        deadline = time.monotonic() + SETTLING
        path = os.path.join(self._root, name, "lock")
        while True:
            now = self._look(name, in_turn=True)
            if now.phase is not Phase.STARTING if now else not lock.held(path):
                return now
            if time.monotonic() > deadline:
                raise OutcomeUnknown(f"{name}: it has been starting for {SETTLING:.0f} s", hint="look again")
            time.sleep(POLL)

    def _already(self, now: Observed, desired: Desired) -> bool:
        """Whether the wanted one runs. Another one under its name is for the planner to judge, not for us."""
        if now.key is None:
            raise NameTaken(
                f"{desired.key}: {self._root}/{directory_name(desired.key)} is not ours", hint="move it away"
            )
        if now.phase not in {Phase.RUNNING, Phase.PAUSED}:
            return False
        if now.fingerprint != desired.fingerprint:
            raise NameTaken(f"{desired.key}: an older one still runs as pid {now.pid}", hint="stop it first")
        return True

    def _end_leftovers(self, name: str, now: Observed) -> None:
        """Those who outlived their service. They have its lock, so nothing can be started before they are gone."""
        if now.key is None:
            return
        self._restore(name)
        if now.stragglers:
            tree.kill(self._tree(name, now.key))
        path = os.path.join(self._root, name, "lock")
        record = read_record(os.path.join(self._root, name))
        if parent := record.parent if record else parent_of(os.path.join(self._root, name)):
            wait_for_end(parent.pid, parent)
        if lock.held(path):
            tree.kill_holders(path)
        if not until(lambda: not lock.held(path), SETTLING, POLL):
            raise OutcomeUnknown(f"{now.key}: its lock is still held after all of it was stopped", hint="look again")

    def _tree(self, name: str, key: Key) -> Tree:
        return self._watched(name).tree(key)

    def _launch(self, desired: Desired, name: str, now: Observed | None) -> None:
        if now is not None:
            self._end_leftovers(name, now)
        directory, wanted = os.path.join(self._root, name), payload_of(desired)
        parent = self._starter.start(self._placed(desired), wanted, directory, fresh=now is None)
        with self._mutex:
            self._parents.add(parent)

    def _keep_log(self, name: str) -> None:
        """A log that can't be kept, on a disk that is full, is no reason not to remove what has to go."""
        with suppress(OSError):
            kept = log.tail_of(os.path.join(self._root, name), KEPT_LOG)
            make_private(os.path.join(self._home, "logs"))
            write_new(os.path.join(self._home, "logs", f"{name}.log"), kept)

    def _reap(self) -> None:
        with self._mutex:
            self._parents = {parent for parent in self._parents if not launcher.reap(parent)}

    # -- reaching in -----------------------------------------------------------------------------------------

    def logs(
        self,
        seen: Observed,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        if timestamps:
            raise log.without_times(seen)
        directory = os.path.join(self._root, self._addressed(seen))
        ended = seen.phase is Phase.EXITED
        return log.lines(directory, follow=follow, tail=tail, since=since, ended=ended)

    def run(
        self, seen: Observed, argv: Sequence[str], *, deadline: float, env: Mapping[str, str] | None = None
    ) -> Completed:
        return reach.run(self._place(seen), argv, deadline, env)

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
        place = self._place(seen)
        return reach.attach(place, argv, tty=tty, stdin=stdin, env=env, user=user, workdir=workdir, alone=alone)

    def address(self, seen: Observed, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """On loopback, unless it was told to listen on one address of the machine only."""
        told = (b.address for b in seen.bindings if (b.port, b.protocol) == (port, protocol) and b.address not in WILD)
        return next(told, "127.0.0.1"), port

    def _place(self, seen: Observed) -> reach.Place:
        """Inside a service is: with its environment, in its directory, as its user, in its cgroups."""
        name = self._addressed(seen)
        now = self._look(name)
        record = self._watched(name).record(now.key) if now and now.key else None
        if record is None or now is None or now.phase not in {Phase.RUNNING, Phase.PAUSED}:
            raise Refused(f"{seen.title} does not run", hint="start it first")
        labels = read_labels(os.path.join(self._root, name)) or {}
        return reach.Place(seen.title, record.service, [f"{group}/cgroup.procs" for group in labels.get("cgroups", ())])


def _gone(seen: Observed) -> Gone:
    return Gone(f"{seen.title} is not there any more", hint="look again")
