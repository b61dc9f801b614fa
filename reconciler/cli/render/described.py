"""All about one resource, section by section: what `describe` prints. Secrets are named, never shown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.cli import diagnosis
from reconciler.cli.render import words
from reconciler.cli.render.age import age
from reconciler.cli.render.events import message, short
from reconciler.cli.render.resource import status_of
from reconciler.cli.render.table import Column, table
from reconciler.core.backoff import next_try
from reconciler.core.moments import iso
from reconciler.core.surge import surge
from reconciler.engine.gitops.brought import source_of
from reconciler.kinds.job import JobSpec, as_service
from reconciler.kinds.probes import Exec, HttpGet, Log, Probe, TcpSocket
from reconciler.kinds.service import ServiceSpec
from reconciler.model.place import LOCAL, Place
from reconciler.model.plan import Wait
from reconciler.model.status import Event, HostStatus

if TYPE_CHECKING:
    from reconciler.cli.picking import Picked
    from reconciler.core.graph import Graph

Section = tuple[str, Sequence[str]]
LATEST = 10
"""Runs of a campaign."""
HIDDEN = ("data", "env")
"""Fields that may hold what is nobody else's business: their keys are told, not their values."""


def sections(item: Picked, events: Sequence[Event], last_words: Sequence[str]) -> Iterator[Section]:
    """Those with something to say, in the order in which a person asks."""
    yield f"{item.key.short} in namespace {item.key.namespace}", list(_head(item))
    told: tuple[Section, ...] = (
        ("Expected", list(_expected(item))),
        ("Observed", list(_observed(item))),
        ("Latest runs", list(_runs(item))),
        ("Differs", list(_differs(item))),
        ("Last action", [_event(item, events[-1])] if events else ["nothing is remembered"]),
        ("Next retry", list(_retries(item))),
        ("Probes", list(_probes(item))),
        ("Diagnosis", diagnosis.findings(item.look, item.sight)),
        ("Last lines of its log", last_words),
        ("Try by hand", diagnosis.by_hand(item.sight) if item.key.is_workload and item.key.kind != "campaign" else []),
        ("Conditions", _conditions(item)),
        ("Hint", diagnosis.advice(item.look, item.sight)),
    )
    yield from (section for section in told if section[1])


def pairs(entries: Mapping[str, object]) -> Iterator[str]:
    room = max(map(len, entries), default=0)
    yield from (f"{name:<{room}}  {text}" for name, text in entries.items())


def _head(item: Picked) -> Iterator[str]:
    resource, ready = item.sight.resource, words.ready_cell(item.sight)
    status = f"{words.status_word(item.look, item.sight)}{f' ({ready})' if ready else ''}"
    why = words.message(item.look, item.sight)
    entries: dict[str, object] = {"status": f"{status}: {why}" if why else status}
    if resource:
        entries["generation"] = resource.generation
        if owner := source_of(resource):
            entries["comes from"] = f"{owner.short} in namespace {owner.namespace}; change it there"
        marks = {"labels": resource.labels, "annotations": resource.annotations}
        entries |= {name: ", ".join(f"{k}={v}" for k, v in sorted(of.items())) for name, of in marks.items() if of}
    if users := words.users(item.look, item.key):
        entries["used by"] = ", ".join(users)
    yield from pairs(entries)


def _expected(item: Picked) -> Iterator[str]:
    resource = item.sight.resource
    if item.key in item.look.graph.damaged:
        yield "nobody can say: its document can't be read"
    elif resource is None:
        yield "nothing: nobody declares it"
    elif resource.deleting:
        yield "that it is gone: it was deleted"
    elif isinstance(resource.spec, ServiceSpec):
        yield from pairs({**_where(item), **_service(resource.spec), "update": _update(item.look.graph, resource.spec)})
    elif isinstance(resource.spec, JobSpec):
        yield from pairs({**_where(item), **_job(resource.spec)})
    else:
        from reconciler.core.unparse import spec_tree

        tree = spec_tree(resource.spec)
        yield from pairs({name: _plain(name, value) for name, value in tree.items()})
        if not tree:
            yield "all by default"


