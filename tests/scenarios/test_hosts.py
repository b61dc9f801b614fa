"""Services on several machines: who depends on whom finds it by its variables alone, wherever both are."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.image import ensure_images
from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import SLEEP, box, changed, document, native, server, shell
from tests.scenarios.readme import chapter, type_in
from tests.scenarios.stage import Document, Stage, eventually

pytestmark = [pytest.mark.engine, pytest.mark.root]

PLACES = ("web", "here", "there")
ASK = "for url in $WEB_URL $HERE_URL $THERE_URL; do wget -q -O - $url/index.html; done; echo over; exec sleep 10000"


@pytest.fixture(scope="module")
def anna(lab: Lab) -> Machine:
    """With an engine."""
    machine = lab.machine("anna", engine=True)
    ensure_images(machine.engine)
    return machine


@pytest.fixture(scope="module")
def bert(lab: Lab) -> Machine:
    """Without one."""
    return lab.machine("bert")


@pytest.fixture(autouse=True)
def given_back(anna: Machine, bert: Machine) -> Iterator[None]:
    """Once a test has cleared up, its machines are anybody's again."""
    yield
    for machine in (anna, bert):
        assert machine.held_by() == "", f"{machine.name} is still somebody's"


def host(lab: Lab, machine: Machine, **spec: Any) -> Document:
    ssh = {
        "host": machine.address, "user": "root", "identityFile": str(lab.identity), "hostKey": machine.host_key,
    }  # fmt: skip
    return document("Host", machine.name, ssh=ssh, **spec)


def hosts(lab: Lab, anna: Machine, bert: Machine) -> list[Document]:
    return [
        document("Host", "local", address=lab.address),
        host(lab, anna),
        host(lab, bert, engine="none"),
    ]


def speaking(name: str, **spec: Any) -> Document:
    """A process that serves its own name."""
    script = f"d=$(mktemp -d) && echo {name} > $d/index.html && exec busybox httpd -f -p ${{ports.http}} -h $d"
    return shell(name, script.replace("$d", "$$d").replace("$(", "$$("), ports=[{"name": "http"}], **spec)


def asking(name: str, runs: Document) -> Document:
    return changed(runs, dependsOn=list(PLACES))


def everything() -> list[Document]:
    ask = ASK.replace("$", "$$")
    return [
        server("web", runOn="anna"),
        speaking("here"),
        speaking("there", runOn="bert"),
        asking("ask-here", shell("ask-here", ask)),
        asking("ask-bert", shell("ask-bert", ask, runOn="bert")),
        asking("ask-anna", box("ask-anna", "sh", "-c", ask, runOn="anna")),
    ]


def answers(stage: Stage, asker: str) -> list[str]:
    return stage.cli("logs", asker).out.split()


def all_answered(stage: Stage, asker: str) -> bool:
    found = answers(stage, asker)
    assert found[-4:] == ["one", "here", "there", "over"], "a container that is started again goes on in its log"
    return True


def test_whoever_depends_on_another_reaches_it_from_every_machine(
    stage: Stage, lab: Lab, anna: Machine, bert: Machine
) -> None:
    """A container there, a process here and one on a third machine: each pair exchanges real HTTP."""
    told = stage.apply(*hosts(lab, anna, bert), *everything(), "--timeout", "90")
    assert told.json["settled"]
    for asker in ("ask-here", "ask-bert", "ask-anna"):
        eventually(lambda asker=asker: all_answered(stage, asker), f"{asker} hears from everybody")

    assert stage.containers() == [], "nothing of it is on the engine here"
    published = anna.engine.inspect(stage.name("web"))["NetworkSettings"]["Ports"]["80/tcp"]
    assert [one["HostIp"] for one in published] == [anna.address], "nowhere else than where its callers find it"
    assert stage.status_of("there")["instances"][0]["host"] == "bert"

    again = stage.apply(*hosts(lab, anna, bert), *everything(), "--timeout", "90")
    assert again.actions == []


