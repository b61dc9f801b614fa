"""Why something is not Ready, told so that a person can act: the reason, the place, and its own last words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.core.advice import advice, command_line, without_key
from reconciler.core.masking import masking
from reconciler.core.world import World
from reconciler.engine.reconcile import Parts, Pass
from reconciler.engine.report import Trouble
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase, Snapshot
from reconciler.model.plan import Reason, Wait
from reconciler.model.status import Condition, Status

LAST_LINES = 10
HINTS = {
    Reason.PORT_IN_USE: "free the port, choose another hostPort, or set onConflict: reassign",
    Reason.NAME_CONFLICT: "what has the name is not this one's, so it is left alone",
    Reason.UNREACHABLE: "see: reconciler doctor",
    Reason.HOST_TAKEN: "declare it on another host, or ask whose it is; see: reconciler host check",
    Reason.NOT_THERE: "others run it, so nobody starts it here; say in attachTo what is meant",
    Reason.EXTERNAL_MISSING: "make it first, or drop external: true",
    Reason.VOLUME_DIFFERS: "put the old driver and options back, or remove it by name with --volumes",
    Reason.IMAGE: "check the image's name, or build or pull it by hand",
    Reason.UNREADABLE: "make what it names readable again; a document of ours is written anew by applying its spec",
    Reason.NOT_READY: "look at its log and its probes, or give it a longer --timeout",
    Reason.CRASH_LOOP: "it ends again and again; its log may say why",
    Reason.FAILED: "it ended badly and its restart policy leaves it so",
    "Refused": "put right what the message names, then apply again",
}


def troubles(parts: Parts, last: Pass, concerned: Callable[[Key], bool], hints: Mapping[Key, str]) -> Iterator[Trouble]:
    """One for each resource that is not Ready, or whose update stands still, with what its log says last."""
    told = [key for key in last.statuses if concerned(key) and key.kind != "source"]  # whose syncs tell of themselves
    ill = {key: c for key in told if (c := _complaint(last.statuses[key]))}
    world = World(last.graph, _looked_closer(parts, last, ill), last.at, last.journal)
    for key in sorted(ill):
        yield _trouble(parts, last, world, ill[key], key, hints.get(key, ""))
    for wait in last.plan.waits:
        key = wait.key.resource
        if concerned(key) and key not in ill and (key not in last.statuses or wait.reason is Reason.BACK_OFF):
            yield _held_up(last, wait, hints.get(key, ""))


def _held_up(last: Pass, wait: Wait, told: str) -> Trouble:
    """What is not declared, a network of ours or a tombstone; or whose old one serves while the new one can't come."""
    key, record = wait.key.resource, last.journal.get(wait.key)
    reason = record.reason if record and record.reason else wait.reason
    return Trouble(key, reason, without_key(wait.message, key), _hint(last, told, reason, wait.message))


def _complaint(status: Status) -> Condition | None:
    ready, progressing = status.condition("Ready"), status.condition("Progressing")
    if ready and ready.status != "True":
        return ready
    halted = progressing and (progressing.status, progressing.reason) == ("False", Reason.ROLLING)
    return progressing if halted else None


def _hint(last: Pass, told: str, reason: str, message: str) -> str:
    """What the runtime advised, else what is advised for such a reason."""
    if reason == Reason.UNREACHABLE or reason in {view.reason for view in last.snapshot.views if view.problem}:
        places = {spec.place for _, spec in last.graph.workloads()} - {view.place for view in last.snapshot.views}
        views = [*last.snapshot.views, *map(last.snapshot.view, sorted(places))]
        silent = [view for view in views if view.problem and view.problem in message]
        told = next((view.hint for view in silent if view.hint), told)
    return told or next((hint for known, hint in HINTS.items() if known == reason), "")


def _looked_closer(parts: Parts, last: Pass, ill: Iterable[Key]) -> Snapshot:
    """A list of an engine leaves out why something ended: that it had no more memory, say."""
    world = World(last.graph, last.snapshot, last.at, last.journal)
    places = {seen.place for key in ill if (seen := _ill(world, key)) and seen.phase is not Phase.RUNNING}
    views = (
        parts.runtimes[view.place].observe(deep=True) if view.place in places else view
        for view in last.snapshot.views
    )  # fmt: skip
    return replace(last.snapshot, views=tuple(views))


def _trouble(parts: Parts, last: Pass, world: World, condition: Condition, key: Key, told: str) -> Trouble:
    message = without_key(condition.message, key)
    spec = last.graph.spec(key)
    if spec is None:
        return Trouble(key, condition.reason, message, _hint(last, told, condition.reason, condition.message))
    seen = _ill(world, key)
    log = [masking(last.graph)(line) for line in last_lines(parts, seen, LAST_LINES)] if seen else []
    found = advice(key, condition.reason, message, spec, seen, silent=not log)
    hint = found or _hint(last, told, condition.reason, condition.message)
    if any(wait.key.resource == key and wait.reason is Reason.ROLLING for wait in last.plan.waits):
        back = f"go back: {command_line(key, 'rollout undo')}"
        hint = f"{hint}; or {back}" if hint else f"put it right and apply it again, or {back}"
    return Trouble(key, condition.reason, _with_detail(message, seen), hint, tuple(log))


def _ill(world: World, key: Key) -> Observed | None:
    """The first instance that is there, and not as it should be."""
    spec = world.graph.spec(key)
    if spec is None or key.kind == "job":
        return world.seen(key.instance(0), spec.place) if spec else None
    extra = [k for k, _ in world.ours() if k.resource == key and (k.index or 0) >= spec.replicas]
    instances = [*(key.instance(index) for index in range(spec.replicas)), *extra]
    bad = (instance for instance in instances if not world.standing(instance, spec).good)
    return next((seen for instance in bad if (seen := world.seen(instance, spec.place))), None)


def _with_detail(message: str, seen: Observed | None) -> str:
    if seen is None or seen.phase is not Phase.EXITED or not seen.detail or seen.detail in message:
        return message
    code = f"it exited with code {seen.exit_code}"
    return message.replace(code, f"{code} ({seen.detail})", 1)


def last_lines(parts: Parts, thing: Observed, count: int) -> list[str]:
    """What it said last; that it can't be read is said in its place."""
    reach = parts.reach.get(thing.place)
    if reach is None:
        return []
    try:
        text = b"".join(reach.logs(thing, tail=count)).decode(errors="replace")
    except ReconcilerError as error:
        return [f"(its log can't be read: {error.message})"]
    return text.splitlines()[-count:]
