"""The only place that constructs real runtimes, hosts and stores. Everybody else is handed them."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import failpoints
from reconciler.api.handover import DaemonOf
from reconciler.campaigns.records import Records
from reconciler.engine.clocks import SteadyClock, WallClock
from reconciler.engine.controller import Controller
from reconciler.engine.guard import Guard, Guarded
from reconciler.engine.observer import Observer
from reconciler.engine.places.grounds import Ground, Grounds, Wrapped
from reconciler.engine.probes.prober import Prober
from reconciler.engine.reconcile import Parts, Pass
from reconciler.errors import Unreachable
from reconciler.hosts.local import LocalHost
from reconciler.kinds.host import NO_ENGINE, HostSpec
from reconciler.runtimes.docker.connection import READ_SECONDS
from reconciler.runtimes.docker.endpoint import Endpoint, resolve
from reconciler.runtimes.docker.runtime import DockerRuntime
from reconciler.runtimes.mesh.runtime import MeshRuntime
from reconciler.runtimes.process.runtime import ProcessRuntime
from reconciler.sources.applied import Applied
from reconciler.sources.feeds import Followed
from reconciler.sources.home import Home
from reconciler.sources.policies import Policies
from reconciler.store.sqlite import Diary, ReadDiary
from reconciler.usual_places import policy_files

if TYPE_CHECKING:
    from reconciler.api.webhook import Door
    from reconciler.core.rules import Machine
    from reconciler.daemon.run import Daemon
    from reconciler.engine.loop.bell import Bell
    from reconciler.engine.loop.following import Following
    from reconciler.engine.loop.loop import Loop
    from reconciler.hosts.ssh import Ssh
    from reconciler.ports import Alarm


def _nobody(_text: str) -> None:
    """Whom a note is told to when nobody asked for notes."""


def controller(
    home_path: str,
    *,
    acts: bool,
    port_range: tuple[int, int] = (20000, 29999),
    note: Callable[[str], None] = _nobody,
    fetching: Callable[[str, str], None] | None = None,
    cause: str = "",
) -> Controller:
    """Everything a verb needs, on this machine. Connects to nothing until it is used; only who `acts` makes a home.
    `cause` is the command line: it is kept with what it changes. `fetching` is told of each image what happens to it
    while it is got or built.
    """
    home = Home(home_path, note)
    guard = guard_of(home_path, begins=acts)
    source = Applied(home, port_range=port_range, remembers=acts, cause=cause, refusal=guard.refusal)
    runtimes = _runtimes(home, guard, source, acts=acts, fetching=fetching)
    store = (Diary if acts else ReadDiary)(f"{home_path}/diary.db", note)
    clock = SteadyClock()
    parts = _parts(home, runtimes, Prober(runtimes, clock), source, store, guard)
    return Controller(replace(parts, clock=clock), DaemonOf(home_path) if acts else None)


def daemon(
    home_path: str, *, port_range: tuple[int, int], resync: float, note: Callable[[str], None],
    webhook: tuple[str, int] | None = None,
) -> Daemon:  # fmt: skip
    """The loop of a home, ready to run."""
    # Whoever is no daemon does not pay for its parts.
    from reconciler.campaigns.reaper import Reaper
    from reconciler.daemon.run import Daemon
    from reconciler.engine.loop.bell import Bell
    from reconciler.engine.loop.elsewhere import AlarmsElsewhere
    from reconciler.engine.loop.following import Following
    from reconciler.engine.loop.loop import Loop, Turn
    from reconciler.runtimes.process.exits import Exits
    from reconciler.sources.watching import Directories

    home, bell = Home(home_path, note), Bell()
    parts, prober, hosts = _parts_of_daemon(home, port_range, note, bell)
    following, exits, elsewhere = Following(parts), Exits(home_path), AlarmsElsewhere(hosts)

    def passed(current: Pass) -> None:
        following.learn(current)
        elsewhere.look_again()
        exits.look_again()  # after each: what a command had the daemon do, no pass of the loop has done

    alarms: dict[str, Alarm] = {
        "prober": prober,
        "slow verbs": bell,
        "engine events": _engine_events(home),
        "exits": exits,
        "other hosts": elsewhere,
        "files": Directories(following.paths, note),
        "sources": following,
    }
    handlers = {"sync": following.sync, "reap": Reaper(parts, Records(home_path)).turn}
    loop = Loop(
        parts, alarms, resync=resync, handlers=handlers, slow=[*handlers], passed=passed,
        deadline=2.4 * READ_SECONDS,  # an engine may fall silent in the middle of a look: two reads in a row
    )  # fmt: skip
    loop.wake(Turn("reap"))
    following.wake = loop.wake
    return Daemon(home_path, Controller(parts), loop, _door(webhook, following, loop) if webhook else None)


def _parts_of_daemon(
    home: Home, port_range: tuple[int, int], note: Callable[[str], None], bell: Bell
) -> tuple[Parts, Prober, Callable[[], Mapping[str, Ground]]]:
    """What is slow, or hangs, holds up no pass: it rings the bell when it is over. Last, the hosts declared now."""
    from reconciler.engine.loop.breaker import Patient
    from reconciler.engine.loop.unhurried import Unhurried

    guard = guard_of(str(home.path), begins=True)
    source = Applied(home, port_range=port_range, refusal=guard.refusal)
    plain = _runtimes(home, guard, source, acts=True, ours="the daemon")
    runtimes = Wrapped(plain, lambda runtime: Unhurried(runtime, bell.ring))
    prober = Prober(runtimes, WallClock())
    parts = _parts(home, runtimes, prober, source, Diary(f"{home.path}/diary.db", note), guard)
    patient = Wrapped(runtimes, lambda runtime: Patient(runtime, bell.ring))
    parts = replace(parts, observer=Observer(patient, LocalHost(), prober, plain.know))
    return parts, prober, lambda: plain.know(source.hosts())


def _engine_events(home: Home) -> Alarm:
    from reconciler.runtimes.docker.events import EngineEvents

    owner = home.identity(make=True).owner
    return EngineEvents(lambda: resolve(os.environ), owner=owner, adopted_dir=f"{home.path}/adopted")


def _door(address: tuple[str, int], following: Following, loop: Loop) -> Door:
    from reconciler.api.webhook import Door, Hooks

    return Door(address, Hooks(following.secrets, loop.look_at))


def guard_of(home_path: str, *, begins: bool) -> Guard:
    """The policy in force. Nothing `begins` under a policy file that makes no sense, or that others may write to."""
    policies = Policies(os.environ)
    guard = Guard(policies.read, lambda: _here(home_path), os.environ, unlimited=policies.silent)
    if begins and not policies.silent():
        policies.read()
    return guard


def _here(home_path: str) -> Machine:
    """Nobody may have a part of what only this installation knows the place of."""
    from reconciler.hosts.here import Here

    folders = (str(Path(path).parent) for path in policy_files(os.environ))
    own = (home_path, *folders, str(Path("~/.ssh").expanduser()))

    def guarded() -> list[str]:
        try:
            return [*own, *filter(None, [resolve(os.environ).path])]
        except Unreachable:
            return [*own]

    return Here(guarded)


def _runtimes(
    home: Home, guard: Guard, source: Applied, *, acts: bool, ours: str = "this command",
    fetching: Callable[[str, str], None] | None = None,
) -> Grounds:  # fmt: skip
    failpoints.arm(os.environ)
    owner = home.identity(make=acts).owner
    docker = DockerRuntime(
        lambda: resolve(os.environ),
        owner=owner,
        logs_dir=f"{home.path}/logs",
        adopted_dir=f"{home.path}/adopted",
        progress=fetching,
    )
    processes = ProcessRuntime(str(home.path), owner, ours=ours)
    mesh = MeshRuntime(LocalHost(), owner, state=str(home.path))
    here = {name: Guarded(one, guard) for name, one in (("docker", docker), ("mesh", mesh), ("process", processes))}

    def elsewhere(name: str, spec: HostSpec) -> Ground:
        ground = _ground(home, name, spec, owner, fetching, acts=acts)
        guarded = {which: Guarded(runtime, guard) for which, runtime in ground.runtimes.items()}
        return replace(ground, runtimes=guarded)

    return Grounds(here, elsewhere, source.hosts)


def ssh(home_path: str, name: str, spec: HostSpec) -> Ssh:
    """The way to another machine, which all commands of this home share."""
    from reconciler.hosts.ssh import Ssh
    from reconciler.hosts.sshline import Target

    way = spec.ssh
    assert way is not None, "validated: another machine has one"
    room = Path(home_path) / "ssh"
    if not room.parent.exists():  # whoever only looks makes no home
        room = Path(f"/tmp/reconciler-{os.geteuid()}.looking")  # noqa: S108 -- checked by whoever uses it
    return Ssh(name, Target(way.host, way.port, way.user, way.identity_file, way.host_key), room)


def _ground(
    home: Home, name: str, spec: HostSpec, owner: str, fetching: Callable[[str, str], None] | None, *, acts: bool
) -> Ground:
    """Another machine. Nothing is connected to before it is used."""
    # Who has no other hosts does not pay for them.
    from reconciler.engine.places.leases import Lease, Leased
    from reconciler.runtimes.remote.runtime import RemoteProcesses

    host = ssh(str(home.path), name, spec)
    own = home.path / "hosts" / name.replace("/", ".")
    processes = RemoteProcesses(host, owner, state=spec.state, who=_who(), acts=acts, logs_dir=f"{own}/logs")
    runtimes: dict[str, Any] = {"process": processes}
    runtimes["mesh"] = MeshRuntime(host, owner, state=spec.state)
    if spec.engine != NO_ENGINE:
        runtimes["docker"] = DockerRuntime(
            way_to_engine(host, spec.engine),
            owner=owner, host=name, logs_dir=f"{own}/logs", adopted_dir=f"{own}/adopted", progress=fetching,
            nearer=host.reach,
        )  # fmt: skip
    lease = Lease(processes)
    leased = {which: Leased(runtime, lease) for which, runtime in runtimes.items()}
    return Ground(host, leased, lambda: _alarms(host, spec, owner, f"{own}/adopted"), host.close)


def _alarms(host: Ssh, spec: HostSpec, owner: str, adopted_dir: str) -> dict[str, Alarm]:
    from reconciler.runtimes.docker.events import EngineEvents
    from reconciler.runtimes.remote.deaths import AWAY_SECONDS, Deaths

    alarms: dict[str, Alarm] = {"exits": Deaths(host, spec.state)}
    if spec.engine != NO_ENGINE:
        alarms["engine events"] = EngineEvents(
            way_to_engine(host, spec.engine),
            owner=owner, adopted_dir=adopted_dir, longest=AWAY_SECONDS,
        )  # fmt: skip
    return alarms


def way_to_engine(host: Ssh, socket: str) -> Callable[[], Endpoint]:
    """To be asked for before each use: it goes when the connection does."""
    from reconciler.hosts.tunnel import Tunnel

    tunnel = Tunnel(host, socket)

    def locate() -> Endpoint:
        path, through = tunnel.way()
        return Endpoint(f"unix://{path}", f"{socket} of host {host.name}", host=host.name, through=through)

    return locate


def _who() -> str:
    """As others are told who looks after a host."""
    try:
        return f"{pwd.getpwuid(os.geteuid()).pw_name}@{socket.gethostname()}"
    except KeyError:
        return f"{os.geteuid()}@{socket.gethostname()}"


def _parts(
    home: Home, runtimes: Grounds | Wrapped, prober: Prober, source: Applied, store: Diary, guard: Guard
) -> Parts:
    return Parts(
        runtimes=runtimes,
        reach=runtimes,
        observer=Observer(runtimes, LocalHost(), prober, runtimes.know),
        source=source,
        store=store,
        home=home,
        clock=WallClock(),
        feeds=Followed(home),
        rules=guard,
        campaigns=Records(str(home.path)),
        leave=runtimes.leave,
    )
