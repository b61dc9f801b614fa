"""Everybody calls everybody: processes and containers, here and on two other machines, wherever both ends are."""

from __future__ import annotations

import ipaddress
import itertools
import os
import signal
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.image import ensure_images
from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.documents import SERVE, box, changed, document, server, shell
from tests.scenarios.everybody import Everybody, Town, differing
from tests.scenarios.stage import Stage, eventually

pytestmark = [pytest.mark.engine, pytest.mark.root]


@pytest.fixture(scope="module")
def everybody(lab: Lab) -> Everybody:
    machines = [lab.machine(name, engine=True) for name in ("carl", "dora")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda machine: ensure_images(machine.engine), machines))
    return Everybody(lab, machines)


def test_H1_H2_H3_H10_H11_everybody_reaches_everybody_whatever_happens(stage: Stage, everybody: Everybody) -> None:
    town = Town(stage, everybody)
    carl, dora = everybody.machines.values()
    town.apply()
    first = town.lives()
    assert town.apply().actions == []

    dora.run("kill", "-9", str(stage.status_of("native-dora")["instances"][0]["pid"]))
    os.kill(stage.status_of("native-local")["instances"][0]["pid"], signal.SIGKILL)
    stage.signal(stage.name("box-local"), "kill")
    carl.reboot()
    town.apply()
    assert differing(first, town.lives()) == {"native-dora", "native-local", "box-local", "native-carl", "box-carl"}

    carl.change_address()
    everybody.change_own_address()
    town.apply()
    town.lives()

    everybody.homes |= {"native-carl": "local", "box-dora": "carl"}
    town.apply()
    town.lives()
    assert town.apply().actions == []


def test_H11_H12_H19_H20_who_moves_is_followed_by_one_caller_after_the_other(
    stage: Stage, everybody: Everybody
) -> None:
    """And it is published where they find it now, and nowhere else."""
    hosts, (carl, dora) = everybody.hosts(), everybody.machines.values()
    task = document("Job", "task", runOn="dora", process={"command": ["true"]})
    alone = server("alone", runOn="carl")
    asked = server("asked", runOn="carl", ports=[{"name": "http", "port": 80, "bind": "0.0.0.0"}])
    caller = changed(
        server("caller", replicas=2, env={"IT": "${store.ip} ${store.host} ${store.port}"}), dependsOn=["store"]
    )
    store = server("store", runOn="carl", dependsOn=["task"])
    stage.apply(*hosts, task, alone, asked, caller, store, "--timeout", "100")

    ports = {name: port_of(stage, name) for name in ("alone", "asked", "store")}
    assert bound(carl, ports["alone"]) == {"127.0.0.1"}
    assert bound(carl, ports["asked"]) == {"0.0.0.0"}
    assert bound(carl, ports["store"]) == {carl.address}
    assert stage.environment_of("caller")["IT"] == f"{carl.address} {carl.address} {ports['store']}"

    told = stage.apply(changed(store, runOn="dora"), "--timeout", "100")

    assert fewest([action for action in told.actions if "caller/" in action]) == 2
    where = f"{dora.address}:{port_of(stage, 'store')}"
    assert [stage.environment_of("caller", index)["STORE_ADDR"] for index in (0, 1)] == [where] * 2
    assert stage.run_inside("caller", "wget", "-q", "-O", "-", f"http://{where}/index.html").strip() == "one"
    assert bound(dora, port_of(stage, "store")) == {dora.address}
    assert bound(carl, ports["store"]) == set()


def test_H5_H6_a_place_may_be_inside_of_another_and_what_runs_there_already_a_service(
    stage: Stage, everybody: Everybody
) -> None:
    """From here over SSH into a container, and in it a process; and what others run on both machines is found."""
    hosts, (carl, dora) = everybody.hosts(), everybody.machines.values()
    theirs = carl.engine.run(
        f"{stage.namespace}-theirs", *SERVE, HostConfig={"PortBindings": {"80/tcp": [{}]}}, ExposedPorts={"80/tcp": {}}
    )
    dora.run(
        "sh", "-c", "mkdir -p /root/www && echo native > /root/www/index.html && cp /bin/busybox /root/busybox-theirs"
    )
    dora.run("sh", "-c", "cd /root && setsid sh -c 'exec ./busybox-theirs httpd -f -p 8123 -h www' > /dev/null 2>&1 &")
    http = {"readiness": {"httpGet": {"path": "/index.html", "port": "http"}}}
    boxed = document(
        "Service",
        "boxed",
        runOn="carl",
        attachTo={"container": f"{stage.namespace}-theirs"},
        ports=[{"name": "http", "port": 80}],
        probes=http,
    )
    bare = document(
        "Service",
        "bare",
        runOn="dora",
        attachTo={"process": {"name": "busybox-theirs"}},
        ports=[{"name": "http", "port": 8123}],
        probes=http,
    )
    ask = "wget -q -O - $$BOXED_URL/index.html $$BARE_URL/index.html; exec sleep 10000"
    inner = document(
        "Job",
        "inner",
        **{"in": "service/trainer"},
        command=["sh", "-c", "echo $$WORD at $$(hostname)"],
        env={"WORD": "hush"},
    )
    told = stage.apply(
        *hosts,
        boxed,
        bare,
        shell("caller", ask, dependsOn=["boxed", "bare"]),
        box("trainer", runOn="carl"),
        inner,
        "--timeout",
        "60",
    )
    assert not [action for action in told.actions if "boxed/" in action or "bare/" in action]
    eventually(lambda: stage.cli("logs", "caller").out.split() == ["one", "native"], "it hears from both")
    where = carl.engine.inspect(stage.name("trainer"))["Config"]["Hostname"]
    eventually(lambda: stage.cli("logs", "job/inner").out == f"hush at {where}\n", "it runs in there")

    dora.run("sh", "-c", "kill $(pidof busybox-theirs)")
    assert "does not run on" in stage.apply(bare, "--timeout", "10", expect=1).waits[0][2]
    stage.cli("delete", "all", "--all")
    assert carl.engine.inspect(theirs)["State"]["Running"]
    carl.engine.remove(theirs)


def port_of(stage: Stage, name: str) -> int:
    return int(stage.status_of(name)["instances"][0]["ports"]["http"])


def fewest(actions: Iterable[str]) -> int:
    """How many of two there were at any time."""
    steps = [{"Create": 1, "Stop": -1}.get(action.split()[0], 0) for action in actions]
    assert any(steps)
    return min(itertools.accumulate(steps, initial=2))


def bound(machine: Machine, port: int) -> set[str]:
    """Addresses on which somebody listens for it, by the machine's own kernel."""
    rows = machine.run("cat", "/proc/net/tcp", "/proc/net/tcp6").decode().splitlines()
    listening = [row.split()[1].split(":") for row in rows if row.split()[3] == "0A"]
    return {_address(address) for address, number in listening if int(number, 16) == port}


def _address(text: str) -> str:
    """As the kernel prints it: words of four bytes, each the wrong way round."""
    raw = b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8))
    return str(ipaddress.ip_address(raw))
