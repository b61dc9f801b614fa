"""What somebody does to our containers is seen in `diff` with its cause, and undone by `apply` with few actions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scenarios.documents import box, server
from tests.scenarios.stage import Stage, eventually

pytestmark = pytest.mark.engine

Meddle = Callable[[Stage], None]


def stopped(stage: Stage) -> None:
    stage.signal(stage.name("web"), "stop", "?t=1")


def killed(stage: Stage) -> None:
    stage.signal(stage.name("web"), "kill")
    eventually(lambda: stage.container("web")["State"]["Status"] == "exited", "the killed one has ended")


def paused(stage: Stage) -> None:
    stage.signal(stage.name("web"), "pause")


def renamed(stage: Stage) -> None:
    stage.signal(stage.name("web"), "rename", f"?name={stage.namespace}-other")


def paused_and_renamed(stage: Stage) -> None:
    paused(stage)
    renamed(stage)


def removed(stage: Stage) -> None:
    stage.engine.remove(stage.name("web"))


@pytest.mark.parametrize(
    ("meddle", "actions", "cause"),
    [
        (stopped, ["Start web/0"], "exited with code"),
        (killed, ["Start web/0"], "exited with code 137"),
        (paused, ["Adjust web/0"], "it was paused"),
        (renamed, ["Adjust web/0"], "it was renamed"),
        (paused_and_renamed, ["Adjust web/0"], "it was renamed"),
        (removed, ["Create web/0"], "it does not exist"),
    ],
)
def test_R7_what_was_done_behind_our_back_is_seen_and_undone(
    stage: Stage, meddle: Meddle, actions: list[str], cause: str
) -> None:
    spec = [server("web"), box("other")]
    stage.apply(*spec)
    port, identity, other = stage.published("web"), stage.id("web"), stage.life(stage.name("other"))

    meddle(stage)
    seen = stage.diff(*spec, expect=1)
    assert seen.actions == actions
    assert cause in seen.causes
    assert stage.diff(expect=1).actions == actions, "without files it is the same"
    assert f"{actions[0].split()[0]}: " in stage.cli("diff", expect=1).out, "people see it too"

    done = stage.apply(*spec)
    assert done.actions == actions
    assert cause in done.causes
    assert done.results == {"web": "configured", "other": "unchanged"}
    assert stage.container("web")["State"]["Status"] == "running"
    assert stage.published("web") == port
    assert (stage.id("web") == identity) is (meddle is not removed), "nothing is made anew that can be mended"
    assert stage.life(stage.name("other")) == other
    assert stage.diff(*spec).actions == []


def test_K3_a_container_that_somebody_started_again_is_as_good_as_ever(stage: Stage) -> None:
    stage.apply(box("web"))
    stopped(stage)
    stage.signal(stage.name("web"), "start")
    assert stage.apply(box("web")).actions == []


def test_a_network_that_somebody_removed_is_made_again_with_all_who_were_in_it(stage: Stage) -> None:
    """The engine gives a network of the same name another id: who was in the old one would never reach it."""
    stage.apply(server("web"))
    stage.engine.post(f"/networks/{stage.namespace}-default/disconnect", {"Container": stage.name("web")})
    stage.engine.delete(f"/networks/{stage.namespace}-default")

    assert "Create network/default" in stage.diff(server("web"), expect=1).actions
    stage.apply(server("web"))
    assert f"{stage.namespace}-default" in stage.container("web")["NetworkSettings"]["Networks"]
    assert "one" in stage.run_inside("web", "wget", "-qO-", "http://web/index.html")


def test_a_container_made_by_a_crashed_apply_is_started_not_made_anew(stage: Stage) -> None:
    """`created` is a state like any other: the trace of a crash between making and starting."""
    stage.apply(box("web"))
    config = stage.container("web")
    stage.engine.remove(stage.name("web"))
    joined = {"EndpointsConfig": {f"{stage.namespace}-default": {"Aliases": ["web"]}}}
    body = {**config["Config"], "HostConfig": config["HostConfig"], "NetworkingConfig": joined}
    made = stage.engine.post(f"/containers/create?name={stage.name('web')}", body)["Id"]

    seen = stage.diff(box("web"), expect=1)
    assert (seen.actions, "never started" in seen.causes) == (["Start web/0"], True)
    assert stage.apply(box("web")).actions == ["Start web/0"]
    assert stage.id("web") == made
