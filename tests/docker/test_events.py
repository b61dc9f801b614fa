"""What happens on an engine is told, with its namespace, and once it can be seen."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.model.observed import Phase
from reconciler.runtimes.docker.endpoint import Endpoint, resolve
from reconciler.runtimes.docker.events import EngineEvents
from reconciler.runtimes.docker.happening import happening
from tests.alarms import Told, listening
from tests.docker.conftest import OWNER, World
from tests.engine_api import Engine
from tests.faults.proxy import Fault, Proxy, between
from tests.own_engine import own_engine
from tests.waiting import until


def alarm(address: str = "") -> EngineEvents:
    return EngineEvents(lambda: Endpoint(address) if address else resolve(os.environ), owner=OWNER)


@pytest.fixture
def told(world: World) -> Iterator[Told]:
    with listening(alarm()) as told:
        told.first("")
        told.listen_from_now()
        yield told


@contextmanager
def through(engine: Engine, directory: Path) -> Iterator[tuple[Proxy, Told]]:
    with between(engine.address, directory).listening() as proxy, listening(alarm(proxy.address)) as told:
        told.first("")
        told.listen_from_now()
        yield proxy, told


# -- what is told


@pytest.mark.engine
def test_F17_a_killed_container_is_told_of_and_then_seen_dead(world: World, told: Told) -> None:
    seen = world.made(world.service("web"))
    for _ in range(5):
        told.quiet(0.5, world.namespace)
        told.listen_from_now()
        world.engine.post(f"/containers/{seen.id}/kill")
        told.first(world.namespace)
        now = world.see(world.service("web"))
        assert now is not None
        assert now.phase is Phase.EXITED, "told too early: the engine still lists it as running"
        world.engine.post(f"/containers/{seen.id}/start")


@pytest.mark.engine
@pytest.mark.parametrize("how", ["pause", "unpause", "stop?t=0", "rename?name={}-other"])
def test_what_is_done_to_a_container_is_told_of_and_then_seen(world: World, told: Told, how: str) -> None:
    seen = world.made(world.service("web"))
    if how == "unpause":
        world.engine.post(f"/containers/{seen.id}/pause")
    before = world.see(world.service("web"))
    told.quiet(0.5, world.namespace)
    told.listen_from_now()
    world.engine.post(f"/containers/{seen.id}/{how.format(world.namespace)}")
    told.first(world.namespace)
    after = world.see(world.service("web"))
    assert (after.phase, after.name) != (before.phase, before.name)


@pytest.mark.engine
def test_a_container_that_is_removed_or_changed_in_place_is_told_of(world: World, told: Told) -> None:
    seen = world.made(world.service("web"))
    told.quiet(0.5, world.namespace)
    if world.engine.kind == "docker":  # Podman 4 can't do the other through this socket
        told.listen_from_now()
        world.engine.post(f"/containers/{seen.id}/update", {"Memory": 64 << 20, "MemorySwap": 64 << 20})
        told.first(world.namespace)
        told.quiet(0.3, world.namespace)
    told.listen_from_now()
    world.engine.remove(seen.id)
    told.first(world.namespace)


@pytest.mark.engine
def test_a_container_taken_off_its_network_is_told_of_and_then_seen(world: World, told: Told) -> None:
    network = world.made(world.network("net"))
    seen = world.made(world.service("web", networks=(network.name,)))
    told.quiet(0.5, world.namespace)
    told.listen_from_now()
    world.engine.post(f"/networks/{network.id}/disconnect", {"Container": seen.id, "Force": True})
    told.first(world.namespace)
    until(lambda: not world.see(world.service("web")).networks)


@pytest.mark.engine
def test_networks_and_volumes_are_told_of_though_their_events_wear_no_label(world: World, told: Told) -> None:
    network, volume = world.made(world.network("net")), world.made(world.volume("data"))
    if world.engine.kind == "docker":  # Podman 4 tells nothing of networks that come and go
        told.first(world.namespace)
        told.quiet(0.5, world.namespace)
        told.listen_from_now()
        world.engine.delete(f"/networks/{network.id}")
        told.first(world.namespace)
        told.quiet(0.5, world.namespace)
    else:
        world.engine.delete(f"/networks/{network.id}")
    told.listen_from_now()
    world.engine.delete(f"/volumes/{volume.name}")
    told.first(world.namespace)


@pytest.mark.engine
def test_what_was_there_before_is_known_too(world: World) -> None:
    seen, volume = world.made(world.service("web")), world.made(world.volume("data"))
    with listening(alarm()) as told:
        told.first("")
        world.engine.post(f"/containers/{seen.id}/kill")
        told.first(world.namespace)
        told.quiet(0.5, world.namespace)
        told.listen_from_now()
        world.engine.delete(f"/volumes/{volume.name}")
        told.first(world.namespace)


@pytest.mark.engine
def test_what_is_foreign_and_what_probes_do_wakes_nobody(world: World, told: Told) -> None:
    seen = world.made(world.service("web"))
    told.quiet(0.7, world.namespace)
    told.listen_from_now()
    stranger = world.engine.run(f"{world.namespace}-stranger")
    network = world.engine.post("/networks/create", {"Name": f"{world.namespace}-strange"})["Id"]
    for _ in range(5):
        assert world.runtime.run(seen, ["true"], deadline=10).exit_code == 0
    world.engine.remove(stranger)
    world.engine.delete(f"/networks/{network}")
    assert world.namespace not in told.quiet(1.0, world.namespace)


# -- when it can't be heard


@pytest.mark.engine
def test_F17_a_stream_that_breaks_is_opened_again_and_all_is_looked_at(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    seen = world.made(world.service("web"))
    with through(engine, tmp_path) as (proxy, told):
        proxy.cut()
        until(lambda: told.keys.count("") >= 2)  # that it is away, and that it is back
        told.quiet(0.3, world.namespace)
        told.listen_from_now()
        engine.post(f"/containers/{seen.id}/kill")
        told.first(world.namespace)


@pytest.mark.engine
def test_F14_an_engine_that_is_away_is_dialled_until_it_answers(world: World, engine: Engine, tmp_path: Path) -> None:
    with through(engine, tmp_path) as (proxy, told):
        proxy.judge = lambda _: Fault.REFUSED
        proxy.cut()
        told.first("")
        until(lambda: len(proxy.spoilt) >= 3)
        dialled = len(proxy.spoilt)
        assert told.keys.count("") == 1, "that it is away is told once"
        told.listen_from_now()
        proxy.judge = lambda _: None
        told.first("")
        assert dialled < 10, "ever more rarely"


@pytest.mark.engine
@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.EMPTY, Fault.BUSY, Fault.BROKEN])
def test_F18_an_engine_that_answers_nonsense_is_asked_again(
    world: World, engine: Engine, tmp_path: Path, fault: Fault
) -> None:
    seen = world.made(world.service("web"))
    with through(engine, tmp_path) as (proxy, told):
        proxy.judge = lambda asked: fault if asked.path.startswith("/events") and len(proxy.spoilt) < 3 else None
        proxy.cut()
        until(lambda: sum(asked.path.startswith("/events") for asked in proxy.asked) > 4)  # one came before
        told.quiet(0.5, world.namespace)
        told.listen_from_now()
        engine.post(f"/containers/{seen.id}/kill")
        told.first(world.namespace, 20)


@pytest.mark.engine
def test_F17_a_stream_that_falls_silent_neither_holds_up_the_end_nor_raises(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    with between(engine.address, tmp_path).listening() as proxy:
        proxy.judge = lambda asked: Fault.SILENT if asked.path.startswith("/containers") else None
        with listening(alarm(proxy.address)):
            until(lambda: proxy.spoilt)
            began = time.monotonic()
        assert time.monotonic() - began < 4, "it does not wait for the engine"


@pytest.mark.engine
def test_F16_a_container_whose_inspection_hangs_holds_up_nobody_else(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    stuck, other = world.made(world.service("stuck")), world.made(world.service("other"))
    with through(engine, tmp_path) as (proxy, told):
        proxy.judge = lambda asked: Fault.SILENT if stuck.id in asked.path else None
        engine.post(f"/containers/{stuck.id}/kill")
        until(lambda: proxy.spoilt)
        assert world.namespace not in told.keys
        began = time.monotonic()
        engine.post(f"/containers/{other.id}/kill")
        assert told.first(world.namespace) - began < 4, "before the deadline of the one that hangs"
        until(lambda: told.keys.count(world.namespace) >= 2)  # which is told of in the end


@pytest.mark.engine
@pytest.mark.root
def test_F14_a_dockerd_that_is_killed_and_started_again_is_told_of_both_times() -> None:
    with own_engine() as engine, listening(alarm(engine.address)) as told:
        told.first("")
        told.listen_from_now()
        began = time.monotonic()
        engine.kill()
        assert told.first("") - began < 4
        told.listen_from_now()
        engine.start()
        began = time.monotonic()
        assert told.first("") - began < 15, "the longest pause is five"
        told.listen_from_now()
        worn = {"dev.reconciler.owner": OWNER, "dev.reconciler.namespace": "shop"}
        engine.api.post("/volumes/create", {"Name": "shop-data", "Labels": worn})
        told.first("shop")


def test_without_an_engine_it_waits_for_one_and_tells_nothing(tmp_path: Path) -> None:
    with listening(alarm(f"unix://{tmp_path}/none.sock")) as told:
        assert told.quiet(1.0) == []
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_its_end_comes_at_once_while_nothing_happens(tmp_path: Path) -> None:
    """An engine that says nothing but the head of its answers."""
    path, stop = tmp_path / "engine.sock", threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        serving = threading.Thread(target=_serve, args=(listener, stop), daemon=True)
        serving.start()
        with listening(alarm(f"unix://{path}")) as told:
            told.first("")
            began = time.monotonic()
        assert time.monotonic() - began < 5
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(30)


def _serve(listener: socket.socket, stop: threading.Event) -> None:
    with contextlib.ExitStack() as kept, contextlib.suppress(OSError):
        while not stop.is_set():
            connection = kept.enter_context(listener.accept()[0])
            asked = connection.recv(65536)
            body = b"" if b"/events" in asked else b'{"Volumes":[]}' if b"/volumes" in asked else b"[]"
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)
            if b"/events" not in asked:
                connection.shutdown(socket.SHUT_RDWR)


# -- the two dialects, in their own words


@pytest.mark.parametrize(
    ("told", "subject", "action"),
    [
        (
            {"Type": "container", "Action": "die", "Actor": {"ID": "c1", "Attributes": {"name": "x"}}},
            "/containers/c1/json",
            "die",
        ),
        (
            {
                "Type": "network",
                "Action": "disconnect",
                "Actor": {"ID": "n1", "Attributes": {"container": "c1", "name": "shop-n", "type": "bridge"}},
            },
            "/containers/c1/json",
            "disconnect",
        ),
        (
            {"Type": "network", "Action": "disconnect", "Actor": {"ID": "c1", "Attributes": {"name": "shop-z"}}},
            "/containers/c1/json",
            "disconnect",
        ),
        (
            {"Type": "network", "Action": "destroy", "Actor": {"ID": "n1", "Attributes": {"name": "shop-n"}}},
            "/networks/n1",
            "destroy",
        ),
        (
            {"Type": "volume", "Action": "destroy", "Actor": {"ID": "shop-v", "Attributes": {"driver": "local"}}},
            "/volumes/shop-v",
            "destroy",
        ),
        (
            {"Type": "volume", "Action": "remove", "Actor": {"ID": "", "Attributes": {"name": "shop-v"}}},
            "/volumes/shop-v",
            "remove",
        ),
    ],
)
def test_an_event_is_about_whom_it_concerns(told: dict[str, object], subject: str, action: str) -> None:
    found = happening(told)
    assert (found.subject, found.action) == (subject, action)