def test_what_a_reboot_ended_is_started_again_and_nothing_else_is_touched(
    stage: Stage, lab: Lab, anna: Machine, bert: Machine
) -> None:
    spec = [*hosts(lab, anna, bert), *everything()]
    stage.apply(*spec, "--timeout", "90")
    bystander = stage.process("here").pid

    anna.reboot()
    told = stage.apply(*spec, "--timeout", "90")

    assert told.json["settled"]
    assert {action for action in told.actions if not action.endswith(("web/0", "ask-anna/0"))} == set()
    eventually(lambda: all_answered(stage, "ask-anna"), "it hears from everybody again")
    assert stage.process("here").pid == bystander


def test_a_process_is_ended_by_a_reboot_and_begun_again_with_its_port(
    stage: Stage, lab: Lab, anna: Machine, bert: Machine
) -> None:
    spec = [*hosts(lab, anna, bert), speaking("there", runOn="bert")]
    stage.apply(*spec)
    before = stage.status_of("there")["instances"][0]

    bert.reboot()
    seen = eventually(lambda: stage.status_of("there")["instances"], "what was there is seen again")
    assert seen[0]["phase"] == "Exited"
    stage.apply(*spec)

    after = stage.status_of("there")["instances"][0]
    assert after["ports"] == before["ports"]
    assert after["phase"] == "Running"


def test_of_a_host_that_does_not_answer_nothing_is_known_and_nothing_is_deleted(
    stage: Stage, lab: Lab, anna: Machine, bert: Machine
) -> None:
    """The others go on: what is declared on them meanwhile is there."""
    known = hosts(lab, anna, bert)
    there, web = native("there", *SLEEP, runOn="bert"), server("web", runOn="anna")
    stage.apply(*known, there, web)
    life = anna.engine.inspect(stage.name("web"))["State"]["StartedAt"]

    with anna.partitioned():
        told = stage.apply(
            native("more", *SLEEP, runOn="bert"), changed(web, env={"NEW": "1"}), "--timeout", "40", expect=1
        )
        assert told.actions == ["Create more/0"]
        assert ("web/0", "Unreachable") in {(key, reason) for key, reason, _ in told.waits}
        listed = stage.cli("get", "services", "-o", "json").json["items"]
        ready = {
            item["metadata"]["name"]: {c["type"]: c["status"] for c in item["status"]["conditions"]}["Ready"]
            for item in listed
        }
        assert ready == {"more": "True", "there": "True", "web": "Unknown"} or ready["web"] != "True"

    assert anna.engine.inspect(stage.name("web"))["State"]["StartedAt"] == life
    stage.apply(changed(web, env={"NEW": "1"}), "--timeout", "40")
    assert "NEW=1" in anna.engine.inspect(stage.name("web"))["Config"]["Env"]


def test_the_same_apply_again_looks_at_everybody_s_host_each_time(stage: Stage, lab: Lab, anna: Machine) -> None:
    """Though nothing has changed in the specs, nor on the engine here."""
    stage.bare("apply", "-f", str(stage.write(host(lab, anna), name="host.yaml")))
    spec = box("far", runOn="anna")
    stage.apply(spec)
    assert stage.apply(spec).actions == []
    anna.engine.remove(stage.name("far"))
    assert stage.apply(spec).actions == ["Create far/0"]


def test_moving_a_service_is_changing_one_line(stage: Stage, lab: Lab, anna: Machine, bert: Machine) -> None:
    """Its caller, told by its variables alone, follows; nothing stays behind."""
    known = hosts(lab, anna, bert)
    caller = shell("caller", "echo at $$THERE_HOST; exec sleep 10000", dependsOn=["there"])
    assert stage.diff(*known, speaking("there", runOn="bert"), caller, expect=1).actions
    assert not stage.home.exists(), "to look at another machine makes no home here"
    stage.apply(*known, speaking("there"), caller)
    eventually(lambda: answers(stage, "caller") == ["at", "127.0.0.1"], "it is told where it is")

    told = stage.apply(speaking("there", runOn="bert"), caller)

    assert "it moved from local to bert" in told.causes
    eventually(lambda: answers(stage, "caller") == ["at", bert.address], "the caller is told anew")
    assert stage.processes("there") == []
    assert stage.apply(speaking("there", runOn="bert"), caller).actions == []


