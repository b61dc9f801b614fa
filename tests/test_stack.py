"""From Python: up for as long as a block lasts, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest

import reconciler
from reconciler import wiring
from reconciler.core.parse import Document
from reconciler.engine.claims import Claimed
from reconciler.engine.looking import look
from reconciler.errors import ReconcilerError, SpecError, UsageError
from reconciler.model.key import Key
from reconciler.sources.home import Home
from reconciler.stack import NotReady
from tests.scenarios.proc import Proc, processes_with
from tests.waiting import until

ROOT = Path(__file__).parents[1]
WEB = """\
apiVersion: reconciler/v1
kind: Service
metadata: {name: web}
spec:
  process: {command: [python3, -m, http.server, "${ports.http}", --bind, 127.0.0.1]}
  ports: [{name: http}]
  probes: {readiness: {tcpSocket: {port: http}, periodSeconds: 1}}
---
apiVersion: reconciler/v1
kind: Service
metadata: {name: user}
spec:
  process: {command: [sh, -c, "echo told $WEB_ADDR; exec sleep 600"]}
  stop: {graceSeconds: 1}
  dependsOn: [web]
"""
ENDLESS = """\
import reconciler, sys, time
with reconciler.up(sys.argv[1], namespace=sys.argv[2]):
    print("up", flush=True)
    time.sleep(600)
"""
BROKEN = """\
apiVersion: reconciler/v1
kind: Service
metadata: {name: broken}
spec:
  process: {command: [sh, -c, "echo no luck today; exit 3"]}
  restart: {policy: Never}
"""
VOLUMES = """\
apiVersion: reconciler/v1
kind: Volume
metadata: {name: old}
---
apiVersion: reconciler/v1
kind: Volume
metadata: {name: new}
---
apiVersion: reconciler/v1
kind: Service
metadata: {name: keeper}
spec:
  process: {command: [sleep, "600"]}
  volumes: [{volume: old}]
  stop: {graceSeconds: 1}
---
apiVersion: reconciler/v1
kind: Service
metadata: {name: newer}
spec:
  process: {command: [sleep, "600"]}
  volumes: [{volume: new}]
  stop: {graceSeconds: 1}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(WEB)
    return path


def processes_of(namespace: str) -> list[Proc]:
    return processes_with([f"RECONCILER_NAMESPACE={namespace}"])


def test_all_is_ready_on_entry_and_gone_on_exit(home: Path, namespace: str, spec: Path) -> None:
    with reconciler.up(spec, namespace=namespace) as stack:
        assert sorted(stack) == ["user", "web"]
        assert stack["web"].status().ready
        with urlopen(stack["web"].url()) as answer:
            assert answer.status == 200
        assert f"told {stack['web'].addr()}" in stack["user"].logs()
        told = stack["user"].exec(["sh", "-c", "printf 'no text: \\377' >&2; echo $RECONCILER_NAME; exit 7"])
        assert (told.exit_code, told.stdout) == (7, "user\n")
        assert told.stderr == "no text: \ufffd"
    assert processes_of(namespace) == []
    assert list(home.glob("applied/*/*.yaml")) == []


