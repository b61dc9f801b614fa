"""What is told of a pass: statuses and events. Opinions about one snapshot; nothing is decided from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.advice import without_key
from reconciler.core.graph import Graph
from reconciler.core.hoststatus import host_status
from reconciler.core.jobs import outlook
from reconciler.core.jobstatus import job_status
from reconciler.core.standing import Standing, Stands
from reconciler.core.verdict import Matches, verdict
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import PortBinding
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.place import LOCAL
from reconciler.model.plan import Action, Journal, Outcome, Plan, Reason, Record, Result, Verb, Wait
from reconciler.model.resource import Resource
from reconciler.model.status import Condition, Endpoint, Event, Instance, Status
from reconciler.values import replace

PASSING = {
    Reason.STARTING, Reason.NOT_READY, Reason.DEPENDENCY, Reason.NETWORK, Reason.VOLUME, Reason.BACK_OFF,
    Reason.IN_USE, Reason.TERMINATING, Reason.ROLLING, Reason.RUNNING,
}  # fmt: skip
"""Waits that pass without a person."""
NOT_SYNCED = Status(
    conditions=(
        Condition(type="Ready", status="Unknown", reason=Reason.NOT_SYNCED, message="nobody has looked at it yet"),
    )
)
DECLARED = Condition(
    type="Ready", status="True", reason=Reason.DECLARED, message="its runs are made by: reconciler run NAME"
)
"""Of a campaign, of which passes make nothing."""
FINE_EXITS = frozenset({0, 143})
"""It was done, or was asked to end: nobody has to look for a fault in it."""
CRASHES = 3
"""So many restarts without a good stretch between them are called a crash loop."""


def statuses(
    graph: Graph, world: World, plan: Plan, journal: Journal, before: Mapping[Key, Status]
) -> dict[Key, Status]:
    """One for each declared resource."""
    found = {}
    shares = _Shares(world, plan)
    for key in sorted(graph.resources):
        if key.kind == "source":  # its syncs say how it stands
            found[key] = before.get(key) or NOT_SYNCED
            continue
        if key.kind == "host":
            status = host_status(graph, key, world.snapshot, before.get(key))
            found[key] = _with_transitions(status, before.get(key), world.now)
            continue
        status = _status(graph.resources[key], world, plan, shares, journal)
        status = stalled(status, shares.waits[key]) if _gave_up(before.get(key), status) else status
        found[key] = _with_transitions(status, before.get(key), world.now)
    for key in sorted(graph.damaged):
        found[key] = _with_transitions(_unreadable(graph.damaged[key]), before.get(key), world.now)
    return found


def stalled(status: Status, waits: Sequence[Wait]) -> Status:
    """The same, of an update for which nobody waits any longer: it stands still until something else is wanted, or
    until the new one becomes Ready after all.
    """
    held = next((wait for wait in waits if wait.reason is Reason.ROLLING), None)
    if held is None:
        return status
    who = f"{held.key.name}/{held.key.index}"
    message = f"the update stands still, and the old ones keep serving: {who} {held.message.removeprefix('it ')}"
    halted = replace(
        Condition.of("Progressing", False, Reason.ROLLING, message), observed_generation=status.observed_generation
    )
    return replace(status, conditions=tuple(halted if c.type == halted.type else c for c in status.conditions))


def _gave_up(before: Status | None, status: Status) -> bool:
    """Whether somebody waited in vain for this very update. Only the diary knows; nothing is decided by it."""
    told = before.condition("Progressing") if before else None
    return (
        told is not None
        and (told.status, told.reason) == ("False", Reason.ROLLING)
        and told.observed_generation == status.observed_generation
    )


def _unreadable(message: str) -> Status:
    """What is wanted is not known, so nothing can be said of how far the world is from it."""
    return Status(
        conditions=tuple(
            Condition(type=kind, status="Unknown", reason=Reason.UNREADABLE, message=message)
            for kind in ("Ready", "Progressing", "Healthy", "Drifted")
        )
    )


class _Shares:
    """What concerns each resource, sorted out once: who looked for it each time would look a million times."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.waits: defaultdict[Key, list[Wait]] = defaultdict(list)
        self.actions: defaultdict[Key, list[Action]] = defaultdict(list)
        self.instances: defaultdict[Key, list[tuple[Key, Observed]]] = defaultdict(list)
        for wait in plan.waits:
            self.waits[wait.key.resource].append(wait)
        for action in plan.actions:
            self.actions[action.key.resource].append(action)
        for key, seen in world.ours():
            self.instances[key.resource].append((key, seen))


