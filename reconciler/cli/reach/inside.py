"""Which instances a verb reaches into, found by looking at the world only: no probe is asked for this."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli import picking
from reconciler.core.advice import command_line
from reconciler.engine.places.grounds import place_of
from reconciler.errors import ReconcilerError, Unreachable
from reconciler.model.observed import Observed, Phase
from reconciler.model.place import LOCAL, Place

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts
    from reconciler.model.key import Key
    from reconciler.ports import Reach

ASKING_SECONDS = 10.0


class NotRunning(ReconcilerError):
    """It is declared, or its things are there; but none of them could be entered."""

    reason = "NotRunning"


def instances(parts: Parts, key: Key, *, deep: bool = False) -> list[Observed]:
    """All of a service's, whatever their phase, by index. One that nobody declares is found too."""
    resource = next((r for r in parts.source.resources(key.namespace) if r.key == key and not r.deleting), None)
    if resource and getattr(resource.spec, "attach_to", None):
        graph = parts.source.graph(key.namespace, parts.home.identity(make=False))
        return [thing] if (thing := parts.observer.attached(graph, key)) else []
    own = place_of(parts, resource) if resource else None
    places = _of_campaign(parts) if resource and key.kind == "campaign" else [own] if own else sorted(parts.runtimes)
    owner = parts.home.identity(make=False).owner
    found: list[Observed] = []
    for place in places:
        view = parts.runtimes[place].observe(deep=deep)
        if not view.reachable and place == own:
            raise Unreachable(f"{key.short}: {view.problem}", hint=view.hint)
        found += [thing for thing in view.objects if owner and thing.owner == owner and _is(thing, key)]
    if not found and resource is None:
        raise picking.not_found(parts, key.namespace, (key.kind, key.name))
    return sorted(found, key=_index)


def _of_campaign(parts: Parts) -> list[str]:
    """What it keeps warm and the commands inside of it live in different ones; all of them are here."""
    return [place for place in sorted(parts.runtimes) if Place.of(place).host == LOCAL]


def _is(thing: Observed, key: Key) -> bool:
    """Another thing that wears a copy of the labels has another name."""
    return thing.key is not None and thing.key.resource == key and thing.name == thing.key.engine_name


def _index(thing: Observed) -> int:
    return (thing.key.index or 0) if thing.key else 0


def of_index(key: Key, things: Sequence[Observed], index: int | None) -> list[Observed]:
    if index is None:
        return list(things)
    chosen = [thing for thing in things if _index(thing) == index]
    if not chosen:
        known = ", ".join(str(_index(thing)) for thing in things) or "none"
        raise ReconcilerError(f"{key.short} has no instance {index}", hint=f"instances now: {known}")
    return chosen


def one_that_runs(parts: Parts, key: Key, index: int | None) -> Observed:
    """The first that runs, or the one of that index; if none does, why not."""
    found = instances(parts, key)
    chosen = of_index(key, found, index) if found else []
    running = [thing for thing in chosen if thing.phase is Phase.RUNNING]
    if not running:
        raise not_running(parts, key)
    return running[0]


def not_running(parts: Parts, key: Key) -> NotRunning:
    """Says what stands in the way, and what to type."""
    if key.kind == "campaign":
        hint = f"see how far it is, and its results, with logs/ in them: {command_line(key, 'campaign status')}"
        return NotRunning(f"{key.short}: no run of it goes on right now", hint=hint)
    from reconciler.cli.diagnosis import findings
    from reconciler.cli.render.words import message
    from reconciler.engine.looking import look

    seen = look(parts, key.namespace)
    sight = seen.sight(key)
    if sight is None or (
        sight.resource and not sight.resource.deleting and not getattr(sight.resource.spec, "replicas", 1)
    ):
        return NotRunning(f"{key.short} is stopped", hint=f"start it: {command_line(key, 'start')}")
    told = findings(seen, sight) or [message(seen, sight) or "no instance of it exists"]
    again = "restart" if key.kind == "job" else "start"
    return NotRunning(
        f"{key.short} is not running: {'; '.join(told)}",
        hint=f"start it: {command_line(key, again)}; see more: {command_line(key, 'describe')}",
    )


def directory(reach: Reach, thing: Observed) -> str:
    """Where a process works that runs; empty where that can't be told."""
    if thing.phase is not Phase.RUNNING or not thing.pid:
        return ""
    if thing.host == LOCAL:
        return os.readlink(f"/proc/{thing.pid}/cwd")
    done = reach.run(thing, ["sh", "-c", "pwd -P"], deadline=ASKING_SECONDS)
    return done.stdout.decode(errors="surrogateescape").removesuffix("\n") if done.exit_code == 0 else ""
