"""Why something is not Ready, told so that a person can act: the reason, the place, and its own last words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.core.masking import masking
from reconciler.core.world import World
from reconciler.engine.reconcile import Parts, Pass
from reconciler.engine.report import Trouble
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.model.plan import Reason

LAST_LINES = 10
HINTS = {
    Reason.PORT_IN_USE: "free the port, choose another hostPort, or set onConflict: reassign",
    Reason.NAME_CONFLICT: "rename or remove what has the name; it is not ours, so it is left alone",
    Reason.UNREACHABLE: "see: reconciler doctor",
    Reason.EXTERNAL_MISSING: "make it first, or drop external: true",
    Reason.VOLUME_DIFFERS: "put the old driver and options back, or remove it by name with --volumes",
    Reason.IMAGE: "check the image's name, or build or pull it by hand",
    Reason.UNREADABLE: "make what it names readable again; a document of ours is written anew by applying its spec",
    Reason.NOT_READY: "look at its log and its readiness probe, or give it a longer --timeout",
    Reason.CRASH_LOOP: "it ends again and again; its log may say why",
    Reason.FAILED: "it ended badly and its restart policy leaves it so",
    "Refused": "put right what the message names, then apply again",
}


def troubles(parts: Parts, last: Pass, concerned: Callable[[Key], bool], hints: Mapping[Key, str]) -> Iterator[Trouble]:
    """One for each resource that is not Ready. Asks the log of what has ended or is not ready."""
    world = World(last.graph, last.snapshot, last.at)
    for key in sorted(last.statuses):
        condition = last.statuses[key].condition("Ready")
        if condition and condition.status != "True" and concerned(key):
            log = tuple(_last_words(parts, world, key))
            yield Trouble(
                key, condition.reason, condition.message, _hint(last, hints.get(key, ""), condition.reason), log
            )
    for wait in last.plan.waits:  # of what is not declared: a network of ours, a tombstone
        if wait.key.resource not in last.statuses and concerned(wait.key.resource):
            key = wait.key.resource
            yield Trouble(key, wait.reason, wait.message, _hint(last, hints.get(key, ""), wait.reason))


def _hint(last: Pass, told: str, reason: str) -> str:
    """What the runtime advised, else what is advised for such a reason."""
    if reason == Reason.UNREACHABLE:
        told = next((view.hint for view in last.snapshot.views if view.problem and view.hint), told)
    return told or next((hint for known, hint in HINTS.items() if known == reason), "")


def _last_words(parts: Parts, world: World, key: Key) -> list[str]:
    spec = world.graph.resources[key].spec
    if key.kind != "service":
        return []
    for index in range(spec.replicas):
        instance = key.instance(index)
        seen = world.seen(instance, spec.runtime)
        if seen and not world.standing(instance, spec).good:
            masked = masking(world.graph)
            return [masked(line) for line in _tail(parts, seen)]
    return []


def _tail(parts: Parts, seen: Observed) -> list[str]:
    reach = parts.reach.get(seen.runtime)
    if reach is None:
        return []
    try:
        text = b"".join(reach.logs(seen, tail=LAST_LINES)).decode(errors="replace")
    except ReconcilerError as error:
        return [f"(its log can't be read: {error.message})"]
    return text.splitlines()[-LAST_LINES:]