def _status(resource: Resource, world: World, plan: Plan, shares: _Shares, journal: Journal) -> Status:
    key = resource.key
    waits, drifted = shares.waits[key], shares.actions[key]
    spec = world.graph.placed(resource)
    if spec and key.kind == "job":
        found = outlook(world, key, plan.desired.get(key.instance(0)))
        return job_status(resource, found, shares.instances[key], waits, drifted)
    if spec:
        status = _service(spec, world, plan, shares.instances[key], journal)
        ready = DECLARED if key.kind == "campaign" else _service_ready(spec, world, waits, journal, key)
    else:
        status = Status(replicas=1, ready_replicas=1)
        ready = _static_ready(world, plan, waits, key)
    progressing = bool(drifted) or any(wait.reason in PASSING for wait in waits)
    sick = ready.reason in {Reason.CRASH_LOOP, Reason.FAILED}
    conditions = (
        ready,
        Condition.of(
            "Progressing", progressing, Reason.PENDING if progressing else Reason.SETTLED, _first(drifted, waits)
        ),
        Condition.of("Healthy", not sick, ready.reason if sick else Reason.READY, ready.message if sick else ""),
        _drifted(drifted or list(_deviating(plan, shares.instances[key]))),
    )
    told = tuple(replace(condition, observed_generation=resource.generation) for condition in conditions)
    return replace(status, observed_generation=resource.generation, conditions=told)


def _deviating(plan: Plan, there: Sequence[tuple[Key, Observed]]) -> Iterator[str]:
    """What is to be put right, though not in this very pass: others have to be Ready first."""
    for instance, seen in there:
        judged = verdict(plan.desired[instance], seen) if instance in plan.desired else Matches()
        if not isinstance(judged, Matches):
            yield f"{instance}: {judged.cause}"


def _drifted(found: Sequence[object]) -> Condition:
    return Condition.of("Drifted", bool(found), Reason.PENDING if found else Reason.SETTLED, _first(found, []))


def _first(drifted: Sequence[object], waits: list[Wait]) -> str:
    return str(drifted[0]) if drifted else (waits[0].message if waits else "")


def _service(
    spec: ServiceSpec, world: World, plan: Plan, there: Sequence[tuple[Key, Observed]], journal: Journal
) -> Status:
    instances, endpoints, updated = [], [], 0
    machine = world.graph.machine(spec.run_on) if spec.run_on != LOCAL else None
    everywhere = (machine.reached_at if machine else "") or "127.0.0.1"
    for instance, seen in there:
        wanted = plan.desired.get(instance)
        updated += wanted is not None and wanted.fingerprint == seen.fingerprint
        stands = world.standing(instance, spec)
        instances.append(_instance(instance, seen, stands, journal.get(instance, Record())))
        # Where a replica will be is told before it is there. An extra one that is not Ready nobody should call.
        extra = (instance.index or 0) >= spec.replicas and stands.stands is not Stands.READY
        bindings: tuple[PortBinding, ...] = getattr(wanted.payload, "ports", ()) if wanted and not extra else ()
        endpoints += [_endpoint(instance, one, everywhere) for one in bindings if one.host_port]
    return Status(
        replicas=len(instances),
        ready_replicas=sum(item.ready for item in instances if item.index < spec.replicas),
        updated_replicas=updated,
        endpoints=tuple(endpoints),
        instances=tuple(instances),
    )


def _instance(key: Key, seen: Observed, stands: Standing, record: Record) -> Instance:
    word, ready = phase_word(seen, stands, record), stands.stands is Stands.READY
    return Instance.of(key, seen, phase=word, ready=ready, restarts=record.restarts)


def _endpoint(key: Key, binding: PortBinding, everywhere: str) -> Endpoint:
    """`everywhere` is where who is bound to all addresses of a machine is found."""
    host = everywhere if binding.bind in {"", "0.0.0.0", "::"} else binding.bind  # noqa: S104
    return Endpoint(name=binding.name, host=host, port=binding.host_port, index=key.index or 0)


def phase_word(seen: Observed, stands: Standing, record: Record) -> str:
    """The word for a table: the engine's phase, or the better one that we know."""
    if stands.stands in {Stands.COMPLETED, Stands.FAILED}:
        return str(stands.stands).capitalize()
    if seen.restarting or _loops(stands, record):
        return str(Reason.CRASH_LOOP)
    return str(seen.phase)


def _loops(stands: Standing, record: Record) -> bool:
    """Down once more, or up again and not yet believed."""
    return stands.crashes >= CRASHES or (stands.stands is Stands.DOWN and record.failures >= CRASHES)