def test_a_machine_by_two_names_is_one_and_its_connection_goes_with_the_last_who_leaves(
    stage: Stage, lab: Lab, anna: Machine
) -> None:
    """Everybody's host may be deleted while somebody is there: it stays known for as long."""
    other = host(lab, anna)
    everybodys = {**other, "metadata": {"name": "anna", "namespace": "default"}}
    other["metadata"] = {"name": "again"}
    web, job = server("web", runOn="anna"), native("job", *SLEEP, runOn="again")
    stage.bare("apply", "-f", str(stage.write(everybodys, name="everybodys.yaml")))
    stage.apply(other, web, job)
    life = anna.engine.inspect(stage.name("web"))["Id"]
    assert stage.apply(other, web, job).actions == [], "under its other name nothing is left over"

    told = stage.bare("delete", "host", "anna", "-n", "default")
    assert f"host/anna stays known, for service/web -n {stage.namespace} still runs there" in told.err
    assert stage.apply(web).actions == []

    assert stage.apply(changed(web, runOn="again")).actions == [], "it is where it is wanted"
    assert anna.engine.inspect(stage.name("web"))["Id"] == life
    stage.bare("delete", "host", "anna", "-n", "default")
    assert stage.bare("get", "hosts", "-n", "default", "-o", "name").out == ""

    stage.cli("delete", "service", "web", "job")
    assert connections(stage), "the next command is there at once"
    stage.cli("delete", "host", "again")
    assert connections(stage) == []
    assert [thing for thing in anna.engine.labelled("dev.reconciler.") if stage.namespace in thing] == []


def test_a_machine_that_never_comes_back_is_given_up_and_only_then(stage: Stage, lab: Lab, bert: Machine) -> None:
    """Nobody listens on port 1, so that all of it is told at once."""
    there = host(lab, bert)
    away = {**there, "spec": {**there["spec"], "ssh": {**there["spec"]["ssh"], "port": 1}}}
    stage.apply(there, native("web", *SLEEP, runOn="bert"))
    assert "first: reconciler delete host/bert" in stage.cli("host", "forget", "bert", expect=1).err
    stage.apply(away, "--no-wait", expect=None)
    assert "stays known" in stage.cli("delete", "host", "bert", "--no-wait", expect=None).err
    assert "service/web -n" in stage.cli("host", "forget", "bert", "--yes", expect=1).err
    stage.cli("delete", "service", "web", "--no-wait", expect=None)
    assert "reconciler host forget bert" in stage.cli("host", "list").out
    assert "say --yes" in stage.cli("host", "forget", "bert", expect=1).err
    assert stage.cli("host", "forget", "bert", "--yes").out == "service/web forgotten\nhost/bert forgotten\n"
    assert stage.cli("status", "-o", "name").out == ""
    stage.apply(there)
    assert stage.cli("delete", "service", "web").out == "service/web deleted\n", "it was left an orphan"


def connections(stage: Stage) -> list[str]:
    """What leads to other machines, and lasts longer than a command; elsewhere if the home's path is long."""
    rooms = [stage.home / "ssh", Path(f"/tmp/reconciler-{os.geteuid()}")]
    turns = [path.stem for path in rooms[0].glob("*.lock")]
    return [turn for turn in turns if any((room / turn).is_socket() for room in rooms)]


def test_who_runs_under_an_account_that_is_not_used_any_more_moves_to_the_new_one(
    stage: Stage, lab: Lab, bert: Machine
) -> None:
    """Or both would run, and nobody would know of the former one."""

    def known_hosts() -> list[str]:
        return sorted(path.stem for path in (stage.home / "applied" / stage.namespace).glob("host-*"))

    def as_user(user: str) -> list[Document]:
        there = host(lab, bert, engine="none")
        ssh = {**there["spec"]["ssh"], "user": user}
        return [changed(there, ssh=ssh), shell("moved", "exec sleep 123123", runOn="bert")]

    def running() -> int:
        return bert.processes().count("sleep 123123")

    assert stage.apply(*as_user("rot"), "--timeout", "30", expect=1).waits
    stage.apply(*as_user("root"))
    assert known_hosts() == ["host-bert"], "nobody ever was where it led by mistake"

    moves = ["Stop moved/0", "Remove moved/0", "Create moved/0"]
    assert stage.diff(*as_user("tester"), expect=1).actions == moves
    assert stage.apply(*as_user("tester")).actions == moves
    assert (running(), known_hosts()) == (1, ["host-bert"])

    key = bert.directory / "own/var/lib/sshd/authorized/tester"
    key.rename(key.with_suffix(".kept"))
    told = stage.apply(*as_user("root"))
    was = next(name for name in known_hosts() if "-was-" in name).removeprefix("host-")
    assert f"host/{was}: nobody can see what is left where bert led before" in told.err
    assert "access" in stage.cli("host", "check", was, expect=1).out
    assert f"host/{was} " not in stage.cli("delete", "hosts", "--all", expect=None).out, "it goes by itself, or by name"
    key.with_suffix(".kept").rename(key)
    assert stage.apply(*as_user("root")).actions == ["Stop moved/0", "Remove moved/0"]
    assert (running(), known_hosts()) == (1, ["host-bert"])


