"""The gate before the runtimes: what a Source brought is made only as its profile has it, whatever was kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.policy import BUILT_IN, Defaults, Mounts, Policy, PolicyFile, Processes, Profile, marks, policy_of
from reconciler.engine.controller import Controller
from reconciler.engine.guard import Guard, Guarded
from reconciler.errors import Denied, SpecError
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.source import Git, SourceSpec
from reconciler.kinds.workload import Container, EnvFrom, Process, Resources, VolumeMount
from reconciler.model.key import Key
from reconciler.model.observed import Phase
from reconciler.model.resource import SOURCE, Resource
from reconciler.sources.applied import Applied
from tests.core.machine import MACHINE, Machine
from tests.core.test_permitted import DIGEST
from tests.engine.following import Following, service
from tests.engine.stage import NAMESPACE, Stage

ROOTED = policy_of(PolicyFile(profiles={"restricted": Profile(mounts=Mounts(bind_roots=("/srv/apps",)))}), "p.yaml")


class Kept(Stage):
    """A stage behind the gate, where documents are kept as a sync would keep them, but never checked before."""

    def __init__(self, path: Path, policy: Policy = ROOTED, machine: Machine = MACHINE) -> None:
        super().__init__(path)
        self.machine = machine
        self.guard = Guard(lambda: policy, lambda: self.machine, {}, unlimited=lambda: not policy.path)
        self.source = Applied(self.home, refusal=self.guard.refusal)
        runtimes = {name: Guarded(runtime, self.guard) for name, runtime in self.parts.runtimes.items()}
        self.parts = replace(self.parts, runtimes=runtimes, source=self.source)
        self.controller = Controller(self.parts)

    def bring(self, spec: Any, kind: str = "service", name: str = "web", **notes: str) -> None:
        found = notes or marks("shop/repo", "restricted")
        self.source.keep([Resource(Key(kind, NAMESPACE, name), spec, annotations=found)])

    def settle(self) -> list[str]:
        """What was refused, as a person is told."""
        for _ in range(4):
            self.clock.time += 400
            self.controller.apply([])
            report = self.controller.edit([Key("service", NAMESPACE, "web")], lambda resource: resource, timeout=5)
        return [str(trouble) for trouble in report.troubles]


def web(**spec: Any) -> ServiceSpec:
    image = f"registry.example/web@{DIGEST}"
    container = Container(image=image, **{name: spec.pop(name) for name in ("privileged",) if name in spec})
    return ServiceSpec(container=container, resources=Resources(memory="64Mi", pids=64), **spec)


def mounted(path: str) -> ServiceSpec:
    return web(volumes=(VolumeMount(host_path=path, mount_path="/mnt", read_only=True),))


def test_what_a_profile_permits_is_made(tmp_path: Path) -> None:
    stage = Kept(tmp_path)
    stage.bring(mounted("/srv/apps/web"))
    stage.settle()
    assert stage.thing("shop-web-0").phase is Phase.RUNNING


@pytest.mark.parametrize("spec", [mounted("/"), mounted("/run/docker.sock"), web(privileged=True)], ids=str)
def test_what_it_forbids_is_never_asked_of_the_runtime(tmp_path: Path, spec: ServiceSpec) -> None:
    stage = Kept(tmp_path)
    stage.bring(spec)
    told = stage.settle()
    assert any("(profile restricted)" in text for text in told), told
    assert stage.objects() == []
    assert "prepare web" not in stage.docker.calls
    assert "create web" not in stage.docker.calls


def test_a_change_that_is_refused_costs_the_old_one_nothing(tmp_path: Path) -> None:
    stage = Kept(tmp_path)
    stage.bring(mounted("/srv/apps/web"))
    stage.settle()
    before = stage.thing("shop-web-0")
    stage.bring(mounted("/etc"))
    stage.settle()
    assert stage.thing("shop-web-0") == before
    assert not {"stop web", "remove web"} & set(stage.docker.calls)


def test_a_link_in_the_place_of_a_directory_is_noticed_at_the_start_of_one_that_exists(tmp_path: Path) -> None:
    stage = Kept(tmp_path)
    stage.bring(mounted("/srv/apps/web"))
    stage.settle()
    stage.machine = replace(MACHINE, links={"/srv/apps/web": "/root"})
    stage.guard.__dict__.pop("machine")  # the machine has changed
    stage.change("shop-web-0", phase=Phase.CREATED)
    stage.docker.calls.clear()
    stage.settle()
    assert stage.thing("shop-web-0").phase is not Phase.RUNNING
    assert "start web" not in stage.docker.calls


def test_taking_down_is_never_held_up(tmp_path: Path) -> None:
    stage = Kept(tmp_path)
    stage.bring(mounted("/srv/apps/web"))
    stage.settle()
    stage.machine = replace(MACHINE, links={"/srv/apps/web": "/root"})
    stage.guard.__dict__.pop("machine")
    assert stage.controller.delete([Key("service", NAMESPACE, "web")]).settled
    assert stage.objects() == []


def test_what_says_only_that_a_source_brought_it_is_restricted(tmp_path: Path) -> None:
    stage = Kept(tmp_path)
    stage.bring(mounted("/"), **{SOURCE: "shop/repo"})
    stage.settle()
    assert stage.objects() == []


def test_a_profile_that_is_not_in_the_policy_any_more_permits_nothing(tmp_path: Path) -> None:
    stage = Kept(tmp_path)
    stage.bring(web(), **marks("shop/repo", "webteam"))
    told = stage.settle()
    assert any("no profile called 'webteam'" in text for text in told), told
    assert stage.objects() == []


def test_without_a_policy_file_a_person_may_do_anything_and_a_source_may_not(tmp_path: Path) -> None:
    stage = Kept(tmp_path, BUILT_IN)
    stage.controller.apply([Resource(Key("service", NAMESPACE, "mine"), mounted("/run/docker.sock"))])
    stage.bring(mounted("/srv/apps/web"))
    stage.settle()
    assert stage.objects() == ["shop-mine-0"]


def test_a_policy_may_limit_what_a_person_applies(tmp_path: Path) -> None:
    policy = policy_of(PolicyFile(profiles={"calm": Profile()}, defaults=Defaults(local="calm")), "p.yaml")
    stage = Kept(tmp_path, policy)
    report = stage.controller.apply([Resource(Key("service", NAMESPACE, "mine"), web(privileged=True))], timeout=5)
    assert not report.settled
    assert stage.objects() == []


def test_a_process_that_would_run_as_root_is_not_started(tmp_path: Path) -> None:
    policy = policy_of(PolicyFile(profiles={"restricted": Profile(processes=Processes(run_as=("*",)))}), "p.yaml")
    stage = Kept(tmp_path, policy)
    stage.bring(ServiceSpec(process=Process(command=("/srv/run",))))
    told = stage.settle()
    assert any("process.user: a process may not run as root: processes.root is deny" in text for text in told), told
    assert stage.objects() == []


def test_a_file_that_became_a_link_out_of_the_source_is_not_read_again(tmp_path: Path) -> None:
    root, secret = tmp_path / "checkout", tmp_path / "secret"
    root.mkdir()
    (root / "app.env").write_text("GREETING=hello")
    secret.write_text("PASSWORD=canary")
    stage = Kept(tmp_path, machine=_Real())
    notes = marks("shop/repo", "restricted", str(root))
    stage.bring(web(env_from=(EnvFrom(file=str(root / "app.env")),)), **notes)
    stage.settle()
    before = stage.thing("shop-web-0")
    (root / "app.env").unlink()
    (root / "app.env").symlink_to(secret)
    graph = stage.source.graph(NAMESPACE, stage.home.identity(make=False))
    assert "does not belong to the source (profile restricted)" in graph.unreadable[Key("service", NAMESPACE, "web")]
    stage.settle()
    assert stage.thing("shop-web-0") == before


def test_what_one_may_read_is_not_thereby_another_ones(tmp_path: Path) -> None:
    """A person's Config reads any file; a Source's Config that names the same one reads nothing."""
    file = tmp_path / "token"
    file.write_text("canary")
    stage = Kept(tmp_path, machine=_Real())
    spec = ConfigSpec(files={"token": str(file)})
    stage.source.keep([Resource(Key("config", NAMESPACE, "mine"), spec)])
    stage.bring(spec, "config", "theirs", **marks("shop/repo", "restricted", str(tmp_path / "checkout")))
    graph = stage.source.graph(NAMESPACE, stage.home.identity(make=True))
    assert set(graph.unreadable) == {Key("config", NAMESPACE, "theirs")}


class _Real:
    def landing(self, path: str) -> Any:
        from reconciler.hosts.here import Here

        return Here().landing(path)

    def guarded(self) -> list[str]:
        return []


def test_sources_are_under_the_profile_of_their_kind_or_the_one_they_name() -> None:
    guard = Guard(lambda: ROOTED, lambda: MACHINE, {})
    git = Git(url="https://example.org/x.git")
    assert guard.profile(SourceSpec(git=git, verify="none")) == "restricted"
    assert guard.profile(SourceSpec(directory="/specs")) == "trusted"
    assert guard.profile(SourceSpec(directory="/specs", profile="restricted")) == "restricted"


def test_specs_see_of_our_environment_what_their_profile_lets_them() -> None:
    policy = policy_of(PolicyFile(profiles={"web": Profile(environment=("WEB_*",))}), "p.yaml")
    guard = Guard(lambda: policy, lambda: MACHINE, {"WEB_TAG": "1", "AWS_SECRET": "hush"})
    assert guard.environment("restricted") == {}
    assert guard.environment("web") == {"WEB_TAG": "1"}
    assert guard.environment("trusted") == {"WEB_TAG": "1", "AWS_SECRET": "hush"}


def test_a_profile_that_there_is_not_is_said_with_those_that_there_are() -> None:
    guard = Guard(lambda: ROOTED, lambda: MACHINE, {})
    with pytest.raises(Denied, match="there are: restricted, trusted"):
        guard.limits("webteam")
    assert guard.limits("restricted") == (10, 0.3)


@pytest.mark.parametrize("name", ["reconciler/source", "reconciler/profile", "reconciler/root", "reconciler/deleting"])
def test_marks_of_ours_in_a_spec_are_refused_with_their_line(name: str) -> None:
    from reconciler.core.parse import Text, parse

    text = f"""\
