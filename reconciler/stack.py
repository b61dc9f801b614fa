"""From Python: what specs declare, up for as long as a `with` block lasts.

    import reconciler

    with reconciler.up("specs/shop.yaml", namespace="t1") as stack:
        stack["db"].addr()              # "127.0.0.1:20001", from where this program runs
        stack["web"].exec(["env"])      # Ran(exit_code=0, stdout="...", stderr="...")
        stack["web"].logs()             # text too

All is Ready when the block is entered, and is taken down when it is left, by an exception too. What others have
declared under the same names is left alone: the block is not entered then.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler import wiring
from reconciler.engine import edits
from reconciler.engine.claims import Claim
from reconciler.engine.controller import Controller
from reconciler.engine.looking import Sight, look
from reconciler.engine.report import Report, Trouble
from reconciler.errors import ReconcilerError, UsageError
from reconciler.loading import load, located
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.resource import Resource
from reconciler.model.status import Endpoint, Status
from reconciler.runtimes.process.identity import Identity, boot_id, living, stat
from reconciler.usual_places import usual_home
from reconciler.values import dataclass

Place = str | os.PathLike[str]


class NotReady(ReconcilerError):
    """What was declared did not come up, or did not go down, in time. `report` holds all that is known of it."""

    reason = "NotReady"

    def __init__(self, doing: str, report: Report) -> None:
        self.report = report
        told = [_told(trouble) for trouble in report.troubles]
        told = told or [f"{wait.key.short}: {wait.reason}: {wait.message}" for wait in report.waits]
        super().__init__("\n".join([f"{doing} did not work out{' in time' if report.timed_out else ''}", *told]))


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command that ran to its end left behind, as text, like logs: what is no UTF-8 becomes U+FFFD."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""


def up(
    *paths: Place, namespace: str = "", home: Place | None = None, timeout: float = 60.0, volumes: bool = False,
    environment: Mapping[str, str] | None = None, recursive: bool = False,
) -> Stack:  # fmt: skip
    """What the specs declare, to be entered with `with`.

    `namespace` wins over what the specs say, so that the same ones can be up side by side. `home` is where state lies:
    that of the command line by default, so `reconciler status -A` shows it, and finds it again should this program be
    killed. With `volumes`, leaving the block takes the data away too, unless it was there before.

    Raises `Claimed` where something of that name is declared there already, and touches nothing. What a killed program
    left is taken over; and what somebody else declares anew meanwhile is his, and stays.
    """
    documents = load(paths, namespace=namespace, environment=environment, recursive=recursive)
    place = str(Path(home).absolute()) if home is not None else usual_home(os.environ)
    controller = wiring.controller(place, acts=True)
    resources = [document.resource for document in documents]

    claim = Claim(controller.parts, _mark(), _at_work)

    def begin() -> Report:
        report: Report = located(documents, lambda: controller.apply(resources, timeout=timeout, admit=claim.admit))
        return report

    return Stack(controller, resources, begin, claim, timeout=timeout, volumes=volumes)


class Stack(Mapping[str, "Member"]):
    """Services and jobs by name. In several namespaces at once they are called `namespace/name`."""

    def __init__(
        self, controller: Controller, resources: Sequence[Resource], begin: Callable[[], Report], claim: Claim, *,
        timeout: float, volumes: bool,
    ) -> None:  # fmt: skip
        self.controller = controller
        self._begin = begin
        self._claim = claim
        self._timeout = timeout
        self._volumes = volumes
        self._keys = [resource.key for resource in resources]
        services = [key for key in self._keys if key.kind in {"service", "job"}]  # which share their names
        many = len({key.namespace for key in services}) > 1
        self._members = {
            f"{key.namespace}/{key.name}" if many else key.name: Member(controller, key, timeout) for key in services
        }

    def __enter__(self) -> Self:
        try:
            _demand(self._begin(), "to bring it up")
        except BaseException as error:
            self._down_after(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.down()
        else:
            self._down_after(error)

    def down(self) -> None:
        """Takes away what this block has brought up, users before what they use. To be called again is no harm."""
        ours, found = self._claim.mine(self._keys)
        mine = [key for key in ours if not (self._volumes and key in found)]
        self._delete(mine, data=self._volumes)
        self._delete([key for key in ours if key not in mine], data=False)

    def _delete(self, keys: Sequence[Key], *, data: bool) -> None:
        if keys:
            _demand(self.controller.delete(keys, data=data, timeout=self._timeout), "to take it down")

    def _down_after(self, error: BaseException) -> None:
        """What went wrong first is what its reader has to know; what went wrong then is noted along with it."""
        try:
            self.down()
        except ReconcilerError as further:
            error.add_note(f"and then: {further}")

    def __getitem__(self, name: str) -> Member:
        try:
            return self._members[name]
        except KeyError:
            known = ", ".join(sorted(self._members)) or "none"
            raise KeyError(f"no service is called {name!r}; there are: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


class Member:
    """One service of a stack, as it stands when it is asked."""

    def __init__(self, controller: Controller, key: Key, timeout: float) -> None:
        self.controller = controller
        self.key = key
        self._timeout = timeout

    def addr(self, port: str = "", *, index: int = 0) -> str:
        """host:port, as this program reaches it; of the first port, unless one is named."""
        found = self.endpoint(port, index=index)
        return f"{found.host}:{found.port}"

    def url(self, port: str = "", *, index: int = 0, scheme: str = "http") -> str:
        return f"{scheme}://{self.addr(port, index=index)}"

    def endpoint(self, port: str = "", *, index: int = 0) -> Endpoint:
        mine = [one for one in self.status().endpoints if one.index == index and port in ("", one.name)]
        if not mine:
            what = f"port {port!r}" if port else "port"
            raise UsageError(f"{self.key.short} has no {what} at instance {index}", hint="declare it under spec.ports")
        return mine[0]

    def status(self) -> Status:
        """The same as `reconciler get -o json` shows, judged by a look at the world now."""
        return self._sight().status

    def exec(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, index: int = 0, timeout: float | None = None
    ) -> Ran:
        """A command inside, to its end, with these variables more. One that has died is started again first: it is
        looked at, not believed. Of what is printed the first 64 KiB are kept, as text.
        """
        thing = self._running(index)
        deadline = self._timeout if timeout is None else timeout
        done = self.controller.parts.reach[thing.place].run(thing, argv, deadline=deadline, env=env or {})
        return Ran(done.exit_code, _text(done.stdout), _text(done.stderr))

    def logs(self, *, index: int = 0, tail: int | None = None) -> str:
        """What it has printed, stdout and stderr in the order written, as text."""
        thing = self._instance(index, running=False)
        chunks = self.controller.parts.reach[thing.place].logs(thing, tail=tail)
        return _text(b"".join(chunks))

    def stop(self) -> None:
        """Data and declaration stay; `start` brings it back."""
        self._edit("to stop it", edits.stop)

    def start(self) -> None:
        self._edit("to start it", edits.start)

    def restart(self) -> None:
        stamp = str(time.time())
        self._edit("to restart it", lambda resource: edits.restart(resource, stamp))

    def scale(self, replicas: int) -> None:
        self._edit(f"to scale it to {replicas}", lambda resource: edits.scale(resource, replicas))

    def _edit(self, doing: str, change: Callable[[Resource], Resource]) -> None:
        _demand(self.controller.edit([self.key], change, timeout=self._timeout), f"{self.key.short}: {doing}")

    def _running(self, index: int) -> Observed:
        sight = self._sight()
        wanted = sight.resource.spec.replicas if sight.resource else 0
        runs = {thing.key.index for thing in sight.things if thing.key and thing.phase is Phase.RUNNING}
        if index < wanted and index not in runs:
            self._edit("to start it again", lambda resource: resource)
        return self._instance(index)

    def _instance(self, index: int, *, running: bool = True) -> Observed:
        found = {thing.key.index: thing for thing in self._sight().things if thing.key}
        thing = found.get(index)
        if thing is None or (running and thing.phase is not Phase.RUNNING):
            state = f"is {thing.phase.lower()}" if thing else "does not exist"
            raise ReconcilerError(f"{self.key.short}: instance {index} {state}", hint="see: reconciler status -A")
        return thing

    def _sight(self) -> Sight:
        found = look(self.controller.parts, self.key.namespace).sight(self.key)
        return found or Sight(self.key, Status())


def _text(output: bytes) -> str:
    return output.decode(errors="replace")


def _mark() -> str:
    """Tells this block from all others, and whether its program still lives."""
    own = stat(os.getpid())
    assert own is not None, "it is us"
    return f"pid {os.getpid()} {own.started} {_ground()} {secrets.token_hex(4)}"


def _ground() -> str:
    """Where a process's number means something: this boot of the kernel, and this namespace of numbers."""
    return f"{boot_id()} {Path('/proc/self/ns/pid').readlink()}"


def _at_work(mark: str) -> bool:
    """Of what can't be asked from here it is assumed; so is of a mark that a person wrote."""
    word, _, rest = mark.partition(" ")
    fields = rest.split()
    if word != "pid" or len(fields) != 5 or not (fields[0].isdecimal() and fields[1].isdecimal()):
        return True
    if fields[2] != boot_id():
        return False
    return fields[3] != _ground().split()[1] or living(Identity(int(fields[0]), int(fields[1]))) is not None


def _demand(report: Report, doing: str) -> None:
    if not report.ok:
        raise NotReady(doing, report)


def _told(trouble: Trouble) -> str:
    lines = [f"{trouble.key.short}: {trouble.reason}: {trouble.message}", *(f"  | {line}" for line in trouble.log)]
    return "\n".join([*lines, f"  hint: {trouble.hint}"] if trouble.hint else lines)
