"""What was changed about a container, or declared about it, is named and put right by the gentlest verb."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.docker.registry import serving
from tests.podman_lacks import ASK_REGISTRY, CHANGE_IN_PLACE, changes_in_place, skip_on_podman
from tests.scenarios.documents import box, changed, document, network
from tests.scenarios.stage import Document, Stage

pytestmark = pytest.mark.engine

Meddle = Callable[[Stage], None]
IN_PLACE = {"maxSurge": 0, "maxUnavailable": 1}
REPLACED = ["Stop web/0", "Remove web/0", "Create web/0"]


def updated(stage: Stage, **settings: object) -> None:
    skip_on_podman(stage.engine, CHANGE_IN_PLACE)
    stage.engine.post(f"/containers/{stage.name('web')}/update", settings)


def more_memory(stage: Stage) -> None:
    updated(stage, Memory=128 << 20, MemorySwap=128 << 20)


def restart_policy(stage: Stage) -> None:
    updated(stage, RestartPolicy={"Name": "always"})


def left_a_network(stage: Stage) -> None:
    stage.engine.post(f"/networks/{stage.namespace}-back/disconnect", {"Container": stage.id("web")})


def joined_a_network(stage: Stage) -> None:
    stage.engine.post(f"/networks/{stage.namespace}-other/connect", {"Container": stage.id("web")})


def made_by_hand_with_another_variable(stage: Stage) -> None:
    """With our labels and our fingerprint."""
    made = stage.container("web")
    stage.engine.remove(made["Id"])
    first, second = (f"{stage.namespace}-{name}" for name in ("default", "back"))
    config = {**made["Config"], "Env": [*made["Config"]["Env"], "EXTRA=1"], "Hostname": ""}
    untold = {"NetworkMode": first, "CpuPeriod": 0, "CpuQuota": 0}  # by Podman, or twice
    joined = {"EndpointsConfig": {first: {"Aliases": ["web"]}}}
    body = {**config, "HostConfig": {**made["HostConfig"], **untold}, "NetworkingConfig": joined}
    stage.engine.post(f"/containers/create?name={stage.name('web')}", body)
    body = {"Container": stage.name("web"), "EndpointConfig": {"Aliases": ["web"]}}
    stage.engine.post(f"/networks/{second}/connect", body)
    stage.engine.post(f"/containers/{stage.name('web')}/start")


def world() -> list[Document]:
    web = box("web", container={"networks": ["default", "back"]}, resources={"memory": "64Mi", "cpus": 0.5})
    return [network("back"), network("other"), web, box("bystander")]


@pytest.mark.parametrize(
    ("meddle", "actions", "cause"),
    [
        (more_memory, ["Adjust web/0"], "memory is 128 MiB, not 64 MiB"),
        (restart_policy, ["Adjust web/0"], "the engine's restart policy is always, not no"),
        (left_a_network, ["Adjust web/0"], "it is not in network "),
        (joined_a_network, ["Adjust web/0"], "-other, which is not declared for it"),
        (made_by_hand_with_another_variable, REPLACED, "env EXTRA is set, but not declared"),
    ],
)
def test_R7_what_was_changed_about_it_is_named_and_put_right(
    stage: Stage, meddle: Meddle, actions: list[str], cause: str
) -> None:
    stage.apply(*world())
    life, other = stage.life(stage.name("web")), stage.life(stage.name("bystander"))
    meddle(stage)

    seen = stage.diff(*world(), expect=1)
    assert seen.actions == actions
    assert cause in seen.causes
    drifted = next(c for c in stage.status_of("web")["conditions"] if c["type"] == "Drifted")
    assert (drifted["status"], cause in drifted["message"]) == ("True", True)

    assert stage.apply(*world()).actions == actions
    assert (stage.life(stage.name("web")) == life) is (actions != REPLACED), "nothing is made anew that can be mended"
    assert stage.life(stage.name("bystander")) == other
    assert stage.apply(*world()).actions == []
    assert stage.diff(*world()).actions == []


def test_R7_what_is_declared_otherwise_is_changed_on_the_living_one_where_that_can_be(stage: Stage) -> None:
    actions = ["Adjust web/0"] if changes_in_place(stage.engine) else REPLACED
    stage.apply(*world())
    life = stage.life(stage.name("web"))
    *rest, web, bystander = world()
    gentle = changed(
        web,
        container={**web["spec"]["container"], "networks": ["default", "other"]},
        resources={"memory": "96Mi", "cpus": 0.25, "pids": 64},
        restart={"by": "engine"},
        stop={"signal": "INT"},
    )
    told = stage.apply(*rest, gentle, bystander)
    assert told.actions == actions
    assert told.results["web"] == "configured"
    assert (stage.life(stage.name("web")) == life) is (actions != REPLACED)
    now = stage.container("web")
    host = now["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (96 << 20, 250_000_000, 64)
    assert host["RestartPolicy"]["Name"] == "always"
    assert sorted(now["NetworkSettings"]["Networks"]) == [f"{stage.namespace}-default", f"{stage.namespace}-other"]
    assert stage.apply(*rest, gentle, bystander).actions == []

    free = changed(gentle, resources={})
    assert stage.apply(*rest, free, bystander).actions == REPLACED, "an engine can't lift a limit"
    assert stage.container("web")["HostConfig"]["Memory"] == 0


def test_R7_of_many_exactly_the_one_that_was_changed_is_touched(stage: Stage) -> None:
    file = stage.directory / "one.env"
    file.write_text("LEVEL=1\n")
    many = [box(f"s{index}") for index in range(5)] + [box("one", envFrom=[{"file": "./one.env"}], update=IN_PLACE)]
    stage.apply(*many)
    before = {name: stage.life(name) for name in stage.containers()}
    file.write_text("LEVEL=2\n")
    told = stage.apply(*many)
    assert told.actions == ["Stop one/0", "Remove one/0", "Create one/0"]
    assert "env LEVEL differs" in told.causes
    after = {name: stage.life(name) for name in stage.containers()}
    assert [name for name in before if before[name] != after[name]] == [stage.name("one")]


def test_R7_a_diff_for_people_has_a_line_for_each_field_though_the_diary_is_lost(stage: Stage) -> None:
    stage.apply(*world())
    if changes_in_place(stage.engine):
        updated(stage, NanoCpus=10**9, PidsLimit=9)
        text = stage.cli("diff", expect=1).out
        assert "\n    cpus is 1, not 0.5\n" in text
        assert "\n    pids is 9, not unlimited\n" in text

    stage.apply(*world())
    for file in stage.home.glob("diary.db*"):
        file.unlink()
    *rest, web, bystander = world()
    other = changed(web, env={"A": "1", "B": "2"}, container={**web["spec"]["container"], "user": "1"})
    text = stage.cli("diff", "-f", str(stage.write(*rest, other, bystander)), expect=1).out
    assert '\n    user is not "1"\n' in text
    assert "\n    env B is missing\n" in text


def test_R7_pull_policy_always_follows_what_the_image_means_in_its_registry(stage: Stage) -> None:
    skip_on_podman(stage.engine, ASK_REGISTRY)
    with serving() as registry:
        image = registry.image("app")
        always = {"image": image, "pullPolicy": "Always", "command": ["/sh", "-c", "read x"], "tty": True}
        spec = [document("Service", "web", container=always, stop={"graceSeconds": 0}, update=IN_PLACE), box("other")]
        try:
            stage.apply(*spec)
            other = stage.life(stage.name("other"))
            assert stage.apply(*spec).actions == [], "the same digest"
            registry.publish("two")
            seen = stage.diff(*spec, expect=1)
            assert seen.actions == REPLACED
            assert f"image {image} is sha256:" in seen.causes
            assert stage.apply(*spec).actions == REPLACED
            assert stage.apply(*spec).actions == []
            assert stage.life(stage.name("other")) == other
            registry.failure = 500
            assert stage.apply(*spec).actions == [], "who can't be asked proves nothing"
        finally:
            stage.delete(*spec)
            stage.engine.delete(f"/images/{image}?force=1")
