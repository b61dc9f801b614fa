"""How desired state is changed: what is kept, and what each of them is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.render import RESTARTED
from reconciler.engine import edits
from reconciler.engine.edits import REPLICAS_BEFORE
from reconciler.errors import ReconcilerError
from reconciler.kinds import KINDS
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.model.resource import FORWARD, Resource
from reconciler.sources import document
from tests.core.build import container, key, process, resource

WEB = key("web", None)


def kept(*resources: Resource) -> dict:
    return {r.key: r for r in resources}


def test_what_was_not_there_is_created() -> None:
    edit = edits.apply({}, [container("web")])
    assert (edit.results, [r.generation for r in edit.keep]) == ({WEB: "created"}, [1])


def test_K2_what_is_the_same_is_unchanged_and_not_written() -> None:
    edit = edits.apply(kept(container("web")), [container("web")])
    assert (edit.results, edit.keep) == ({WEB: "unchanged"}, ())


def test_a_changed_spec_is_another_generation() -> None:
    edit = edits.apply(kept(replace(container("web"), generation=4)), [container("web", replicas=2)])
    assert (edit.results, edit.keep[0].generation) == ({WEB: "configured"}, 5)


def test_a_changed_label_is_not() -> None:
    edit = edits.apply(kept(replace(container("web"), generation=4)), [replace(container("web"), labels={"a": "b"})])
    assert (edit.results, edit.keep[0].generation) == ({WEB: "configured"}, 4)


def test_what_was_deleted_is_created_again_and_its_generation_goes_on() -> None:
    edit = edits.apply(kept(replace(container("web"), generation=4, deleting=True)), [container("web")])
    assert (edit.results, edit.keep[0].generation, edit.keep[0].deleting) == ({WEB: "created"}, 5, False)


def test_a_restart_is_not_undone_by_the_next_apply() -> None:
    restarted = edits.restart(container("web"), "now")
    assert edits.apply(kept(restarted), [container("web")]).results == {WEB: "unchanged"}
    changed = edits.apply(kept(restarted), [container("web", env={"A": "1"})])
    assert changed.keep[0].annotations == {RESTARTED: "now"}


def test_prune_takes_what_was_not_given_and_leaves_the_data() -> None:
    before = kept(container("web"), container("old"), resource("volume", "data", VolumeSpec()))
    edit = edits.prune(before, [WEB], [])
    assert edit.results == {key("old", None): "pruned", key("data", None, "volume"): "pruned"}
    assert all(r.deleting and not r.delete_data for r in edit.keep)


def test_a_port_forward_goes_with_the_service_that_it_leads_to() -> None:
    forward = replace(container("forward-web-80"), labels={FORWARD: "web.80"})
    before = kept(container("web"), container("old"), forward)
    assert list(edits.prune(before, [WEB], []).results) == [key("old", None)]
    assert set(edits.prune(before, [key("old", None)], []).results) == {WEB, forward.key}
    assert [r.key for r in edits.forwards_to([WEB], before.values())] == [forward.key]


def test_prune_takes_orphans_but_no_volumes() -> None:
    orphan = Observed("1", "shop-lost-0", "service", "docker", key=key("lost"))
    volume = Observed("2", "shop-data", "volume", "docker", key=key("data", None, "volume"))
    assert list(edits.prune({}, [], [orphan, volume]).results) == [key("lost", None)]


def test_delete_makes_tombstones_and_asks_before_it_takes_data() -> None:
    data = resource("volume", "data", VolumeSpec())
    for flag in (False, True):
        [tombstone] = edits.delete(kept(data), [data.key], {}, data=flag).keep
        assert (tombstone.deleting, tombstone.delete_data) == (True, flag)


def test_an_orphan_is_deleted_by_what_is_seen_of_it() -> None:
    orphan = Observed("1", "shop-lost-0", "service", "process", key=key("lost"))
    [tombstone] = edits.delete({}, [key("lost", None)], {key("lost", None): orphan}, data=False).keep
    assert (tombstone.deleting, tombstone.spec.runtime) == (True, "process")


@pytest.mark.parametrize("kind", [kind.key for kind in KINDS.values()])
def test_a_tombstone_that_was_made_up_can_be_read_again(tmp_path: Path, kind: str) -> None:
    """Else it would be damaged in its turn, and never come to an end."""
    key = Key(kind, "shop", "lost")
    [tombstone] = edits.delete({}, [key], {}, damaged={key}, data=False).keep
    file = tmp_path / "shop" / document.name_of(key)
    file.parent.mkdir()
    file.write_bytes(document.text(tombstone, "delete"))
    assert document.read(file, key).deleting


def test_what_is_nowhere_is_not_deleted() -> None:
    assert edits.delete({}, [WEB], {}, data=False).results == {}


def test_K4_stop_and_start_keep_the_number_of_replicas() -> None:
    stopped = edits.stop(container("web", replicas=3))
    assert (stopped.spec.replicas, stopped.annotations, stopped.generation) == (0, {REPLICAS_BEFORE: "3"}, 2)
    started = edits.start(stopped)
    assert (started.spec.replicas, started.annotations, started.generation) == (3, {}, 3)


def test_to_stop_the_stopped_and_start_the_started_changes_nothing() -> None:
    stopped = edits.stop(container("web"))
    assert edits.stop(stopped) is stopped
    assert edits.start(container("web")) == container("web")


def test_what_never_ran_is_started_once() -> None:
    assert edits.start(container("web", replicas=0)).spec.replicas == 1


def test_scale_changes_the_number_and_forgets_the_stop() -> None:
    assert edits.scale(container("web"), 1) == container("web")
    scaled = edits.scale(edits.stop(container("web", replicas=3)), 2)
    assert (scaled.spec.replicas, scaled.annotations) == (2, {})


def test_restart_is_a_mark_and_another_generation() -> None:
    again = edits.restart(process("api"), "now")
    assert (again.annotations, again.generation) == ({RESTARTED: "now"}, 2)


def test_what_is_stopped_can_not_be_restarted() -> None:
    with pytest.raises(ReconcilerError, match="service/web is stopped"):
        edits.restart(container("web", replicas=0), "now")


WAITS = container("web", replicas=2, auto_start=False)


def test_K15_what_waits_for_a_start_is_declared_stopped_and_a_start_brings_as_many_as_it_says() -> None:
    edit = edits.apply({}, [WAITS])
    (declared,) = edit.keep
    assert (edit.results, declared.spec.replicas, declared.generation) == ({WEB: "created"}, 0, 1)
    assert edits.start(declared).spec == WAITS.spec


def test_K15_a_later_apply_leaves_it_as_people_did() -> None:
    (declared,) = edits.apply({}, [WAITS]).keep
    started = edits.start(declared)
    stopped = edits.stop(started)
    for left in (declared, started, stopped):
        assert edits.apply(kept(left), [WAITS]).results == {WEB: "unchanged"}
    other = container("web", replicas=3, auto_start=False, env={"A": "1"})
    assert edits.apply(kept(started), [other]).keep[0].spec.replicas == 3
    changed = edits.apply(kept(stopped), [other]).keep[0]
    assert (changed.spec.replicas, edits.start(changed).spec.replicas) == (0, 3)


def test_to_let_it_start_by_itself_after_all_starts_it_and_the_other_way_round_stops_nothing() -> None:
    (declared,) = edits.apply({}, [WAITS]).keep
    itself = container("web", replicas=2)
    assert edits.apply(kept(declared), [itself]).keep[0].spec.replicas == 2
    assert edits.apply(kept(itself), [WAITS]).keep[0].spec.replicas == 2


def test_one_that_was_deleted_waits_again_and_one_that_runs_though_its_document_is_lost_goes_on() -> None:
    assert edits.apply(kept(replace(WAITS, deleting=True)), [WAITS]).keep[0].spec.replicas == 0
    assert edits.apply({}, [WAITS], running=[WEB]).keep[0].spec.replicas == 2
