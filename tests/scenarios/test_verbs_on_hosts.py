"""The verbs reach in wherever a workload runs: a container on one machine and a process on another are no different."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.image import ensure_images
from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, changed, document, shell
from tests.scenarios.stage import IMAGE, Document, Stage, eventually, get
from tests.scenarios.terminal import Terminal, terminal

pytestmark = [pytest.mark.engine, pytest.mark.root]

BOTH = ("web", "worker")
"""A container on `cora`, which has an engine, and a process on `dora`, which has none."""
ODD = 'it\'s "odd"\nand $has a second line'
BEGIN = "echo from $0 $WHO; echo last; exec busybox httpd -f -p ${ports.http} -h /tmp"


@pytest.fixture(scope="module")
def cora(lab: Lab) -> Machine:
    machine = lab.machine("cora", engine=True)
    ensure_images(machine.engine)
    return machine


@pytest.fixture(scope="module")
def dora(lab: Lab) -> Machine:
    return lab.machine("dora")


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Daemon]:
    it = Daemon(stage)
    yield it
    it.kill()


@pytest.fixture
def both(stage: Stage, lab: Lab, cora: Machine, dora: Machine) -> list[Document]:
    """Declared, and up."""
    spec = [*(host(lab, one) for one in (cora, dora)), *workloads()]
    stage.apply(*spec, "--timeout", "90")
    return spec


def host(lab: Lab, machine: Machine) -> Document:
    ssh = {"host": machine.address, "user": "root", "identityFile": str(lab.identity), "hostKey": machine.host_key}
    return document("Host", machine.name, ssh=ssh)


def workloads(**env: str) -> list[Document]:
    given = {"WHO": "first", "ODD": ODD.replace("$", "$$"), **env}
    serve = "echo from $0 $WHO; echo last; exec httpd -f -p 80 -h /tmp".replace("$", "$$")
    web = box("web", "sh", "-c", serve, ports=[{"name": "http", "port": 80}], runOn="cora", env=given)
    web["spec"]["container"]["workingDir"] = "/tmp"
    begin = BEGIN.replace("$0", "$$0").replace("$WHO", "$$WHO")
    worker = shell("worker", begin, ports=[{"name": "http", "bind": "0.0.0.0"}], runOn="dora", env=given)
    worker["spec"]["process"]["workingDir"] = "/tmp"
    return [web, worker]


@contextlib.contextmanager
def forwarding(stage: Stage, *words: str) -> Iterator[int]:
    child = stage.start_cli("port-forward", *words)
    try:
        assert child.stdout
        told = child.stdout.readline()
        found = re.match(r"127\.0\.0\.1:(\d+) -> ", told)
        assert found, (told, child.communicate(timeout=5) if child.poll() is not None else "")
        yield int(found[1])
    finally:
        child.kill()
        child.communicate()


def test_H22_K6_R11_commands_logs_files_and_the_editor_reach_there(stage: Stage, both: list[Document]) -> None:
    commands_run_in_the_surroundings_of_the_workload(stage)
    logs_files_and_the_editor_reach_there(stage, both)


def test_R9_K25_signals_reach_a_command_there_and_a_port_leads_there(
    stage: Stage, cora: Machine, dora: Machine, both: list[Document]
) -> None:
    what_would_end_us_ends_the_command_there(stage, dora)
    a_port_leads_there_and_finds_who_serves_after_him(stage, cora, dora, both)


def test_H14_H17_everyday_verbs_work_there_and_what_happens_there_wakes_the_loop(
    stage: Stage, cora: Machine, dora: Machine, both: list[Document], daemon: Daemon
) -> None:
    everyday_verbs_and_jobs(stage, both)
    what_happens_there_wakes_the_loop_at_once(stage, cora, dora, both, daemon)


def commands_run_in_the_surroundings_of_the_workload(stage: Stage) -> None:
    """Its environment, its directory; exit code, input and given variables pass."""
    for name, machine in zip(BOTH, ("cora", "dora"), strict=True):
        said = stage.cli("exec", name, "--", "sh", "-c", 'echo "$WHO"; pwd; echo "$ODD"; exit 7', expect=7).out
        assert said == f"first\n/tmp\n{ODD}\n", name
        script = 'cat; echo "$A"; pwd'
        told = stage.cli("exec", name, "-e", "A=it's", "-w", "/", "--", "sh", "-c", script, stdin="in\n")
        assert told.out == "in\nit's\n/\n", name
        assert stage.cli("exec", name, "--", "nonesuch", expect=None).code in {1, 126, 127}, name
        assert stage.cli("attach", name, stdin="echo $WHO; exit 4\n", expect=4).out == "first\n", name
        with terminal(stage.argv("attach", name), stage.environment, stage.directory) as screen:
            assert screen.shows("# "), screen.seen
            screen.type("test -t 1 && echo $WHO-$((40 + 2)); exit 5\n")
            assert screen.ends() == 5, screen.seen
            assert "first-42" in screen.text, screen.seen
        shown = stage.cli("describe", name).out
        assert re.search(rf"runs on +{machine} \(198\.", shown), shown
        assert re.search(rf"(docker|process)@(\S+/)?{machine} ", shown), shown
        assert re.search(rf"service/{name} +1/1 +Ready +{machine} ", stage.cli("status").out)
    found = re.search(r"runs on +dora \((\S+)\)", shown)
    assert found
    assert stage.status_of("worker")["endpoints"][0]["host"] == found[1], "bound everywhere is not bound here"


def logs_files_and_the_editor_reach_there(stage: Stage, both: list[Document]) -> None:
    """What a workload says, said before and is saying; files both ways; the address that an editor is given."""
    site = stage.directory / "site"
    (site / "deep").mkdir(parents=True)
    (site / "deep" / "page").write_text("copied\n")
    (site / "large").write_bytes(os.urandom(6_000_000))
    given = stage.directory / "bin" / "code"
    given.parent.mkdir()
    given.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{stage.directory}/given\n')
    given.chmod(0o755)
    for name in BOTH:
        assert eventually(lambda name=name: stage.cli("logs", name).out, "it has spoken") == "from sh first\nlast\n"
        assert stage.cli("logs", name, "--tail", "1", "--since", "1h").out == "last\n"
        assert stage.cli("logs", name, "--since", "2100-01-01T00:00:00Z").out == ""
        assert "no log of an earlier run" in stage.cli("logs", name, "--previous", expect=1).err
        assert stage.cli("code", name, env={"PATH": f"{given.parent}:{os.environ['PATH']}"}).out == ""
        opened(name, stage)
        stage.cli("cp", str(site), f"{name}:/tmp/site")
        assert stage.cli("exec", name, "--", "cat", "/tmp/site/deep/page").out == "copied\n"
        stage.cli("cp", f"{name}:/tmp/site", str(stage.directory / name))
        assert (stage.directory / name / "large").read_bytes() == (site / "large").read_bytes()
        assert "there is no /none" in stage.cli("cp", f"{name}:/none", ".", expect=1).err

    following = {name: stage.start_cli("logs", "-f", name) for name in BOTH}
    for child in following.values():
        assert child.stdout
        assert [child.stdout.readline() for _ in range(2)] == ["from sh first\n", "last\n"]
    stage.apply(*both[:2], *workloads(WHO="second"))
    for name, child in following.items():
        child.kill()
        child.communicate()
        assert stage.cli("logs", name, "--previous").out == "from sh first\nlast\n", name
        assert eventually(lambda name=name: stage.cli("logs", name).out, "it has spoken") == "from sh second\nlast\n"
    assert "carry no time" in stage.cli("logs", "worker", "--timestamps", expect=1).err


def opened(name: str, stage: Stage) -> None:
    """A process by ssh, a container through the engine that ssh leads to."""
    flag, address = (stage.directory / "given").read_text().split()
    assert flag == "--folder-uri"
    machine = {item["metadata"]["name"]: item["spec"]["ssh"]["host"]
               for item in stage.cli("get", "hosts", "-o", "json").json["items"]}  # fmt: skip
    if name == "worker":
        assert address == f"vscode-remote://ssh-remote+root@{machine['dora']}/tmp"
        return
    word, _, path = address.removeprefix("vscode-remote://attached-container+").partition("/")
    engine = {"host": f"ssh://root@{machine['cora']}"}
    assert json.loads(bytes.fromhex(word)) == {"containerName": f"/{stage.name('web')}", "settings": engine}
    assert path == "tmp"


ALONE = "echo begun; exec sleep 4321"
SIGNALLED = [
    ("echo begun; sleep 4321; echo never", signal.SIGTERM, 143, ""),
    (ALONE, signal.SIGINT, 130, ""),
    ("exec 2>/dev/null; trap 'echo heard; exit 9' TERM; echo begun; while :; do sleep 0.1; done",
     signal.SIGTERM, 9, "heard\n"),
]  # fmt: skip
"""What runs there, what we are told, how we end, and what it had to say about it."""


def what_would_end_us_ends_the_command_there(stage: Stage, dora: Machine) -> None:
    """With all that it has started; and after a kill -9, which nobody can pass on, who comes next under its name."""
    cases = [(name, *case) for name in BOTH for case in SIGNALLED]
    running = [stage.start_cli("exec", name, "--", "sh", "-c", script) for name, script, *_ in cases]
    killed = stage.start_cli("exec", "--alone", "x", "worker", "--", "sh", "-c", ALONE)
    for child in (*running, killed):
        assert child.stdout
        assert child.stdout.readline() == "begun\n", child.communicate(timeout=5)
    killed.kill()
    windows = [Terminal(stage.argv("attach", name, "--", "sh", "-c", "echo b$((1))n; sleep 4321"), stage.environment,
                        stage.directory) for name in BOTH]  # fmt: skip
    for window in windows:
        assert window.shows("b1n"), window.seen
        window.close()
    for child, (_, _, number, _, _) in zip(running, cases, strict=True):
        child.send_signal(number)
    for child, (name, script, _, code, said) in zip(running, cases, strict=True):
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out, err) == (code, said, ""), (name, script)
    assert stage.cli("exec", "--alone", "x", "worker", "--", "echo", "again").out == "again\n"
    for window in windows:
        window.program.wait(timeout=60)
    eventually(lambda: "sleep 4321" not in dora.processes(), "nobody is left there", 60)
    killed.communicate(timeout=60)


def a_port_leads_there_and_finds_who_serves_after_him(
    stage: Stage, cora: Machine, dora: Machine, both: list[Document]
) -> None:
    """Through a connection that was cut, and to another process on another port."""
    page = stage.directory / "index.html"
    kept = re.match(r"127\.0\.0\.1:(\d+) -> ", stage.cli("port-forward", "--keep", "worker", ":http").out)
    assert kept
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(forwarding(stage, name, ":http")) for name in BOTH}
        to = [*ports.items(), ("worker", int(kept[1]))]
        for word in ("first", "second"):
            for name, port in to:
                page.write_text(f"{word} {name}\n")
                stage.cli("cp", str(page), f"{name}:/tmp/index.html")
                told = eventually(lambda port=port: get(f"http://127.0.0.1:{port}/index.html"), "it leads there", 60)
                assert told == f"{word} {name}\n"
            if word == "first":
                cora.restart_sshd()
                dora.restart_sshd()
                stage.apply(*both[:2], *workloads(WHO=word), "--timeout", "60")
                stage.cli("restart", *BOTH)


def everyday_verbs_and_jobs(stage: Stage, both: list[Document]) -> None:
    again = [document("Job", f"job-{on}", runOn=on, **what) for on, what in (
        ("cora", {"container": {"image": IMAGE, "command": ["sh", "-c", "hostname; exit 3"]}}),
        ("dora", {"process": {"command": ["sh", "-c", "hostname; exit 3"], "workingDir": "/"}, "retries": 1}),
    )]  # fmt: skip
    stage.apply(*both[:2], *again, "--timeout", "60", expect=1)
    assert stage.cli("logs", "job/job-dora").out == "dora\n"
    told = {item["metadata"]["name"]: item["status"] for item in stage.cli("get", "jobs", "-o", "json").json["items"]}
    assert {name: status["attempts"] for name, status in told.items()} == {"job-cora": 1, "job-dora": 2}

    stage.cli("scale", *BOTH, "--replicas", "2")
    assert [stage.status_of(name)["readyReplicas"] for name in BOTH] == [2, 2]
    listed = stage.cli("instances", "list", "-o", "json").json["items"]
    places = {(item["instance"], item["host"]) for item in listed}
    assert {("web/0", "cora"), ("web/1", "cora"), ("worker/0", "dora"), ("worker/1", "dora")} <= places
    stage.cli("stop", *BOTH)
    assert [stage.status_of(name)["replicas"] for name in BOTH] == [0, 0]
    stage.cli("start", *BOTH)
    for name in BOTH:
        assert stage.cli("rollout", "status", name).code == 0
        assert "apply" in stage.cli("rollout", "history", name).out
        assert f"service/{name}/1" in stage.cli("events", name).out
        assert stage.cli("wait", "--for=condition=Ready", f"service/{name}").code == 0


def test_a_campaign_runs_here_and_says_so_where_another_host_is_named(stage: Stage) -> None:
    spec = document("Campaign", "sweep", runOn="dora", process={"command": ["true"]}, matrix={"a": [1]})
    told = stage.cli("validate", "-f", str(stage.write(spec)), expect=2)
    assert "spec.runOn: unknown field" in told.out + told.err
    assert "hint: a campaign runs on this machine" in told.out + told.err


def what_happens_there_wakes_the_loop_at_once(
    stage: Stage, cora: Machine, dora: Machine, both: list[Document], daemon: Daemon
) -> None:
    """Long before it would look by itself, and again after the way there was lost."""
    quick = {"restart": {"initialSeconds": 0}}
    stage.apply(*both[:2], *(changed(one, **quick) for one in both[2:]), "--timeout", "60")
    daemon.start("--resync", "3600")

    def ended_and_begun_again() -> None:
        pid = stage.status_of("worker")["instances"][0]["pid"]
        container = cora.engine.inspect(stage.name("web"))["State"]["StartedAt"]
        dora.run("kill", "-9", str(pid))
        cora.engine.post(f"/containers/{stage.name('web')}/kill")
        eventually(lambda: stage.status_of("worker")["instances"][0]["pid"] not in {None, pid}, "it runs again", 60)
        eventually(lambda: (now := cora.engine.inspect(stage.name("web"))["State"])["Running"]
                   and now["StartedAt"] != container, "so does the container", 60)  # fmt: skip

    ended_and_begun_again()
    cora.restart_sshd()
    dora.restart_sshd()
    ended_and_begun_again()