def test_an_exception_takes_it_down_and_goes_on(home: Path, namespace: str, spec: Path) -> None:
    with pytest.raises(ZeroDivisionError), reconciler.up(spec, namespace=namespace) as stack:
        print(1 // (not stack["web"].status().ready))
    assert processes_of(namespace) == []


def test_what_does_not_come_up_is_taken_down_and_told_of(home: Path, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(BROKEN)
    with pytest.raises(NotReady) as told, reconciler.up(tmp_path / "broken.yaml", namespace=namespace):
        pytest.fail("it was entered")
    assert "exited with code 3" in str(told.value)
    assert "no luck today" in str(told.value)
    assert processes_of(namespace) == []


def test_a_service_is_stopped_started_restarted_and_scaled(home: Path, namespace: str, spec: Path) -> None:
    with reconciler.up(spec, namespace=namespace) as stack:
        web = stack["web"]
        first, address = web.status().instances[0].pid, web.addr()
        web.restart()
        assert web.status().instances[0].pid != first
        assert web.addr() == address, "a port is sticky"
        web.stop()
        with pytest.raises(ReconcilerError, match=r"does not exist|is exited"):
            web.exec(["true"])
        web.start()
        web.scale(2)
        assert web.status().ready_replicas == 2
        assert web.addr(index=1) != web.addr()


def test_L6_L11_L12_exec_starts_a_dead_one_again_and_takes_variables(home: Path, namespace: str, spec: Path) -> None:
    with reconciler.up(spec, namespace=namespace) as stack:
        web = stack["web"]
        first = web.status().instances[0].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{first}").exists())

        assert web.exec(["sh", "-c", "echo $MORE"], env={"MORE": "so"}).stdout == "so\n"
        assert web.status().instances[0].pid not in (None, first)


CAMPAIGN = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: bench}
spec:
  process: {command: [sh, -c, 'echo "{\\"n\\": ${matrix.n}}"; test ${matrix.n} != 2 || test -e well']}
  matrix: {n: [1, 2]}
"""


def test_L7_a_campaign_is_run_from_python_and_gone_on_with(home: Path, namespace: str, tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(CAMPAIGN)
    told: list[str] = []
    with reconciler.campaign(path, namespace=namespace, told=lambda news: told.append(news.run.id)) as campaign:
        manifest = campaign.run()
        assert not manifest.worked
        assert [(run.state, run.result) for run in manifest.runs] == [("completed", {"n": 1}), ("failed", {"n": 2})]
        assert campaign.status()["failed"] == 1
    assert len(told) == 4
    (tmp_path / "well").touch()
    again = reconciler.campaign(path, namespace=namespace, resume=True, strategy="persistent")
    with pytest.raises(UsageError, match="begun with strategy"):
        again.run()
    assert reconciler.campaign(path, namespace=namespace, resume=True).run().worked


def test_L7_what_is_left_of_a_campaign_is_taken_down_by_an_exception(
    home: Path, namespace: str, tmp_path: Path
) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(CAMPAIGN.replace("test ${matrix.n} != 2", "exec sleep 600"))

    def stumble(_news: object) -> None:
        raise RuntimeError("on my own account")

    with pytest.raises(RuntimeError), reconciler.campaign(path, namespace=namespace, told=stumble) as campaign:
        campaign.run()
    controller = wiring.controller(str(home), acts=False)
    assert not look(controller.parts, namespace).sight(campaign.key).things


def test_who_asks_for_nobody_is_told_who_there_is(home: Path, namespace: str, spec: Path) -> None:
    with reconciler.up(spec, namespace=namespace) as stack:
        with pytest.raises(KeyError, match="no service is called 'wbe'; there are: user, web"):
            stack["wbe"]
        with pytest.raises(ReconcilerError, match="has no port 'admin'"):
            stack["web"].addr("admin")


def test_the_same_specs_are_up_side_by_side(home: Path, namespace: str, spec: Path) -> None:
    with reconciler.up(spec, namespace=f"{namespace}a") as one, reconciler.up(spec, namespace=f"{namespace}b") as two:
        assert one["web"].addr() != two["web"].addr()


def test_what_a_killed_program_left_is_there_to_be_deleted(home: Path, namespace: str, spec: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ENDLESS, spec, namespace], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    left = processes_of(namespace)
    assert left
    with reconciler.up(spec, namespace=namespace):
        assert processes_of(namespace) == left, "what runs already is as good as new"
    until(lambda: processes_of(namespace) == [])


def test_a_bad_spec_is_told_with_its_line_before_anything_is_done(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(WEB.replace("dependsOn: [web]", "dependsOn: [wbe]"))
    with pytest.raises(SpecError, match=r"bad\.yaml:\d+:\d+: .*no service called 'wbe'"):
        reconciler.link(reconciler.load([tmp_path / "bad.yaml"]))
    with pytest.raises(SpecError, match=r"bad\.yaml:\d+:\d+"), reconciler.up(tmp_path / "bad.yaml"):
        pytest.fail("it was entered")


def test_who_is_refused_takes_nothing_down(home: Path, namespace: str, spec: Path, tmp_path: Path) -> None:
    """Specs that don't fit together are refused before anything is begun. What is up in their namespace stays up."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(WEB.replace("name: user", "name: other").partition("---")[2].replace("[web]", "[nobody]"))
    with reconciler.up(spec, namespace=namespace, home=home) as stack:
        before = [one.pid for one in stack["web"].status().instances]
        with pytest.raises(SpecError, match="nobody"), reconciler.up(wrong, namespace=namespace, home=home):
            pytest.fail("it was entered")
        assert [one.pid for one in stack["web"].status().instances] == before


def applied(home: Path, resources: Sequence[Document]) -> None:
    """As by `reconciler apply`: by somebody else."""
    assert wiring.controller(str(home), acts=True).apply([one.resource for one in resources]).ok


def deleted(home: Path, keys: Sequence[Key], *, data: bool = False) -> None:
    wiring.controller(str(home), acts=True).delete(keys, data=data)


def test_what_somebody_else_has_declared_is_refused_and_stays(home: Path, namespace: str, spec: Path) -> None:
    theirs = reconciler.load([spec], namespace=namespace)
    applied(home, theirs[:1])
    before = processes_of(namespace)
    assert before
    with pytest.raises(Claimed, match=r"service/web in namespace .* is declared already, by somebody else"):  # noqa: SIM117
        with reconciler.up(spec, namespace=namespace):
            pytest.fail("it was entered")
    assert processes_of(namespace) == before
    assert len(list(home.glob("applied/*/*.yaml"))) == 1
    deleted(home, [theirs[0].resource.key])


def test_what_another_block_has_up_is_refused_and_stays(home: Path, namespace: str, spec: Path) -> None:
    with reconciler.up(spec, namespace=namespace) as stack:
        before = processes_of(namespace)
        with pytest.raises(Claimed, match=rf"is up already, by another block \(pid {os.getpid()} "):  # noqa: SIM117
            with reconciler.up(spec, namespace=namespace):
                pytest.fail("it was entered")
        assert processes_of(namespace) == before
        assert stack["web"].status().ready


def test_what_somebody_applies_meanwhile_is_his_and_stays(home: Path, namespace: str, spec: Path) -> None:
    documents = reconciler.load([spec], namespace=namespace)
    with reconciler.up(spec, namespace=namespace):
        applied(home, documents[:1])
    assert [path.name for path in home.glob("applied/*/*.yaml")] == ["service-web.yaml"]
    assert processes_of(namespace)
    deleted(home, [documents[0].resource.key])


def test_an_end_before_anything_is_kept_takes_nothing_down(home: Path, namespace: str, spec: Path) -> None:
    """Another command has its turn and does not end: nothing was begun, so nothing is undone."""
    documents = reconciler.load([spec], namespace=namespace)
    applied(home, documents)
    before = processes_of(namespace)
    with Home(str(home)).lock(1.0), pytest.raises(ReconcilerError, match="another command is at work"):  # noqa: SIM117
        with reconciler.up(spec, namespace=namespace, timeout=0.1):
            pytest.fail("it was entered")
    assert processes_of(namespace) == before
    deleted(home, [one.resource.key for one in documents])


@pytest.mark.engine
def test_data_that_was_there_before_outlives_the_block(home: Path, namespace: str, tmp_path: Path) -> None:
    """Though the volume is declared by nobody any more, and the block takes its own data away."""
    (tmp_path / "volumes.yaml").write_text(VOLUMES)
    documents = reconciler.load([tmp_path / "volumes.yaml"], namespace=namespace)
    old = [one for one in documents if one.resource.key.name in {"keeper", "old"}]
    applied(home, old)
    deleted(home, [one.resource.key for one in old])
    with reconciler.up(tmp_path / "volumes.yaml", namespace=namespace, volumes=True):
        assert {key.name for key in volumes_of(home, namespace)} == {"old", "new"}
    assert {key.name for key in volumes_of(home, namespace)} == {"old"}
    assert list(home.glob("applied/*/*.yaml")) == []
    deleted(home, volumes_of(home, namespace), data=True)


def test_what_is_still_on_its_way_out_is_nobodys(home: Path, namespace: str, spec: Path) -> None:
    documents = reconciler.load([spec], namespace=namespace)
    applied(home, documents)
    tombstones = [replace(one.resource, deleting=True) for one in documents]
    wiring.controller(str(home), acts=True).parts.source.keep(tombstones)  # as by a delete that was killed then
    assert processes_of(namespace)
    with reconciler.up(spec, namespace=namespace) as stack:
        assert stack["web"].status().ready
    assert processes_of(namespace) == []


def test_what_is_there_and_declared_by_nobody_is_refused(home: Path, namespace: str, spec: Path) -> None:
    documents = reconciler.load([spec], namespace=namespace)
    applied(home, documents[:1])
    (home / "applied" / namespace / "service-web.yaml").unlink()
    with (
        pytest.raises(Claimed, match="there already, though nobody declares it"),
        reconciler.up(spec, namespace=namespace),
    ):
        pytest.fail("it was entered")
    assert processes_of(namespace)
    deleted(home, [documents[0].resource.key])


def volumes_of(home: Path, namespace: str) -> list[Key]:
    parts = wiring.controller(str(home), acts=False).parts
    things = (thing for view in look(parts, namespace).snapshot.views for thing in view.objects)
    return [thing.key for thing in things if thing.kind == "volume" and thing.key and thing.key.namespace == namespace]


def test_a_plan_needs_no_engine_and_no_home(spec: Path) -> None:
    graph = reconciler.link(reconciler.load(spec))
    nothing = reconciler.Snapshot((reconciler.View("docker"), reconciler.View("process")))
    planned = reconciler.plan(graph, nothing, {}, now=0.0)
    assert [str(action) for action in planned.actions] == ["Create service/default/web/0: it does not exist"]
    assert [wait.key.name for wait in planned.waits] == ["user"]


def test_a_plan_is_for_the_namespace_of_what_was_loaded(spec: Path) -> None:
    shop = reconciler.load([spec], namespace="shop")
    assert reconciler.link(shop).namespace == "shop"
    with pytest.raises(UsageError, match="several namespaces: default, shop"):
        reconciler.link([*shop, *reconciler.load([spec])])


def test_to_import_the_package_costs_next_to_nothing() -> None:
    code = "import sys, reconciler; print(sorted({'docker', 'pydantic', 'yaml', 'click'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
    assert sorted(reconciler.__all__) == reconciler.__all__
    assert all(getattr(reconciler, name) is not None for name in reconciler.__all__)


def test_the_documented_example_of_the_fixture_passes_as_it_stands(home: Path, tmp_path: Path) -> None:
    """In a pytest of its own, which finds the fixture by nothing but the installed package."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "specs/python/test_web.py"]
    argv += ["--basetemp", str(tmp_path / "of-its-own")]  # it would close the directories of all others
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "RECONCILER_TEST"))}
    argv += ["-c", os.devnull, "--rootdir", str(ROOT)]
    done = subprocess.run(argv, check=False, cwd=ROOT, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.engine
def test_a_container_is_reached_into_like_a_process(home: Path, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Service\nmetadata: {name: box}\n"
        "spec:\n  container: {image: reconciler-test, keepAlive: true}\n  stop: {graceSeconds: 0}\n"
    )
    with reconciler.up(tmp_path / "box.yaml", namespace=namespace) as stack:
        told = stack["box"].exec(["sh", "-c", "echo $RECONCILER_NAMESPACE"])
        assert told.stdout.strip() == namespace