apiVersion: reconciler/v1
kind: Service
metadata:
  name: web
  annotations:
    {name}: trusted
spec: {{process: {{command: [run]}}}}
"""
    with pytest.raises(SpecError) as caught:
        parse([Text("web.yaml", text.encode(), "/")], environment={})
    (problem,) = caught.value.problems
    assert (problem.line, problem.hint) == (6, "leave it out")
    assert f"the annotation {name} is ours" in problem.message
    parse([Text("web.yaml", text.encode(), "/")], environment={}, kept=True)


def test_a_revision_that_asks_for_too_much_is_held_with_its_line_and_the_last_good_one_stays(tmp_path: Path) -> None:
    source = Following(tmp_path, profile="restricted")
    source.parts = replace(source.parts, rules=Guard(lambda: ROOTED, lambda: MACHINE, {}))
    limits = ", resources: {memory: 64Mi, pids: 64}"
    source.write(web=service("web", f"registry.example/web@{DIGEST}", limits))
    source.sync()
    before = source.source.resources("shop")
    assert {r.key.short: r.profile for r in before} == {"service/web": "restricted", "source/specs": ""}

    volumes = ", volumes: [{hostPath: /srv/apps/engine, mountPath: /mnt, readOnly: true}]"
    source.write(web=service("web", f"registry.example/web@{DIGEST}", limits + volumes))
    status = source.sync().status
    assert source.source.resources("shop") == before
    assert status is not None
    (ready,) = [condition for condition in status.conditions if condition.type == "Ready"]
    assert f"{source.folder}/web.yaml:4:" in ready.message
    assert "/srv/apps/engine (really /run/docker.sock) may not be mounted" in ready.message
