"""Native processes on another host."""

from __future__ import annotations

import json
import secrets
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from reconciler.core.leased import why_taken
from reconciler.errors import Denied, Gone, HostTaken, NameTaken, OutcomeUnknown, ReconcilerError, Refused, StillRuns
from reconciler.inquiry import Question, Told, alone
from reconciler.model import labels as table
from reconciler.model.desired import PLACE, Desired, ProcessPayload, Sealed, Stop, places
from reconciler.model.key import Key
from reconciler.model.observed import Observed, View
from reconciler.ports import Completed
from reconciler.runtimes.lastlog import LastLog
from reconciler.runtimes.remote import accounts, leases, limiting, scripts
from reconciler.runtimes.remote.listing import RUNTIME, Listing, read, read_lease
from reconciler.runtimes.remote.looking import LOOK
from reconciler.runtimes.remote.packages import SWEEP, RemotePackages
from reconciler.runtimes.remote.reach import FarHost, RemoteReach, directory_of
from reconciler.runtimes.said import last_line

LOOK_SECONDS = 15.0
ACT_SECONDS = 30.0
STOP_ROOM = 20.0
"""What a stop may take beside the time that the service is given."""
LEASES = scripts.COMMON + leases.SCRIPT
REMOVE = f'{SWEEP}{scripts.REMOVE.rstrip()} || exit 1\n{limiting.REMOVE}sweep "$5"\n'
CHECK = f"{scripts.COMMON}{accounts.CHECK}{limiting.CHECK}{scripts.CHECK}"
PATIENCE = 3
"""So often nobody says what became of a start before that counts as its failure."""
NOT_YET = "run it on this machine, or as a container"


