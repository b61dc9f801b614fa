"""Containers on a real engine, through their whole life."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from reconciler.errors import Gone, ImageUnavailable, NameTaken, PortInUse, Refused, StillRuns
from reconciler.model.desired import File, Limits, Mount, PortBinding, Sealed, Stop
from reconciler.model.observed import Binding, Grant, Observed, Phase
from reconciler.runtimes.docker import write
from tests.docker.conftest import OWNER, World
from tests.waiting import until


def test_a_created_container_is_seen_running_and_ours(world: World) -> None:
    desired = world.service("web")
    seen = world.made(desired)
    assert (seen.phase, seen.key, seen.owner, seen.name) == (Phase.RUNNING, desired.key, OWNER, desired.name)
    assert (seen.fingerprint, seen.generation, seen.kind) == ("f1", 1, "service")
    assert seen.started_at is not None
    assert abs(time.time() - seen.started_at) < 5


def test_creating_twice_makes_one(world: World) -> None:
    desired = world.service("web")
    first = world.made(desired)
    assert world.made(desired).id == first.id


def test_sixteen_creates_at_once_make_one(world: World) -> None:
    desired = world.service("web")
    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(world.runtime.create, desired) for _ in range(16)]:
            done.result()
    assert len([thing for thing in world.view().objects if thing.key == desired.key]) == 1


def test_E4_a_taken_port_names_itself_and_leaves_the_container_created(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        desired = world.service("web", ports=(PortBinding("http", 80, port),))
        with pytest.raises(PortInUse) as refused:
            world.runtime.create(desired)
        assert refused.value.port == port
        seen = world.see(desired)
        assert seen is not None
        assert seen.phase is Phase.CREATED
        assert seen.bindings == ()
        assert seen.grants == {"http": Grant(port, "auto")}
    world.runtime.start(seen, desired)
    again = world.see(desired)
    assert again is not None
    assert (again.id, again.phase) == (seen.id, Phase.RUNNING)
    assert again.bindings == (Binding(port, "tcp", "127.0.0.1"),)


def test_a_port_that_another_container_holds_is_taken_too(world: World) -> None:
    port = free_port()
    world.made(world.service("first", ports=(PortBinding("http", 80, port),)))
    with pytest.raises(PortInUse) as refused:
        world.runtime.create(world.service("second", ports=(PortBinding("http", 80, port),)))
    assert refused.value.port == port


def test_udp_ports_are_bound_where_they_are_told(world: World) -> None:
    port = free_port()
    seen = world.made(world.service("dns", ports=(PortBinding("dns", 53, port, "udp", "0.0.0.0"),)))
    assert Binding(port, "udp", "0.0.0.0") in seen.bindings


def test_B11_a_foreign_container_under_our_name_is_named_and_left_alone(world: World) -> None:
    desired = world.service("web")
    foreign = world.engine.run(desired.name)
    with pytest.raises(NameTaken, match=foreign[:12]):
        world.runtime.create(desired)
    assert world.engine.inspect(foreign)["State"]["Running"]


def test_one_of_ours_with_another_fingerprint_holds_its_name_too(world: World) -> None:
    desired = world.service("web")
    seen = world.made(desired)
    with pytest.raises(NameTaken, match=seen.id[:12]):
        world.runtime.create(replace(desired, fingerprint="f2"))


def test_our_labels_with_another_owner_are_foreign(world: World) -> None:
    desired = replace(world.service("web"), owner="somebody-else")
    world.runtime.create(desired)
    seen = world.named(desired.name)
    assert (seen.key, seen.owner, seen.fingerprint) == (None, "somebody-else", "")
    assert desired.name in seen.title
    with pytest.raises(Refused, match="not ours"):
        world.runtime.stop(seen, Stop())
    with pytest.raises(Refused, match="not ours"):
        world.runtime.remove(seen)


def test_K4_stop_and_remove_are_idempotent(world: World) -> None:
    seen = world.made(world.service("web"))
    for _ in range(2):
        world.runtime.stop(seen, Stop())
    stopped = world.named(seen.name)
    assert (stopped.phase, stopped.bindings, stopped.started_at) == (Phase.EXITED, (), None)
    for _ in range(2):
        world.runtime.remove(stopped)
    assert seen.id not in {thing.id for thing in world.view().objects}


def test_stopping_or_starting_what_is_gone_says_so(world: World) -> None:
    desired = world.service("web")
    seen = world.made(desired)
    world.engine.remove(seen.id)
    with pytest.raises(Gone):
        world.runtime.stop(seen, Stop())
    with pytest.raises(Gone):
        world.runtime.start(seen, desired)


def test_a_running_container_is_not_removed(world: World) -> None:
    seen = world.made(world.service("web"))
    with pytest.raises(StillRuns):
        world.runtime.remove(seen)
    assert world.named(seen.name).phase is Phase.RUNNING


def test_a_stop_that_is_ignored_ends_after_its_grace(world: World) -> None:
    deaf = "trap '' TERM; echo deaf; sleep 1000"
    seen = world.made(world.service("deaf", "sh", "-c", deaf, init=False, stop=Stop("TERM", 100)))
    assert b"deaf" in next(world.runtime.logs(seen, follow=True)), "or the signal would come before its trap"
    before = time.monotonic()
    world.runtime.stop(seen, Stop("TERM", 1))
    assert 0.9 < time.monotonic() - before < 90
    assert world.named(seen.name).exit_code == 137


@pytest.mark.parametrize(("asked", "code"), [(Stop("USR1", 20), 31), (Stop("INT", 20), 32), (Stop(), 31)])
def test_the_signal_that_is_asked_for_is_the_one_that_arrives(world: World, asked: Stop, code: int) -> None:
    """Made with USR1; another signal is sent all the same when a later spec says so. A plain Stop() knows no better."""
    script = "trap 'exit 31' USR1; trap 'exit 32' INT; echo listening; while :; do sleep 0.1; done"
    desired = world.service("web", "sh", "-c", f"{script}", init=False, stop=Stop("USR1", 20))
    seen = world.made(desired)
    assert b"listening" in next(world.runtime.logs(seen, follow=True)), "or the signal would come before its trap"
    world.runtime.stop(seen, asked)
    assert world.named(seen.name).exit_code == code


def test_a_paused_container_is_seen_continued_and_stopped(world: World) -> None:
    desired = world.service("web")
    seen = world.made(desired)
    world.engine.post(f"/containers/{seen.id}/pause")
    assert world.named(seen.name).phase is Phase.PAUSED
    for _ in range(2):
        world.runtime.adjust(seen, desired, ["unpause"])
    until(lambda: world.named(seen.name).phase is Phase.RUNNING)  # its runtime tells the engine of pauses a moment late
    world.engine.post(f"/containers/{seen.id}/pause")
    world.runtime.stop(seen, Stop("TERM", 2))
    assert world.named(seen.name).phase is Phase.EXITED


def test_a_renamed_container_is_found_by_its_labels_and_named_back(world: World) -> None:
    desired = world.service("web")
    seen = world.made(desired)
    world.engine.post(f"/containers/{seen.id}/rename?name={desired.name}-away")
    renamed = world.see(desired)
    assert renamed is not None
    assert (renamed.id, renamed.name) == (seen.id, f"{desired.name}-away")
    for _ in range(2):
        world.runtime.adjust(renamed, desired, ["rename"])
    assert world.named(desired.name).id == seen.id


def test_a_rename_onto_a_foreign_name_is_refused(world: World) -> None:
    desired = world.service("web")
    seen = world.made(desired)
    world.engine.post(f"/containers/{seen.id}/rename?name={desired.name}-away")
    foreign = world.engine.run(desired.name)
    with pytest.raises(NameTaken, match=foreign[:12]):
        world.runtime.adjust(seen, desired, ["rename"])


def test_an_exit_code_and_its_time_are_read_from_the_list(world: World) -> None:
    seen = world.made(world.service("job", "sh", "-c", "exit 7"))
    world.engine.post(f"/containers/{seen.id}/wait")
    ended = world.named(seen.name)
    assert (ended.phase, ended.exit_code) == (Phase.EXITED, 7)
    assert ended.finished_at is not None
    assert abs(time.time() - ended.finished_at) < 5


def test_a_deep_look_tells_pid_times_and_causes(world: World) -> None:
    desired = world.service("web", "sleep", "1000", init=False)
    seen = world.made(desired, deep=True)
    assert seen.pid == world.engine.inspect(seen.id)["State"]["Pid"]
    assert seen.started_at is not None
    first = seen.started_at
    shallow = world.see(desired)
    assert shallow is not None
    assert shallow.started_at == first, "a time that was once known exactly stays so"
    hog = world.made(
        world.service("hog", "sh", "-c", "sleep 1; tail /dev/zero", init=False, limits=Limits(memory=8 * 1024 * 1024))
    )
    world.engine.post(f"/containers/{hog.id}/wait")

    def killed() -> Observed:
        return next(thing for thing in world.view(deep=True).objects if thing.id == hog.id)

    def told() -> bool:
        """The engine hears of the cause after the end, and now and then never: then it is asked about another end."""
        if "OOM killed" in killed().detail:
            return True
        world.engine.post(f"/containers/{hog.id}/start")
        world.engine.post(f"/containers/{hog.id}/wait")
        return False

    assert killed().exit_code == 137
    if world.engine.kind != "podman":  # its 4.3 looks for conmon's note of it where conmon does not write it
        until(told)


def test_a_program_that_does_not_exist_is_refused_with_its_name(world: World) -> None:
    desired = world.service("web", "no-such-program", init=False)
    with pytest.raises(Refused, match='"no-such-program": executable file not found'):
        world.runtime.create(desired)
    seen = world.see(desired)
    assert seen is not None
    assert seen.phase is Phase.CREATED


def test_a_missing_host_path_is_refused_and_not_made(world: World, tmp_path: object) -> None:
    missing = f"{tmp_path}/nowhere"
    with pytest.raises(Refused, match="nowhere does not exist"):
        world.runtime.create(world.service("web", mounts=(Mount("src", "/src", host_path=missing),)))


def test_configs_and_secrets_arrive_as_files(world: World) -> None:
    mounts = (
        Mount("app", "/etc/app/deep", files=(File("app.ini", b"debug = 1\n"),)),
        Mount("tls", "/run/tls", files=(File("key", Sealed("digest", b"canary"), 0o400),)),
    )
    seen = world.made(world.service("web", mounts=mounts))
    assert world.runtime.run(seen, ["cat", "/etc/app/deep/app.ini"], deadline=5).stdout == b"debug = 1\n"
    assert world.runtime.run(seen, ["cat", "/run/tls/key"], deadline=5).stdout == b"canary"
    modes = world.runtime.run(seen, ["stat", "-c", "%a %u", "/etc/app/deep/app.ini", "/run/tls/key"], deadline=5)
    assert modes.stdout.split() == [b"444", b"0", b"400", b"0"]
    assert "canary" not in str(world.engine.inspect(seen.id))


@pytest.mark.parametrize(("user", "uid"), [("1000", b"1000"), ("app", b"1000"), ("1000:7", b"1000")])
def test_a_secret_belongs_to_the_user_who_runs(world: World, user: str, uid: bytes) -> None:
    mounts = (Mount("tls", "/run/tls", files=(File("key", Sealed("digest", b"canary"), 0o400),)),)
    seen = world.made(world.service("web", user=user, mounts=mounts))
    assert world.runtime.run(seen, ["cat", "/run/tls/key"], deadline=5).stdout == b"canary"
    assert world.runtime.run(seen, ["stat", "-c", "%u", "/run/tls/key"], deadline=5).stdout.strip() == uid


def test_a_secret_for_a_user_that_the_image_does_not_know_is_refused(world: World) -> None:
    mounts = (Mount("tls", "/run/tls", files=(File("key", Sealed("digest", b"canary"), 0o400),)),)
    with pytest.raises(Refused, match="no user 'ghost'"):
        world.runtime.create(world.service("web", user="ghost", mounts=mounts))


def test_files_are_delivered_again_at_a_start(world: World) -> None:
    mounts = (Mount("app", "/etc/app", files=(File("app.ini", b"good"),)),)
    desired = world.service("web", mounts=mounts)
    seen = world.made(desired)
    world.runtime.run(seen, ["sh", "-c", "rm -f /etc/app/app.ini"], deadline=5)
    world.runtime.stop(seen, Stop())
    world.runtime.start(seen, desired)
    assert world.runtime.run(seen, ["cat", "/etc/app/app.ini"], deadline=5).stdout == b"good"


def test_the_environment_arrives_revealed(world: World) -> None:
    seen = world.made(world.service("web", env={"A": "1", "PASSWORD": Sealed("digest", b"canary")}))
    lines = world.runtime.run(seen, ["env"], deadline=5).stdout.splitlines()
    assert {b"A=1", b"PASSWORD=canary"} <= set(lines)


def test_the_last_log_outlives_its_container(world: World) -> None:
    desired = world.service("job", "sh", "-c", "echo out; echo err >&2")
    seen = world.made(desired)
    world.engine.post(f"/containers/{seen.id}/wait")
    world.runtime.remove(seen)
    log = world.logs / f"{world.namespace}.job.0.log"
    assert sorted(log.read_bytes().split()) == [b"err", b"out"]
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_missing_image_is_told_by_prepare(world: World) -> None:
    with pytest.raises(ImageUnavailable, match="Never"):
        world.runtime.prepare(world.service("web", image="no-such-image:1", pull_policy="Never"))
    world.runtime.prepare(world.service("web"))
    world.runtime.prepare(world.service("web", pull_policy="Never"))
    with pytest.raises(ImageUnavailable):
        world.runtime.create(world.service("web", image="no-such-image:1"))


def test_an_unreachable_registry_is_told_as_such(world: World) -> None:
    with pytest.raises(ImageUnavailable, match="can't be reached"):
        world.runtime.prepare(world.service("web", image="127.0.0.1:1/nothing:1"))


def test_limits_and_the_log_reach_the_engine(world: World) -> None:
    seen = world.made(world.service("web", limits=Limits(cpus=0.5, memory=64 * 1024 * 1024, pids=50)))
    config = world.engine.inspect(seen.id)["HostConfig"]
    assert (config["NanoCpus"], config["Memory"], config["PidsLimit"]) == (500_000_000, 64 * 1024 * 1024, 50)
    assert config["RestartPolicy"]["Name"] in {"no", ""}
    if world.engine.kind == "podman":  # it keeps one file of that size, and tells so in other words
        own = world.engine.get(f"/v4.0.0/libpod/containers/{seen.id}/json")["HostConfig"]
        assert own["LogConfig"]["Size"] == "10MB"
    else:
        assert config["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def test_P7_named_volumes_stay_and_anonymous_ones_go(world: World) -> None:
    volume = world.volume("data")
    world.runtime.create(volume)
    desired = world.service("db", mounts=(Mount("data", "/data", volume=volume.name),))
    config = write.container(desired, desired.payload)
    config["HostConfig"]["Mounts"].append({"Type": "volume", "Target": "/anonymous"})
    world.engine.post(f"/containers/create?name={desired.name}", config)
    seen = world.see(desired)
    assert seen is not None
    mounted = {mount["Destination"]: mount["Name"] for mount in world.engine.inspect(seen.id)["Mounts"]}
    world.runtime.remove(seen)
    left = {thing.name for thing in world.view().objects if thing.kind == "volume"}
    assert mounted["/data"] in left
    assert mounted["/anonymous"] not in left


def free_port() -> int:
    """Free a moment ago, outside the range from which the kernel hands out."""
    import random

    while True:
        port = random.randrange(21000, 29000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