def test_the_verbs_reach_in_wherever_it_runs(stage: Stage, lab: Lab, anna: Machine, bert: Machine) -> None:
    word = "hush-" + "x" * 5
    noisy = shell("there", "echo one; echo two; echo $$WORD >&2; exec sleep 10000", runOn="bert", env={"WORD": word})
    stage.apply(*hosts(lab, anna, bert), noisy, server("web", runOn="anna"))

    eventually(lambda: answers(stage, "there") == ["one", "two", word], "all that it wrote is shown")
    assert stage.cli("logs", "there", "--tail", "1").out.split() == [word]
    assert stage.cli("exec", "there", "--", "cat", "/proc/sys/kernel/hostname").out.strip() == "bert"
    assert stage.cli("exec", "web", "--", "cat", "/www/index.html").out.strip() == "one"
    assert stage.cli("exec", "there", "--", "sh", "-c", "exit 7", expect=7).out == ""
    assert not any(word in line for line in bert.processes()), "no secret stands in a command line"

    stage.cli("delete", "service", "there")
    assert "sleep 10000" not in bert.processes()
    left = bert.run("ls", "/root/.local/state/reconciler-hosted/processes").decode().split()
    assert [name for name in left if name.startswith(stage.namespace)] == []


def test_H3_H16_what_the_readme_says_of_other_machines_works_as_it_stands(
    stage: Stage, lab: Lab, anna: Machine
) -> None:
    """With the keys of an agent, as with those of any user."""
    text = chapter("Other machines")
    for said, meant in (("admin@192.168.1.20", f"root@{anna.address}"), ("192.168.1.10", lab.address)):
        assert said in text
        text = text.replace(said, meant)
    socket = str(stage.directory / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: Path(socket).is_socket(), "the agent listens")
        subprocess.run(["ssh-add", "-q", lab.identity], env={"SSH_AUTH_SOCK": socket, "PATH": os.defpath}, check=True)
        said = type_in(stage, text, {"SSH_AUTH_SOCK": socket})
    finally:
        agent.kill()
        agent.wait()
    assert any("service/web" in line and "nas" in line and anna.address in line for line in said.splitlines()), said


def test_a_host_that_nobody_declares_is_a_fault_with_its_line(stage: Stage) -> None:
    told = stage.apply(native("api", runOn="nas"), expect=2)
    assert "there is no host called 'nas'" in told.err
    assert json.dumps("nas") in told.err


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Daemon]:
    it = Daemon(stage)
    yield it
    it.kill()


def test_the_loop_keeps_up_what_runs_elsewhere(
    stage: Stage, lab: Lab, anna: Machine, bert: Machine, daemon: Daemon
) -> None:
    spec = native("there", *SLEEP, runOn="bert", restart={"initialSeconds": 0})
    stage.apply(*hosts(lab, anna, bert), spec, server("web", runOn="anna"))
    first = stage.status_of("there")["instances"][0]["pid"]
    container = anna.engine.inspect(stage.name("web"))

    daemon.start("--resync", "1")
    bert.run("kill", "-9", str(first))
    anna.engine.remove(stage.name("web"))
    eventually(lambda: stage.status_of("there")["instances"][0]["pid"] not in {None, first}, "it runs again")
    eventually(lambda: anna.engine.inspect(stage.name("web"))["Id"] != container["Id"], "so does the container")