def _service_ready(spec: ServiceSpec, world: World, waits: list[Wait], journal: Journal, key: Key) -> Condition:
    if spec.replicas == 0:
        return Condition.of("Ready", True, Reason.STOPPED, "replicas is 0")
    standings = [world.standing(key.instance(index), spec) for index in range(spec.replicas)]
    bad = [(index, stands) for index, stands in enumerate(standings) if not stands.good]
    grave = [wait for wait in waits if wait.reason not in PASSING]
    if not bad and not grave:
        done = all(stands.stands is Stands.COMPLETED for stands in standings)
        return Condition.of("Ready", True, Reason.COMPLETED if done else Reason.READY)
    if grave:
        return Condition.of("Ready", False, grave[0].reason, grave[0].message)
    index, stands = bad[0]
    record = journal.get(key.instance(index), Record())
    wait = next((wait for wait in waits if wait.key.index == index), None)
    message = wait.message if wait else stands.message
    return Condition.of("Ready", False, _trouble(stands, record, wait), message + _restarted(record, message))


def _restarted(record: Record, message: str) -> str:
    """Between two restarts the present moment says little of how it fares."""
    if not (record.restarts and record.message) or record.reason or record.message in message:
        return ""
    often = "once" if record.restarts == 1 else f"{record.restarts} times"
    return f"; restarted {often}, last: {record.message}"


def _trouble(stands: Standing, record: Record, wait: Wait | None) -> str:
    if stands.stands is Stands.FAILED:
        return Reason.FAILED
    if _loops(stands, record) or (stands.stands is Stands.SICK and record.failures >= CRASHES):
        return Reason.CRASH_LOOP
    if record.reason and wait and wait.reason is Reason.BACK_OFF:
        return record.reason
    return wait.reason if wait else Reason.NOT_READY


def _static_ready(world: World, plan: Plan, waits: list[Wait], key: Key) -> Condition:
    if waits:
        return Condition.of("Ready", False, waits[0].reason, waits[0].message)
    if key in world.graph.unreadable:
        return Condition.of("Ready", False, Reason.UNREADABLE, world.graph.unreadable[key])
    wanted = plan.desired.get(key)
    if wanted and world.seen(key, wanted.place) is None:
        return Condition.of("Ready", False, Reason.PENDING, "it does not exist yet")
    return Condition.of("Ready", True, Reason.READY)


def _with_transitions(status: Status, before: Status | None, now: float) -> Status:
    """A condition's time moves only when its status does."""
    kept = []
    for condition in status.conditions:
        old = before.condition(condition.type) if before else None
        same = old is not None and old.status == condition.status
        kept.append(replace(condition, last_transition_time=old.last_transition_time if old and same else now))
    return replace(status, conditions=tuple(kept))


PAST = {
    Verb.CREATE: "Created",
    Verb.ADJUST: "Adjusted",
    Verb.START: "Started",
    Verb.STOP: "Stopped",
    Verb.REMOVE: "Removed",
}


def happened(outcomes: tuple[Outcome, ...], now: float) -> list[Event]:
    """What was done, and what was refused; and of what is started again because it failed, that it did."""
    return [event for outcome in outcomes for event in (*_crash(outcome, now), _outcome_event(outcome, now))]


def complaints(plan: Plan, now: float) -> list[Event]:
    """What needs a person."""
    grave = [wait for wait in (*plan.waits, *plan.notes) if wait.reason not in PASSING]
    return [Event(time=now, type="Warning", reason=w.reason, key=w.key, message=w.message) for w in grave]


def _crash(outcome: Outcome, now: float) -> Iterator[Event]:
    """In the same words each time: so one that loops is one event with a count, and no flood."""
    action = outcome.action
    if (
        action.key.kind == "job"
        or action.verb is not Verb.START
        or outcome.result is not Result.DONE
        or action.seen is None
    ):
        return
    code = action.seen.exit_code
    if action.seen.phase is Phase.EXITED and code is not None and code not in FINE_EXITS:
        message = f"it ended by itself with exit code {code}, and is started again after pauses that grow"
        yield Event(time=now, type="Warning", reason=Reason.BACK_OFF, key=action.key, message=message)


def _outcome_event(outcome: Outcome, now: float) -> Event:
    action = outcome.action
    if outcome.result is Result.DONE:
        return Event(time=now, type="Normal", reason=PAST[action.verb], key=action.key, message=action.cause)
    reason = outcome.reason or ("OutcomeUnknown" if outcome.result is Result.UNKNOWN else "Failed")
    said = without_key(outcome.message, action.key)
    return Event(time=now, type="Warning", reason=reason, key=action.key, message=f"{action.verb}: {said}")