class RemoteProcesses(RemoteReach):
    """The five verbs, and the way in. Each is one command on the host, which does all of it or can be asked again."""

    name = RUNTIME

    def __init__(
        self, host: FarHost, owner: str, *, state: str = "", who: str = "", acts: bool = False, logs_dir: str = ""
    ) -> None:
        """`state` is a directory there; empty for the usual one of the user that we are there. `who` we are is said
        to others who would change things there too. Only who `acts` keeps them away. What those that are removed
        have said last is kept in `logs_dir`.
        """
        self.host = host.name
        super().__init__(host, state)
        self._owner, self._last_log = owner, LastLog(self, logs_dir or None)
        self._packages = RemotePackages(host, state)
        self._who, self._acts = leases.word(who), acts and bool(owner)
        self._unheard: Counter[tuple[Key, str]] = Counter()

    # -- looking

    def observe(self, *, deep: bool = False) -> View:  # noqa: ARG002 -- a look at everything costs no more
        return self.view(alone(self._there, self.question(), deadline=LOOK_SECONDS))

    def question(self) -> Question:
        return Question(LOOK, (self._state, self._owner if self._acts else "-", str(leases.SECONDS), self._who))

    def view(self, told: Told) -> View:
        try:
            seen = self._read(told)
            there = tuple(seen.observed(self.host, self._owner))
        except OutcomeUnknown as error:  # nothing can have changed by a look
            return View(self.name, self.host, problem=error.message, hint="it is asked again")
        except ReconcilerError as error:
            return View(self.name, self.host, problem=error.message, hint=error.hint, reason=error.reason)
        return View(self.name, self.host, there, machine=seen.facts, lease=seen.lease)

    def glance(self) -> str:
        """It takes a look to know."""
        return ""

    def _list(self) -> Listing:
        return self._read(alone(self._there, self.question(), deadline=LOOK_SECONDS))

    def _read(self, told: Told) -> Listing:
        return read(told.whole, self.host, told.before, told.after)

    # -- whose it is

    def claim(self) -> None:
        """That we may change things there. Raises HostTaken if somebody else does; where nothing can be written,
        nobody can say.
        """
        done = self._act(LEASES + leases.CLAIM, [self._owner, str(leases.SECONDS), self._who])
        other = read_lease(done.stdout.decode(errors="replace").removeprefix("lease ").strip())
        if done.exit_code == scripts.LEASED:
            raise HostTaken(why_taken(self.host, other), hint="declare it on another host, or ask whose it is")

    def release(self) -> None:
        """Nothing of ours is there any more."""
        self._act(LEASES + leases.RELEASE, [self._owner, self._who])

    # -- verbs

    def get_ready(self) -> None:
        return

    def prepare(self, desired: Desired) -> None:
        payload = desired.payload
        if not isinstance(payload, ProcessPayload):
            return
        _supported(desired, payload)
        with self._heard_of(desired), self._packages.ready(desired.key, payload.package):
            self._check(desired, payload)

    def _check(self, desired: Desired, payload: ProcessPayload) -> None:
        package, path = payload.package, payload.env.get("PATH", "")
        directory, program = payload.working_dir or ".", payload.command[0]
        if PLACE in f"{directory}{program}":
            return  # where a volume lies only the launch says
        delivered = "yes" if package or any(mount.files for mount in payload.mounts) else ""
        words = [package.id if package else "", directory, program, path if isinstance(path, str) else ""]
        words += [payload.user, delivered, " ".join(limiting.controllers(payload.limits))]
        done = self._act(CHECK, words, deadline=LOOK_SECONDS)
        said = last_line(done.stdout)
        if done.exit_code == 87:
            raise limiting.refusal(desired.key, self.host, said)
        if refused := accounts.refusal(desired.key, payload.user, self.host, done.exit_code, said):
            raise refused
        match done.exit_code:
            case 71:
                raise Refused(f"{desired.key}: there is no working directory {directory} on {self.host}")
            case 72:
                hint = "install it there, or give the path of one that is"
                raise Refused(f"{desired.key}: {self.host} has no program {program}", hint=hint)
            case 78:
                message = f"{desired.key}: {self.host} has no {said}"
                raise Refused(f"{message}, by which {program} is run", hint="install it there; see its first line")

    def create(self, desired: Desired) -> None:
        if desired.key.kind == "volume":
            self._make_volume(desired)
            return
        there = self._list()
        now = next((thing for thing in there.observed(self.host, self._owner) if thing.key == desired.key), None)
        if now and now.fingerprint != desired.fingerprint:
            raise NameTaken(f"{desired.key}: an older one is still there on {self.host}", hint="it has to go first")
        if now:
            return
        try:
            self._launch(desired, secrets.token_hex(16), there.state)
        except NameTaken:
            if desired.key not in {thing.key for thing in self._list().observed(self.host, self._owner)}:
                raise  # else it is our own: somebody of us was faster

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        if unknown := set(changes) - {"unpause"}:
            raise Refused(f"{desired.key}: {', '.join(sorted(unknown))} can't be changed while it runs on {seen.host}")
        self._addressed(self._act(scripts.UNPAUSE, [directory_of(seen), seen.id]), seen)

    def start(self, seen: Observed, desired: Desired) -> None:
        there = self._list()
        if seen.id not in {thing.id for thing in there.observed(self.host, self._owner)}:
            raise _gone(seen)
        self._launch(desired, seen.id, there.state)

    def stop(self, seen: Observed, stop: Stop) -> None:
        words = [directory_of(seen), seen.id, stop.signal.removeprefix("SIG"), str(round(stop.grace_seconds * 100))]
        done = self._act(scripts.STOP, words, deadline=stop.grace_seconds + STOP_ROOM)
        self._addressed(done, seen)
        if done.exit_code:
            raise OutcomeUnknown(f"{seen.title} did not end", hint="look at it")

    def clear_away(self, key: Key) -> None:  # noqa: ARG002 -- what nobody uses is nobody's
        self._packages.sweep()

    def remove(self, seen: Observed) -> None:
        if seen.key is None:
            raise Refused(f"{seen.title} is not ours, and so is not touched")
        folder = "volumes" if seen.kind == "volume" else "processes"
        if folder == "processes":
            self._last_log.save(seen)
        name = directory_of(seen)
        words = [folder, name, seen.id, self._packages.used, limiting.group(self._owner, name)]
        done = self._act(REMOVE, words)
        if done.exit_code == scripts.AT_WORK:
            raise StillRuns(seen.title)
        self._done(done, f"{seen.title} can't be removed")

    def _addressed(self, done: Completed, seen: Observed) -> None:
        if done.exit_code == scripts.NOT_THERE:
            raise _gone(seen)

    def _launch(self, desired: Desired, identity: str, state: str) -> None:
        payload = desired.payload
        assert isinstance(payload, ProcessPayload), "only processes are launched"
        _supported(desired, payload)
        with self._heard_of(desired), self._packages.ready(desired.key, payload.package):
            self._check(desired, payload)
            self._begin(desired, payload, identity, state)
        self._unheard.pop((desired.key, desired.fingerprint), None)

    @contextmanager
    def _heard_of(self, desired: Desired) -> Iterator[None]:
        """What comes to nothing again and again, and nobody ever says why, has failed: or it would be tried without a
        pause, for ever.
        """
        attempt = (desired.key, desired.fingerprint)
        try:
            yield
        except OutcomeUnknown as error:
            self._unheard[attempt] += 1
            if (times := self._unheard[attempt]) >= PATIENCE:
                raise Refused(f"{error.message}; so it was {times} times now", hint=error.hint) from error
            raise

    def _begin(self, desired: Desired, payload: ProcessPayload, identity: str, state: str) -> None:
        directory = f"{state}/processes/{_directory_of(desired.key)}"
        self._deliver(payload, directory)
        labels = table.write(desired) | {"id": identity, "RECONCILER_OWNER": desired.owner}
        labels |= {limiting.LABEL: limiting.told(payload.limits)}
        labels |= {"package": payload.package.id} if payload.package else {}
        script = _run_script(desired, payload, _where(payload, state, directory), state)
        said = f"{json.dumps(labels, sort_keys=True)}\n{script}".encode()
        words = [_directory_of(desired.key), identity, scripts.PARENT, str(round(time.time()))]
        done = self._act(scripts.START, words, stdin=said)
        if done.exit_code == scripts.ANOTHER_ONES:
            raise NameTaken(f"{desired.key}: {directory} on {self.host} is another one's", hint="look at it there")
        if done.exit_code == scripts.AT_WORK:
            raise OutcomeUnknown(f"{desired.key}: somebody else is starting it on {self.host}", hint="look again")
        self._done(done, f"{desired.key} can't be started on {self.host}")

    def _deliver(self, payload: ProcessPayload, directory: str) -> None:
        for mount in payload.mounts:
            for file in mount.files:
                self._there.write(f"{directory}/files/{mount.name}/{file.name}", file.data(), mode=file.mode)

    def _make_volume(self, desired: Desired) -> None:
        labels = table.write(desired) | {"id": secrets.token_hex(16)}
        said = f"{json.dumps(labels, sort_keys=True)}\n".encode()
        self._done(self._act(scripts.VOLUME, [desired.name], stdin=said), f"{desired.key} can't be made")

    def _act(
        self, script: str, words: Sequence[str], *, stdin: bytes = b"", deadline: float = ACT_SECONDS
    ) -> Completed:
        return self._there.run(["sh", "-c", script, "act", self._state, *words], stdin=stdin, deadline=deadline)

    def _done(self, done: Completed, what: str) -> None:
        if done.exit_code:
            said = last_line(done.stderr, done.exit_code)
            raise (Denied if "ermission denied" in said else Refused)(f"{what}: {said}")


