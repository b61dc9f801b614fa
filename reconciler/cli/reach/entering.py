"""The way in for people: what does not run is started first, by the same line as `start`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli import line
from reconciler.cli.context import Context
from reconciler.cli.reach import inside
from reconciler.cli.render.progress import progress
from reconciler.errors import ReconcilerError
from reconciler.model.observed import Phase
from reconciler.waiting import until

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts
    from reconciler.model.key import Key
    from reconciler.model.observed import Observed

STARTABLE = frozenset({"service"})
"""A job that is over is not begun again by who wants to look into it."""


def one_to_enter(context: Context, parts: Parts, key: Key, index: int | None) -> Observed:
    """One that runs. Ready it need not be: whoever comes in may be the one who makes it so."""
    try:
        return inside.one_that_runs(parts, key, index)
    except inside.NotRunning as stopped:
        if key.kind not in STARTABLE or not _declared(parts, key):
            raise
        print(f"note: {stopped.message}, so it is started first", file=context.stderr)
    _start(context, key)
    return _await_running(parts, key, index, context.timeout)


def _declared(parts: Parts, key: Key) -> bool:
    return any(r.key == key and not r.deleting for r in parts.source.resources(key.namespace))


def _start(context: Context, key: Key) -> None:
    """Not waited for until Ready, but for as long as something has to be done before it can run."""
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)
    with progress(context) as lines:
        report = controller.edit(
            [key], edits.start, wait=False, timeout=context.timeout, progress=line.Bridge(lines, [key])
        )
    for trouble in report.troubles:
        if trouble.key == key:
            raise ReconcilerError(f"{key.short} can't be started: {trouble.message}", hint=trouble.hint)


def _await_running(parts: Parts, key: Key, index: int | None, patience: float) -> Observed:
    """Made is not yet running. One that has ended already will not run however long one waits."""

    def decided() -> list[Observed]:
        things = inside.instances(parts, key)
        here = [thing for thing in things if index is None or (thing.key and (thing.key.index or 0) == index)]
        running = [thing for thing in here if thing.phase is Phase.RUNNING]
        return running or (here if all(thing.phase is Phase.EXITED for thing in here) else [])

    found = until(decided, patience)
    if found and found[0].phase is Phase.RUNNING:
        return found[0]
    return inside.one_that_runs(parts, key, index)  # or says why there is none
