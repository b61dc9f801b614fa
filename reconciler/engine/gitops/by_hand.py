"""A Source by hand: syncs and passes, until its revision is in force and stands, or cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from reconciler.engine.gitops.brought import all_kept, brought_by
from reconciler.engine.gitops.outcome import NEXT
from reconciler.engine.gitops.sync import Synced, feeds_of, sync
from reconciler.engine.reconcile import Parts
from reconciler.engine.report import Report, Trouble, joined
from reconciler.model.key import Key
from reconciler.model.plan import Reason
from reconciler.model.resource import Resource

Settle = Callable[..., Report]
"""Of a controller: a namespace, the keys that matter, and `timeout`."""
LONGEST_NAP = 1.0


def follow(parts: Parts, key: Key, settle: Settle, *, timeout: float) -> Report:
    """What became of everything that it brings, and of itself."""
    deadline = parts.clock.now() + timeout
    before = _brought(parts, key)
    while True:
        ended = sync(parts, key, now=parts.clock.now())
        now = _brought(parts, key)
        concerned = set(before) | set(now) if ended.settled else {k for k in now if k.namespace in ended.namespaces}
        reports = []
        for space in sorted({k.namespace for k in concerned}):
            mine = {k for k in concerned if k.namespace == space}
            reports.append(settle(space, mine, timeout=deadline - parts.clock.now()))
            feeds_of(parts).found[space] = reports[-1].statuses  # whoever made the passes: maybe the daemon
        if ended.settled or parts.clock.now() >= deadline:
            break
        parts.clock.sleep(min(ended.due or 0.0, LONGEST_NAP))
    report = joined(reports) if reports else Report(settled=True)
    return _with_itself(report.telling(_words(before, now)), key, ended)


def _brought(parts: Parts, key: Key) -> dict[Key, Resource]:
    return brought_by(all_kept(parts.source), key)


def _words(before: Mapping[Key, Resource], now: Mapping[Key, Resource]) -> dict[Key, str]:
    words = {key: _word(before.get(key), resource) for key, resource in now.items()}
    return words | {key: "pruned" for key in before if key not in now}


def _word(before: Resource | None, now: Resource) -> str:
    if before is None:
        return "created"
    return "unchanged" if before == now else "configured"


def _with_itself(report: Report, key: Key, ended: Synced) -> Report:
    """Whether the Source is as it should be is part of the answer."""
    if ended.status is None:
        return report
    ready = ended.status.condition("Ready")
    assert ready is not None, "every sync says so"
    well = ready.reason == Reason.SYNCED
    message, _, hint = ready.message.partition(NEXT)
    trouble = Trouble(key, ready.reason, message, hint)
    return replace(
        report, statuses={**report.statuses, key: ended.status}, settled=report.settled and ended.settled,
        results={**report.results, key: str(ready.reason).lower()}, timed_out=report.timed_out or not ended.settled,
        troubles=report.troubles if well else (*report.troubles, trouble),
    )  # fmt: skip
