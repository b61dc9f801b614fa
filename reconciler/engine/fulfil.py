"""Passes until what was asked for stands, and what there is to say of it then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.core.graph import DEFAULT_NETWORK
from reconciler.core.summarize import stalled
from reconciler.engine.news import Progress, news_of
from reconciler.engine.reconcile import Parts, Pass
from reconciler.engine.report import Report, asides, pending
from reconciler.engine.settle import Settlement, settle
from reconciler.engine.troubles import troubles
from reconciler.model.key import Key
from reconciler.model.plan import Reason


def fulfil(parts: Parts, namespace: str, keys: set[Key], *, wait: bool, timeout: float, progress: Progress) -> Report:
    """Until these stand as they are wanted, or time is up."""
    keys = keys | _grounds(parts, namespace, keys)
    _forgive(parts, namespace, keys)
    settlement = settle(
        parts, namespace, deadline=parts.clock.now() + timeout, wait=wait,
        concerns=keys.__contains__, started=progress.started,
        passed=lambda current: progress.passed(news_of(current)),
    )  # fmt: skip
    return _report(parts, settlement, keys, wait=wait)


def _forgive(parts: Parts, namespace: str, wanted: set[Key]) -> None:
    """A person asked: whatever failed before is tried at once."""
    journal = parts.store.journal(namespace)
    forgiven = {k: replace(r, failures=0, avoid=()) for k, r in journal.items() if k.resource in wanted and r.failures}
    if forgiven:
        parts.store.write_journal(forgiven)


def _grounds(parts: Parts, namespace: str, keys: set[Key]) -> set[Key]:
    """What containers stand on without a document: the network of their namespace."""
    graph = parts.source.graph(namespace, parts.home.identity(make=False))
    joins = any(DEFAULT_NETWORK in graph.network_names(spec) for key, spec in graph.users() if key in keys)
    return {Key("network", namespace, DEFAULT_NETWORK)} if joins else set()


def _report(parts: Parts, settlement: Settlement, keys: set[Key], *, wait: bool) -> Report:
    last = settlement.last
    assert last is not None, "there is at least one pass"
    concerned = keys.__contains__
    wanted = wait or not settlement.settled
    on_the_way = {Reason.NOT_READY, Reason.RUNNING}
    held_up = settlement.failed | {w.key.resource for w in settlement.waits if w.reason not in on_the_way}
    complained = concerned if wait else held_up.intersection(keys).__contains__
    if not settlement.settled:
        last = _stalled(parts, last, concerned)
    return Report(
        settled=settlement.settled,
        actions=tuple(settlement.actions),
        waits=tuple(w for w in last.plan.waits if concerned(w.key.resource)),
        troubles=tuple(troubles(parts, last, complained, settlement.hints)) if wanted else (),
        statuses=last.statuses,
        timed_out=settlement.timed_out,
        notes=asides(last, concerned),
        pending=pending(last, _tombstones(parts, last)),
    )


def _stalled(parts: Parts, last: Pass, concerned: Callable[[Key], bool]) -> Pass:
    """Nobody goes on waiting for its updates, and whoever looks later is to know."""
    waits = [wait for wait in last.plan.waits if concerned(wait.key.resource)]
    halted = {
        key: stalled(status, [wait for wait in waits if wait.key.resource == key])
        for key, status in last.statuses.items()
    }
    changed = {key: status for key, status in halted.items() if status != last.statuses[key]}
    if changed:
        parts.store.write_statuses(changed)
    return replace(last, statuses=halted)


def _tombstones(parts: Parts, last: Pass) -> list[Key]:
    """Of what was deleted, and is not known to be gone."""
    kept = parts.source.resources(last.graph.namespace) if last.graph.removed else []
    return [resource.key for resource in kept if resource.deleting]
