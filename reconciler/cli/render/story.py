"""Why a resource stands as it does, in three to eight sentences for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli import diagnosis
from reconciler.cli.render import words
from reconciler.cli.render.age import age
from reconciler.cli.render.events import message, short
from reconciler.engine.gitops.brought import source_of
from reconciler.kinds.job import JobSpec, as_service
from reconciler.kinds.service import ServiceSpec
from reconciler.model.plan import Reason, Wait
from reconciler.model.status import Event

if TYPE_CHECKING:
    from reconciler.cli.picking import Picked
    from reconciler.model.key import Key

MOST = 8


def sentences(item: Picked, events: Sequence[Event]) -> list[str]:
    """Expected, observed, what happened last, what is waited for, what comes next and when, what you can do."""
    told = [
        _expected(item) + _brought(item),
        _observed(item),
        *diagnosis.findings(item.look, item.sight)[:2],
        _last(item, events),
        _waits(item),
        _next(item),
        _advice(item),
    ]
    return [_sentence(text) for text in told if text][:MOST]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _expected(item: Picked) -> str:
    resource, name = item.sight.resource, item.key.short
    if item.key in item.look.graph.damaged:
        return f"{name} is declared, but nobody can say how, so it is left as it is"
    if resource is None:
        known = words.implied(item.look, item.key)
        return f"{name} {'belongs to the namespace itself' if known else 'is ours, but nobody declares it'}"
    if resource.deleting:
        return f"{name} was deleted, and is to go"
    if isinstance(resource.spec, JobSpec):
        return f"{name} is to {_ending(resource.spec, item)}"
    if not isinstance(resource.spec, ServiceSpec):
        return f"{name} is declared (generation {resource.generation})"
    return f"{name} is to {_running(resource.spec, item)}"


def _brought(item: Picked) -> str:
    owner = source_of(item.sight.resource) if item.sight.resource else None
    return f"; it comes from {owner.short}{_elsewhere(item, owner)}" if owner else ""


def _elsewhere(item: Picked, owner: Key) -> str:
    return "" if owner.namespace == item.key.namespace else f" in namespace {owner.namespace}"


def _running(spec: ServiceSpec, item: Picked) -> str:
    if spec.replicas == 0:
        return "be stopped: replicas is 0" + ("" if spec.auto_start else "; autoStart is false, so people start it")
    if spec.attach_to:
        return f"be there: others run {spec.attach_to}, and it is only looked at"
    what = "as a container of" if spec.container else "as the process"
    count = f" {spec.replicas} times" if spec.replicas > 1 else ""
    needs = [f"{d.service} ({d.condition})" for d in spec.dependencies]
    return f"run{count} {what} {words.workload(item.sight)}{f', after {words.few(needs)}' if needs else ''}"


def _ending(spec: JobSpec, item: Picked) -> str:
    if spec.suspend:
        return "wait: it is suspended"
    where = f"inside of {spec.in_}" if spec.in_ else "as a container" if spec.container else "as a process"
    needs = [f"{d.service} ({d.condition})" for d in as_service(spec).dependencies]
    after = f", after {words.few(needs)}" if needs else ""
    when = f"at {spec.schedule} ({spec.time_zone})" if spec.schedule else "once"
    return f"run to its end {when}, {where}: {words.workload(item.sight)}{after}"


def _observed(item: Picked) -> str:
    runtime = words.place_of(item.look, item.sight)
    if problem := item.look.problems.get(runtime):
        return f"{runtime} can't be read now, so nobody knows how it stands: {problem}"
    if item.key.kind == "source":
        arrived = item.sight.status.revisions
        now = f"revision {words.short_revision(arrived[0].revision)} is in force" if arrived else "nothing is in force"
        waits = f"; it waits for your word: {_said_of(item)}" if diagnosis.awaits_word(item.sight) else ""
        why = f": {said}" if not (waits or item.sight.status.ready) and (said := _said_of(item)) else ""
        return f"It is {words.status_word(item.look, item.sight)}, and {now}{waits}{why}"
    if item.sight.course:
        return f"It is {words.status_word(item.look, item.sight)}: {words.message(item.look, item.sight)}"
    if item.key.kind == "host":
        why = words.message(item.look, item.sight)
        return f"It is {words.status_word(item.look, item.sight)}{f': {why}' if why else ', and answers'}"
    if item.key.kind != "service" and not runtime:
        return "It is a text: it has no life of its own"
    if item.key.kind != "service":
        word = words.status_word(item.look, item.sight)
        due = f": {words.message(item.look, item.sight)}" if word == Reason.SCHEDULED else ""
        return f"It is {word}{due}"
    return _instances(item)


def _said_of(item: Picked) -> str:
    return words.message(item.look, item.sight).partition("; next: ")[0]


def _instances(item: Picked) -> str:
    status = item.sight.status
    ports = words.ports_cell(item.sight)
    where = f", at {ports}" if ports and status.ready_replicas else ""
    if not item.sight.things:
        return "No instance of it exists"
    phases: dict[str, int] = {}
    for thing in item.sight.things:
        phases[str(thing.phase).lower()] = phases.get(str(thing.phase).lower(), 0) + 1
    seen = ", ".join(f"{count} {phase}" for phase, count in sorted(phases.items()))
    return f"What exists of it: {seen}, {status.ready_replicas} Ready{where}"


def _last(item: Picked, events: Sequence[Event]) -> str:
    if not events:
        return "Nothing that happened to it is remembered"
    event = events[-1]
    ago = age(item.look.at - event.time)
    return f"What happened last, {ago} ago: {short(event.key)} {event.reason}: {message(event)}"


def _waits(item: Picked) -> str:
    waits = words.waits_of(item.look, item.key)
    if not waits:
        return "" if words.actions_on(item.look, item.key) else _at_rest(item)
    wait = waits[0]
    more = f" (and {len(waits) - 1} more)" if len(waits) > 1 else ""
    reason = words.wait_word(item.look, item.sight, wait)
    return f"{short(wait.key)} waits, {reason}: {wait.message}{more}{_chain(item, wait)}"


def _chain(item: Picked, wait: Wait) -> str:
    """Who waits for another is told what that other one waits for."""
    spec = item.look.graph.spec(item.key)
    if wait.reason is not Reason.DEPENDENCY or spec is None:
        return ""
    blamed = [d.service for d in spec.dependencies if d.service in wait.message]
    others = [w for w in item.look.plan.waits if w.key.name in blamed and w.key.is_workload]
    return f"; {short(others[0].key)} in turn: {others[0].reason}: {others[0].message}" if others else ""


def _at_rest(item: Picked) -> str:
    unwell = item.key.kind == "source" and not item.sight.status.ready  # what is observed says what is to be done
    return "Nothing differs, and nothing is waited for" if item.sight.resource and not unwell else ""


def _next(item: Picked) -> str:
    actions = words.actions_on(item.look, item.key)
    if actions:
        first = actions[0]
        more = f" (and {len(actions) - 1} more)" if len(actions) > 1 else ""
        return f"The next pass will {str(first.verb).lower()} {short(first.key)}, because {first.cause}{more}"
    due = [wait.until for wait in words.waits_of(item.look, item.key) if wait.until]
    if due and min(due) > item.look.at:
        if item.look.daemon:
            return f"The daemon's next try is in {age(min(due) - item.look.at)}"
        return f"It is looked at again in {age(min(due) - item.look.at)}, by whoever makes a pass then"
    return ""


def _advice(item: Picked) -> str:
    told = diagnosis.advice(item.look, item.sight)
    return f"What you can do: {'; '.join(told)}" if told else ""
