"""What is not ours is never touched, whatever name or labels it has."""

from __future__ import annotations

import pytest

from tests.scenarios.documents import box, network, server, volume
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.engine

LABEL = "dev.reconciler."


def test_K14_a_foreign_container_under_our_name_is_named_and_left_alone(stage: Stage) -> None:
    foreign = stage.intruder(stage.name("web"))
    before = stage.life(foreign)

    assert stage.diff(server("web"), expect=1).waits[0][1] == "NameConflict"
    told = stage.apply(server("web"), expect=1)
    key, reason, message = told.waits[0]
    assert (key, reason) == ("web/0", "NameConflict")
    assert stage.name("web") in message
    assert foreign[:12] in message
    assert "rename or remove" in told.err

    stage.delete(server("web"))
    assert stage.life(foreign) == before


def test_others_are_brought_up_beside_a_name_that_is_taken(stage: Stage) -> None:
    stage.intruder(stage.name("web"))
    told = stage.apply(server("web"), box("other"), expect=1)
    assert "Create other/0" in told.actions
    assert stage.container("other")["State"]["Running"]


def test_once_the_name_is_free_the_next_apply_takes_it(stage: Stage) -> None:
    foreign = stage.intruder(stage.name("web"))
    stage.apply(box("web"), expect=1)
    stage.engine.remove(foreign)
    assert stage.apply(box("web")).actions == ["Create web/0"]


def test_K14_our_labels_with_another_owner_are_another_installations_things(stage: Stage) -> None:
    """The same specs applied from another home: its things are foreign to us, though the labels are whole."""
    theirs = stage.other_home("theirs")
    theirs.apply(box("web"))
    before = stage.life(stage.name("web"))

    told = stage.apply(box("web"), expect=1)
    assert told.waits[0][1] == "NameConflict"
    stage.delete("services", "--all")
    assert stage.life(stage.name("web")) == before
    theirs.delete(box("web"))
    assert stage.containers() == []


def test_K14_labels_copied_from_ours_owner_and_all_make_nothing_ours(stage: Stage) -> None:
    """`docker commit` and `docker run` carry labels along. Of two that claim to be one, the name decides."""
    stage.apply(box("web"))
    ours = stage.life(stage.name("web"))
    labels = stage.container("web")["Config"]["Labels"]
    copy = stage.intruder(f"{stage.namespace}-copy", Labels=labels)
    before = stage.life(copy)

    assert stage.apply(box("web")).actions == []
    assert stage.life(stage.name("web")) == ours
    stage.cli("restart", "service/web")
    stage.apply(box("web", env={"NEW": "1"}))
    assert stage.life(copy) == before


def test_an_apply_replaces_only_ours_when_a_copy_stands_beside(stage: Stage) -> None:
    """While ours stands. Alone, a copy can't be told from our own under another name."""
    stage.apply(box("web"))
    ours = stage.id("web")
    copy = stage.intruder(f"{stage.namespace}-copy", Labels=stage.container("web")["Config"]["Labels"])
    before = stage.life(copy)

    told = stage.apply(box("web", env={"NEW": "1"}))
    assert stage.id("web") != ours
    assert "wears the labels of" in told.err
    assert stage.life(copy) == before


def test_labels_that_say_managed_by_are_no_ownership(stage: Stage) -> None:
    foreign = stage.intruder(
        stage.name("web"), Labels={f"{LABEL}managed": "true", f"{LABEL}kind": "service", f"{LABEL}name": "web"}
    )
    before = stage.life(foreign)
    assert stage.apply(box("web"), expect=1).waits[0][1] == "NameConflict"
    stage.delete("services", "--all")
    assert stage.life(foreign) == before


def test_a_foreign_network_and_a_foreign_volume_of_our_name_are_left_alone(stage: Stage) -> None:
    name = f"{stage.namespace}-back"
    identity = stage.engine.post("/networks/create", {"Name": name, "CheckDuplicate": True})["Id"]
    stage.engine.post("/volumes/create", {"Name": f"{stage.namespace}-data"})

    told = stage.apply(network("back"), volume("data"), expect=1)
    assert {key: reason for key, reason, _ in told.waits} == {
        "network/back": "NameConflict",
        "volume/data": "NameConflict",
    }
    stage.delete("all", "--all", "--volumes")
    assert stage.engine.get(f"/networks/{identity}")["Name"] == name
    assert stage.volumes() == [f"{stage.namespace}-data"]


def test_an_external_network_and_volume_are_used_never_made_never_removed(stage: Stage) -> None:
    shared = f"{stage.namespace}-shared"
    spec = [
        network(shared, external=True),
        volume(shared, external=True),
        box("web", container={"networks": [shared]}, volumes=[{"volume": shared, "mountPath": "/data"}]),
    ]
    missing = stage.apply(*spec, "--timeout", "2", expect=1)
    assert {reason for _, reason, _ in missing.waits} == {"ExternalMissing"}

    stage.engine.post("/networks/create", {"Name": shared})
    stage.engine.post("/volumes/create", {"Name": shared})
    assert stage.apply(*spec).actions == ["Create web/0"]
    stage.delete("all", "--all", "--volumes")
    assert (stage.networks(), stage.volumes()) == ([shared], [shared])


def test_what_has_no_owner_and_no_label_of_ours_is_in_nobodys_way(stage: Stage) -> None:
    """K14: whatever else runs on the engine stays as it was, all through a stack's life."""
    foreign = stage.intruder(f"{stage.namespace}-bystander", Labels={"app": "web", "com.example.name": "web"})
    before = stage.life(foreign)
    stage.apply(server("web"), box("db", replicas=2))
    stage.apply(server("web", env={"A": "1"}), box("db"), "--prune")
    stage.delete("services", "--all")
    assert stage.life(foreign) == before