def _gone(seen: Observed) -> Gone:
    return Gone(f"{seen.title} is not there any more", hint="look again")


def _supported(desired: Desired, payload: ProcessPayload) -> None:
    """What would be passed over in silence is refused."""
    if payload.inside:
        raise Refused(f"{desired.key}: `in` has no effect for a process on {desired.host}", hint=NOT_YET)
    accounts.demand_plain(desired.key, payload.user)


def _directory_of(key: Key) -> str:
    return f"{key.namespace}.{key.name}.{key.index}"


def _where(payload: ProcessPayload, state: str, directory: str) -> dict[str, str]:
    return {
        m.name: f"{state}/volumes/{m.volume}/data" if m.volume else m.host_path or f"{directory}/files/{m.name}"
        for m in payload.mounts
    }


def _run_script(desired: Desired, payload: ProcessPayload, where: Mapping[str, str], state: str) -> str:
    """The one place where words become lines of a shell. What it runs replaces it, so its pid is the service's."""
    env = payload.env
    told = {name: value.text() if isinstance(value, Sealed) else places(value, where) for name, value in env.items()}
    unfit = [name for name in told if not name.isidentifier() or not name.isascii()]
    if unfit:
        raise Refused(f"{desired.key}: a shell can't set the variable {unfit[0]!r}", hint="give it another name")
    exports = [f"export {name}={shlex.quote(told[name])}" for name in sorted(told)]
    directory = places(payload.working_dir, where) or "."
    package = f"{state}/packages/{payload.package.id}" if payload.package else ""
    if package:
        directory = f"{package}/tree/{directory}"
    place = f"{state}/processes/{_directory_of(desired.key)}"
    limits = limiting.limiting(payload.limits, limiting.group(desired.owner, _directory_of(desired.key)))
    first = [limits, scripts.RUN, *([accounts.entering(payload.user, place, package)] if payload.user else [])]
    command = " ".join(shlex.quote(places(word, where)) for word in payload.command)
    last = [f"cd {shlex.quote(directory)} || exit 126", f'exec "$@" {command}', ""]
    return "\n".join([*first, *exports, *last])