def _plain(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(value) if name in HIDDEN else ", ".join(f"{k}={v}" for k, v in value.items())
    return str(value)


def _where(item: Picked) -> dict[str, object]:
    """The host, and where it is reached by others of its LAN."""
    name = words.host_of(item.look, item.sight)
    host = item.look.graph.hosts.get(item.look.graph.host_id(name))
    return {} if name == LOCAL else {"runs on": f"{name} ({host.reached_at})" if host else name}


def _service(spec: ServiceSpec) -> dict[str, object]:
    entries: dict[str, object] = {"replicas": spec.replicas}
    if spec.attach_to:
        return {"attached to": str(spec.attach_to), "ports": ", ".join(f"{p.label} {p.port}" for p in spec.ports)}
    if spec.container:
        entries["container"] = words.image_of(spec.container)
        commands = {"entrypoint": spec.container.entrypoint, "command": spec.container.command}
        entries |= {name: shlex.join(argv) for name, argv in commands.items() if argv}
        entries |= {"keepAlive": "it stays up to be attached to"} if spec.container.keep_alive else {}
    if spec.process:
        package = spec.process.package
        entries |= {"process": shlex.join(spec.process.command)}
        entries |= {"package": package.path} if package else {"directory": spec.process.working_dir}
    lists = {
        "variables": [*sorted(spec.env), *(_source(source) for source in spec.env_from)],
        "ports": [f"{port.label}{f' {port.port}' if port.port else ''} on {port.host_port}" for port in spec.ports],
        "volumes": [f"{mount.source}{f' at {mount.mount_path}' if mount.mount_path else ''}" for mount in spec.volumes],
        "depends on": [f"{d.service} ({d.condition})" for d in spec.dependencies],
    }
    entries |= {name: ", ".join(texts) for name, texts in lists.items() if texts}
    limits = {name: getattr(spec.resources, name) for name in ("cpus", "memory", "pids")}
    if any(limits.values()):
        entries["limits"] = ", ".join(f"{name} {value}" for name, value in limits.items() if value)
    pause = f"pauses of {spec.restart.initial_seconds:g} to {spec.restart.max_seconds:g} s"
    entries["restart"] = f"{spec.restart.policy}, {pause}, by {spec.restart.by}"
    entries["stop"] = f"{spec.stop.signal}, then {spec.stop.grace_seconds:g} s"
    return entries


def _job(spec: JobSpec) -> dict[str, object]:
    """What it has as a service has, and what a service has not."""
    found = {name: told for name, told in _service(as_service(spec)).items() if name not in {"replicas", "restart"}}
    if spec.in_:
        found = {"in": spec.in_, "command": shlex.join(spec.argv), **found}
        del found["process"], found["directory"]
    found["retries"] = spec.retries
    found["time limit"] = "" if spec.timeout_seconds is None else f"{spec.timeout_seconds:g} s"
    ttl = spec.ttl_seconds_after_finished
    found["stays"] = "" if ttl is None else f"{ttl:g} s after its end"
    found["schedule"] = f"{spec.schedule} ({spec.time_zone}), missed runs: {spec.missed_runs}" if spec.schedule else ""
    return {name: told for name, told in found.items() if told != ""}


def _update(graph: Graph, spec: ServiceSpec) -> str:
    if spec.update.strategy == "Recreate":
        return "Recreate: all old ones go before the new ones come"
    room = surge(graph, spec)
    away = max(spec.update.max_unavailable, 0 if room.count else 1)
    first = f"a new one first, {room.count} more at a time" if room.count else "an old one first"
    why = f", for {room.why_none}" if room.why_none else ""
    return f"{first}{why}; {away} of {spec.replicas} may be away"


def _source(source: Any) -> str:
    given = [(name, getattr(source, name)) for name in ("file", "config", "secret") if getattr(source, name)]
    return ", ".join(f"all of {name} {value}" for name, value in given)


def _observed(item: Picked) -> Iterator[str]:
    runtime = words.place_of(item.look, item.sight)
    if problem := item.look.problems.get(runtime):
        yield f"{runtime} can't be read: {problem}"
    elif item.key.is_workload:
        yield from _instances(item)
    elif item.key.kind == "source":
        yield from _revisions(item)
    elif item.key.kind == "host" and item.sight.status.host:
        yield from _machine(item.sight.status.host)
    elif item.sight.things:
        yield from (f"{thing.title}, {thing.runtime} on {thing.host}" for thing in item.sight.things)
    elif runtime:
        yield "nothing"


def _machine(host: HostStatus) -> Iterator[str]:
    skew = "the same time as here" if not host.clock_skew else f"{host.clock_skew:+g} s"
    facts = {
        "system": f"{host.os} {host.kernel} {host.arch}, as {host.user}", "engine": host.engine or "none",
        "cgroups": host.cgroups or "none", "WireGuard": host.wg, "clock": skew, "boot": host.boot_id,
        "looked after": f"by {host.held_by}" if host.held_by else "",
    }  # fmt: skip
    yield from pairs({name: told for name, told in facts.items() if told})


def _revisions(item: Picked) -> Iterator[str]:
    arrived = item.sight.status.revisions
    if not arrived:
        yield "no revision of it is in force"
        return
    rows = [(r.revision, age(item.look.at - r.time), r.author, r.subject) for r in arrived]
    yield from table([Column(title) for title in ("REVISION", "SINCE", "AUTHOR", "SUBJECT")], rows).splitlines()


def _runs(item: Picked) -> Iterator[str]:
    """Of a campaign that was begun."""
    course = item.sight.course
    if course is None or course.manifest is None:
        return
    from reconciler.core.campaign.standing import latest

    titles = ("RUN", "STATE", "ATTEMPTS", "EXIT", "STARTED", "SECONDS", "ERROR")
    rows = [
        (
            run.id, run.state, run.attempts, run.exit_code, iso(run.started_at),
            None if run.seconds is None else f"{run.seconds:.1f}", run.error,
        )
        for run in latest(course.manifest, LATEST)
    ]  # fmt: skip
    yield from table([Column(title) for title in titles], rows).splitlines() if rows else ()


def _instances(item: Picked) -> Iterator[str]:
    status = status_of(item.look, item.sight)
    if not status.instances:
        yield "no instance"
        return
    images = {thing.id: thing.image for thing in item.sight.things}
    titles = ("INDEX", "PHASE", "READY", "EXIT", "RESTARTS", "PID", "PORTS", "STARTED", "RUNTIME", "ID", "IMAGE")
    rows = [
        (
            i.index, i.phase, "yes" if i.ready else "no", i.exit_code, i.restarts, i.pid,
            ", ".join(f"{name}={port}" for name, port in i.ports.items()), iso(i.started_at), Place(i.runtime, i.host),
            i.id[:12], images.get(i.id, ""),
        )
        for i in status.instances
    ]  # fmt: skip
    yield from table([Column(title) for title in titles], rows).splitlines()
    for thing in item.sight.things:
        if thing.adopted and thing.key:
            yield f"{short(thing.key)} was adopted: others made it, and a record of this home says that it is ours"


def _differs(item: Picked) -> Iterator[str]:
    actions, waits = words.actions_on(item.look, item.key), words.waits_of(item.look, item.key)
    if not actions and not waits:
        yield "nothing"
    for action in actions:
        yield f"{action.verb} {short(action.key)}: {action.cause}"
    for wait in waits:
        yield f"{short(wait.key)} waits: {_reason(item, wait)}: {wait.message}{_until(item, wait)}"


def _reason(item: Picked, wait: Wait) -> str:
    return words.wait_word(item.look, item.sight, wait)


def _until(item: Picked, wait: Wait) -> str:
    when = "next try" if item.look.daemon else "looks again"
    return f" ({when} in {age(wait.until - item.look.at)})" if wait.until else ""


def _event(item: Picked, event: Event) -> str:
    return f"{age(item.look.at - event.time)} ago  {event.reason} {short(event.key)}: {message(event)}"


def _retries(item: Picked) -> Iterator[str]:
    spec = item.sight.resource.spec if item.sight.resource else None
    if not isinstance(spec, ServiceSpec):
        return
    for key, record in sorted(item.look.journal.items()):
        if key.resource == item.key and record.failures and not _well(item, key.index):
            due = next_try(key, record, spec.restart, item.look.at) - item.look.at
            when = f"in {age(due)}" if due > 0 else "with the next pass"
            said = f"; last: {f'{record.reason} {record.message}'.strip()}" if record.message else ""
            yield f"{short(key)}: {when}, after {record.failures} tries{said}"


def _well(item: Picked, index: int | None) -> bool:
    return any(instance.index == index and instance.ready for instance in item.sight.status.instances)


def _probes(item: Picked) -> Iterator[str]:
    spec = item.sight.resource.spec if item.sight.resource else None
    if not isinstance(spec, ServiceSpec) or not spec.probes.any:
        return
    for role in ("startup", "readiness", "liveness"):
        probe = getattr(spec.probes, role)
        if probe:
            yield f"{role}: {_question(probe)}, every {probe.period_seconds:g} s, within {probe.timeout_seconds:g} s"
    for thing in item.sight.things:
        health = item.look.snapshot.health.get(thing.life)
        if health and thing.key:
            yield f"{short(thing.key)}: {health.message or 'answers well'}"


def _question(probe: Probe) -> str:
    match probe.action:
        case HttpGet() as http:
            return f"GET {http.scheme} {http.path.partition('?')[0]} on {http.port}"
        case TcpSocket() as tcp:
            return f"connect to {tcp.port}"
        case Exec() as command:
            return f"run {shlex.join(command.command)}"
        case Log() as log:
            return f"a line that matches {log.pattern}"


def _conditions(item: Picked) -> list[str]:
    columns = [Column("TYPE"), Column("STATUS"), Column("REASON"), Column("SINCE"), Column("MESSAGE")]
    rows = [
        (c.type, c.status, c.reason, iso(c.last_transition_time or None), c.message)
        for c in status_of(item.look, item.sight).conditions
    ]
    return table(columns, rows).splitlines()
