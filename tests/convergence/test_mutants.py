"""A suite that finds nothing proves nothing: each of these bugs is put into the planner, and has to be found."""
# ruff: noqa: ANN001, ANN202, ARG005 -- a mutant takes what the honest one takes, and ignores it

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.core import backoff, claims, gates, instances, planner, ports, rolling, teardown
from reconciler.core import world as worlds
from reconciler.model.observed import View
from reconciler.model.plan import Action, Verb
from tests.convergence import promises, story
from tests.convergence.choose import Choose

TRIES = 1500
EARLY, TELLING = 14, (182, 147, 131, 38, 249)
"""Most are found by one of the first stories, and nearly all others by these. If not, all are told in order."""
Mutate = Callable[[pytest.MonkeyPatch], None]


def owner_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        worlds.World, "_claims", lambda self, t: t.key is not None and t.key.namespace == self.graph.namespace
    )


def any_namespace_is_ours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(worlds.World, "_claims", lambda self, t: t.key is not None and t.owner == self.graph.owner)
    patch.setattr(
        teardown, "_why_it_goes", lambda world, key, thing: "gone" if key.resource not in world.graph.resources else ""
    )


def unreachable_is_empty(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(View, "reachable", property(lambda self: True))


def volumes_go_on_any_tombstone(patch: pytest.MonkeyPatch) -> None:
    honest = teardown._why_it_goes

    def careless(world: worlds.World, key, thing):
        gone = key.kind == "volume" and key in world.graph.removed
        return "it was deleted" if gone else honest(world, key, thing)

    patch.setattr(teardown, "_why_it_goes", careless)


def whoever_has_the_name_is_ours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(worlds.World, "seen", lambda self, key, runtime: self.named(runtime, key.kind, key.engine_name))


def the_misnamed_one_counts(patch: pytest.MonkeyPatch) -> None:
    def seen(self: worlds.World, key, runtime):
        claimants = [thing for thing in self._ours.get(key, ()) if thing.runtime == runtime]
        return min(claimants, key=lambda thing: (thing.name == key.engine_name, thing.id), default=None)

    patch.setattr(worlds.World, "seen", seen)


def names_are_taken_for_free(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(worlds.World, "holder", lambda self, desired: None)


def nothing_is_gated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner, "gate", lambda *_: None)


def completed_means_started(patch: pytest.MonkeyPatch) -> None:
    honest = gates._condition
    patch.setattr(gates, "_condition", lambda w, d, k, s, c: honest(w, d, k, s, "Started" if c == "Completed" else c))


def ready_means_started(patch: pytest.MonkeyPatch) -> None:
    honest = gates._condition
    patch.setattr(gates, "_condition", lambda w, d, k, s, c: honest(w, d, k, s, "Started" if c == "Ready" else c))


def ports_do_not_stick(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims.Claims, "sticky", lambda self, key, port: None)


def nobody_else_has_ports(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims.Claims, "against", lambda self, key, host, binding: (claims.Obstacle.NONE, None))


def only_the_same_address_clashes(patch: pytest.MonkeyPatch) -> None:
    def clashing(self, host, binding):
        return [c for c in self._by_port.get((host, binding.port, binding.protocol), ()) if c.binding == binding]

    patch.setattr(claims.Claims, "_clashing", clashing)


def holders_never_leave(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims.Claims, "_leaves", lambda self, key, host, binding: False)


def handovers_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    honest = ports.assign
    patch.setattr(planner.ports, "assign", lambda *given: replace(honest(*given), handovers={}))


def nothing_is_stopped_before_it_is_removed(patch: pytest.MonkeyPatch) -> None:
    def take_down(key, seen, cause, spec, item=None):
        return [Action(Verb.REMOVE, key, cause, item, seen)]

    patch.setattr(instances, "take_down", take_down)


def create_comes_first(patch: pytest.MonkeyPatch) -> None:
    honest = instances._make

    def make(world, case, old):
        actions, wait = honest(world, case, old)
        return sorted(actions, key=lambda action: action.verb is not Verb.CREATE), wait

    patch.setattr(instances, "_make", make)


def failures_are_not_remembered(patch: pytest.MonkeyPatch) -> None:
    for module in (instances, planner, teardown):
        patch.setattr(module, "held_back", lambda *_args: None)


def pauses_do_not_grow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(backoff, "earliest", lambda _key, record, _restart: record.last_at)


def all_replicas_go_at_once(patch: pytest.MonkeyPatch) -> None:
    honest = rolling.roll
    patch.setattr(rolling, "roll", lambda *facts: replace(honest(*facts), replaceable=frozenset(range(9))))


def the_budget_forgets_who_is_away(patch: pytest.MonkeyPatch) -> None:
    honest = rolling._member
    patch.setattr(rolling, "_member", lambda *facts: replace(honest(*facts), serves=True))


def extra_ones_never_come(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rolling, "_wanted", lambda *facts, may_come: ())
    patch.setattr(rolling, "_unavailable", lambda spec, extra: max(1, spec.update.max_unavailable))


def extra_ones_leave_before_the_last_new_one_serves(patch: pytest.MonkeyPatch) -> None:
    honest = rolling._wanted

    def wanted(world: worlds.World, key, spec, desired, *, may_come):
        base = rolling._members(world, key, spec, desired, range(spec.replicas))
        found = honest(world, key, spec, desired, may_come=may_come)
        return found if any(member.outdated for member in base) else ()

    patch.setattr(rolling, "_wanted", wanted)


def extra_ones_stay_for_ever(patch: pytest.MonkeyPatch) -> None:
    honest = rolling._wanted
    patch.setattr(
        rolling, "_wanted",
        lambda world, key, spec, desired, may_come: (
            honest(world, key, spec, desired, may_come=may_come) or rolling.present(world).get(key, ())
        ),
    )  # fmt: skip


def nobody_is_in_the_way(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner, "_in_the_way", lambda world, rendered: frozenset())


def the_old_one_goes_before_the_new_one_can_come(patch: pytest.MonkeyPatch) -> None:
    honest = instances._make
    patch.setattr(instances, "_make", lambda world, case, old: honest(world, replace(case, must_go=True), old))


def what_moved_is_left_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(worlds.World, "elsewhere", lambda self, key, runtime: [])


def what_is_scaled_away_stays(patch: pytest.MonkeyPatch) -> None:
    honest = teardown._why_it_goes
    patch.setattr(teardown, "_why_it_goes", lambda w, k, t: "" if k.resource in w.graph.resources else honest(w, k, t))


def what_is_not_declared_goes(patch: pytest.MonkeyPatch) -> None:
    honest = teardown._why_it_goes
    forgotten = teardown._forgotten
    patch.setattr(teardown, "_why_it_goes", lambda w, k, t: honest(w, k, t) or ("prune" if forgotten(w, k) else ""))


def the_used_go_before_their_users(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(teardown, "_users", lambda world, key, thing: [])


def others_work_is_not_respected(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instances, "unsettled", lambda thing: None)


def a_renamed_one_stays_renamed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instances, "_adjust", lambda case, seen: ((), None))


def what_was_left_in_created_is_not_started(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instances, "_start", lambda world, case, seen, cause, before: (before, None))


MUTANTS: tuple[Mutate, ...] = (
    owner_is_not_asked, any_namespace_is_ours, unreachable_is_empty, volumes_go_on_any_tombstone,
    whoever_has_the_name_is_ours, the_misnamed_one_counts, names_are_taken_for_free, nothing_is_gated,
    completed_means_started, ready_means_started, ports_do_not_stick, nobody_else_has_ports,
    only_the_same_address_clashes, holders_never_leave, handovers_are_not_waited_for,
    nothing_is_stopped_before_it_is_removed, create_comes_first, failures_are_not_remembered, pauses_do_not_grow,
    all_replicas_go_at_once, the_budget_forgets_who_is_away, extra_ones_never_come,
    extra_ones_leave_before_the_last_new_one_serves, extra_ones_stay_for_ever,
    nobody_is_in_the_way,
    the_old_one_goes_before_the_new_one_can_come, what_moved_is_left_behind, what_is_scaled_away_stays,
    what_is_not_declared_goes, the_used_go_before_their_users, others_work_is_not_respected,
    a_renamed_one_stays_renamed, what_was_left_in_created_is_not_started,
)  # fmt: skip


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_a_planner_with_this_bug_is_found_out(
    mutate: Mutate, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    with monkeypatch.context() as patch:
        mutate(patch)
        seed, found = _first_found()
        assert not isinstance(found, TypeError | ValueError), "it no longer fits what it changes"
    print(f"found by story {seed}: {type(found).__name__}: {str(found).splitlines()[0][:150]}")

    _teller(seed)(Choose.seeded(seed))  # and without the bug there is nothing to be found
    record_property("mutants", 1)


def _first_found() -> tuple[int, Exception]:
    for seed in (*range(EARLY), *TELLING, *range(EARLY, TRIES)):
        try:
            _teller(seed)(Choose.seeded(seed))
        except Exception as found:  # noqa: BLE001 -- however it shows
            return seed, found
    return pytest.fail(f"it survives {TRIES} stories")


def _teller(seed: int) -> Callable[[Choose], None]:
    return story.tell if seed % 2 else promises.PROMISES[seed // 2 % len(promises.PROMISES)]
