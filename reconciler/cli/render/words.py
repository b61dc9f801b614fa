"""One word, one number, one line about a resource: what tables are made of."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.cli.render.age import age
from reconciler.cli.render.text import cut
from reconciler.core.advice import without_key
from reconciler.core.graph import seen_as_service
from reconciler.kinds import find
from reconciler.kinds.service import ServiceSpec
from reconciler.model.key import WORKLOADS, Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.place import LOCAL, Place
from reconciler.model.plan import Action, Reason, Record, Wait
from reconciler.model.resource import Resource
from reconciler.model.status import Condition, Endpoint

if TYPE_CHECKING:
    from reconciler.engine.looking import Look, Sight
    from reconciler.kinds.workload import Container, Port

STARTING_SECONDS = 60.0
"""So long after its start what is not Ready is called Starting; later, NotReady."""
VAGUE = frozenset({Reason.NOT_READY, Reason.STARTING, Reason.PENDING})
"""Reasons for which the phase of an instance is the better word."""
LONGEST_COMMAND = 60
EVERYBODY = ("0.0.0.0", "::")  # noqa: S104 -- a word to look for
WORST_FIRST = ("Failed", "CrashLoop", "Exited", "Paused", "Created", "Removing", "Starting", "Unknown")
OF_HOST = re.compile(r"^host \S+ \([^)]*\):? ")
"""With which messages about a host begin that stand beside its name and address already."""
ORPHAN = "nobody declares it: delete it, or declare it again"
ORPHANED_DATA = "nobody declares it, but its data stays: declare it again, or delete it with --volumes"


def orphaned(key: Key) -> str:
    return ORPHANED_DATA if key.kind == "volume" else ORPHAN


def actions_on(look: Look, key: Key) -> list[Action]:
    return [action for action in look.plan.actions if action.key.resource == key]


def waits_of(look: Look, key: Key) -> list[Wait]:
    return [wait for wait in look.plan.waits if wait.key.resource == key]


def implied(look: Look, key: Key) -> bool:
    """Nobody wrote it down, yet it belongs there: the namespace's own network, which goes after all who were in it."""
    own = key == Key("network", look.namespace, "default")
    return key in look.plan.desired or (own and any(other.is_workload for other in look.graph.removed))


def place_of(look: Look, sight: Sight) -> str:
    """Where it lives; empty for what is only a text."""
    if sight.things:
        return sight.things[0].place
    match sight.key.kind:
        case kind if kind in WORKLOADS and sight.resource and (spec := look.graph.placed(sight.resource)):
            return spec.place
        case "volume":
            return look.graph.volume_places(sight.key.name)[0]
        case "service" | "job" | "campaign" | "network":
            return "docker"
        case _:
            return ""


def status_word(look: Look, sight: Sight) -> str:
    """STATUS, as tables have it."""
    if sight.key in look.graph.damaged:
        return str(Reason.UNREADABLE)
    if sight.resource is None:
        return str(Reason.READY) if implied(look, sight.key) else str(Reason.ORPHAN)
    if sight.resource.deleting:
        return "Deleting"
    ready = sight.status.condition("Ready")
    if ready is None or ready.reason == Reason.UNREACHABLE or not reachable(look, sight):
        return "Unknown"
    if ready.status == "False" and sight.key.kind == "host":
        return f"Blocked ({ready.reason})"
    if ready.status != "True":
        return _bad_word(look, sight, ready)
    if ready.reason == Reason.STOPPED:
        return "Stopping" if sight.things else "Stopped"
    return "Drifted" if actions_on(look, sight.key) else ready.reason


def reachable(look: Look, sight: Sight) -> bool:
    place = place_of(look, sight)
    return not place or look.snapshot.view(place).reachable


def _bad_word(look: Look, sight: Sight, ready: Condition) -> str:
    if ready.reason not in VAGUE or not isinstance(sight.resource and sight.resource.spec, ServiceSpec):
        return "Missing" if ready.reason == Reason.PENDING else ready.reason
    instances = [instance for instance in sight.status.instances if not instance.ready]
    phases = {instance.phase for instance in instances}
    if found := next((word for word in WORST_FIRST if word in phases), ""):
        return found
    if not instances:
        failure = last_failure(look, sight)
        return failure.reason if failure and failure.reason else "Missing"
    begun = [instance.started_at or look.at for instance in instances]
    return "Starting" if look.at - max(begun) < STARTING_SECONDS else "NotReady"


def last_failure(look: Look, sight: Sight) -> Record | None:
    """Of an instance that was tried, and left nothing behind that could be looked at."""
    unmade = {key for key in look.plan.desired if key.resource == sight.key} - {thing.key for thing in sight.things}
    tried = (look.journal[key] for key in sorted(unmade) if key in look.journal)
    return next((record for record in tried if record.failures and record.reason), None)


def message(look: Look, sight: Sight) -> str:
    """What is wrong, in the shortest words that name the cause; empty when nothing is."""
    if sight.key in look.graph.damaged:
        return look.graph.damaged[sight.key]
    if sight.resource is None:
        return "" if implied(look, sight.key) else orphaned(sight.key)
    if not reachable(look, sight):
        place = place_of(look, sight)
        return f"{place} can't be read" if place in look.problems else look.snapshot.view(place).problem
    waits, actions = waits_of(look, sight.key), actions_on(look, sight.key)
    ready, failure = sight.status.condition("Ready"), last_failure(look, sight)
    if failure and failure.message and not waits:
        return without_key(failure.message, sight.key)
    if sight.key.kind == "host":
        return _of_host(sight.key, sight.resource, ready)
    if ready and ready.status != "True" and ready.message:
        return without_key(ready.message, sight.key) + _next_try(look, waits)
    if waits:
        return without_key(waits[0].message, sight.key) + _next_try(look, waits)
    if sight.key.kind in ("source", "campaign") and ready and not actions:
        return ready.message
    if ready and ready.reason == Reason.SCHEDULED and not actions:
        return f"to be run {next_run_cell(look, sight)}{'' if look.daemon else ', if a daemon runs by then'}"
    return f"{said(actions[0])}: {actions[0].cause}" if actions else ""


def _of_host(key: Key, resource: Resource, ready: Condition | None) -> str:
    if resource.deleting:
        return f"goes when all have left it; if it never comes back: reconciler host forget {key.name}"
    return OF_HOST.sub("", ready.message) if ready else ""


def _next_try(look: Look, waits: Sequence[Wait]) -> str:
    """By a daemon at that moment, by an apply not before it."""
    due = [wait.until for wait in waits if wait.reason is Reason.BACK_OFF and wait.until is not None]
    return f"; next try in {age(min(due) - look.at)}" if due else ""


def wait_word(look: Look, sight: Sight, wait: Wait) -> str:
    """The reason, or what the state of affairs is called that it is a part of."""
    loops = wait.reason is Reason.BACK_OFF and status_word(look, sight) == Reason.CRASH_LOOP
    return str(Reason.CRASH_LOOP if loops else wait.reason)


def said(action: Action) -> str:
    """What an action will do, in passive words: the doer is whoever runs the next pass."""
    past = {"Create": "made", "Adjust": "put right", "Start": "started", "Stop": "stopped", "Remove": "removed"}
    return f"to be {past[action.verb]}"


def ready_cell(sight: Sight) -> str:
    """1/2; nothing for what has no replicas, or of which nobody wants any."""
    if sight.key.kind != "service" or sight.resource is None:
        return ""
    wanted = 0 if sight.resource.deleting else sight.resource.spec.replicas
    return f"{sight.status.ready_replicas}/{wanted}"


def restarts(sight: Sight) -> int | None:
    return sum(instance.restarts for instance in sight.status.instances) if sight.key.is_workload else None


def age_cell(look: Look, sight: Sight) -> str:
    """How long the oldest one has been running; of what no longer runs, how long ago it ended."""
    if not sight.key.is_workload:
        return ""
    since = [thing.started_at for thing in sight.things if thing.started_at and thing.phase is Phase.RUNNING]
    ended = [thing.finished_at for thing in sight.things if thing.finished_at]
    at = min(since, default=None) or max(ended, default=None)
    return age(look.at - at) if at else ""


def next_run_cell(look: Look, sight: Sight) -> str:
    return f"in {age(sight.status.next_run - look.at)}" if sight.status.next_run else ""


def host_of(look: Look, sight: Sight) -> str:
    """Where it runs; nothing for what runs nowhere."""
    host = Place.of(place_of(look, sight)).host if sight.key.is_workload else ""
    return host.removeprefix(f"{look.namespace}/")


def knows_others(look: Look) -> bool:
    return any(name != LOCAL for name in look.graph.hosts)


def ports_cell(sight: Sight) -> str:
    """`127.0.0.1:8080->80`; a process listens on the host's port itself. Several ports come with their names."""
    spec = sight.resource.spec if sight.resource else None
    if not isinstance(spec, ServiceSpec):
        return ""
    named = len(spec.ports) > 1
    return ", ".join(_port(spec, endpoint, named=named) for endpoint in sight.status.endpoints)


def _port(spec: ServiceSpec, endpoint: Endpoint, *, named: bool) -> str:
    port = spec.port(endpoint.name)
    inside = f"->{port.port}" if port and port.port and spec.container else ""
    protocol = f"/{port.protocol}" if port and port.protocol != "tcp" else ""
    return f"{endpoint.name + '=' if named else ''}{_listening(spec, port, endpoint)}{inside}{protocol}"


def _listening(spec: ServiceSpec, port: Port | None, endpoint: Endpoint) -> str:
    """What is open to everybody is shown as that, though callers here are told a nearer address."""
    if port and spec.container and spec.run_on == LOCAL and port.bind in EVERYBODY:
        return address(replace(endpoint, host=port.bind))
    return address(endpoint)


def address(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def short_revision(revision: str) -> str:
    """As much of it as people say to each other."""
    return revision[:10]


def since_cell(look: Look, sight: Sight) -> str:
    """How long the revision of a Source has been in force."""
    arrived = sight.status.revisions
    return age(look.at - arrived[0].time) if arrived else ""


def host_cell(sight: Sight, fact: str) -> str:
    """Something that a host said about itself."""
    return str(getattr(sight.status.host, fact)) if sight.status.host else ""


def address_cell(sight: Sight) -> str:
    return sight.resource.spec.reached_at if sight.resource else ""


def stands_cell(look: Look, sight: Sight) -> str:
    """For how long it has been Ready, or not."""
    ready = sight.status.condition("Ready")
    since = ready.last_transition_time if ready else 0.0
    return age(look.at - since) if since and look.at > since else ""


def subject_cell(sight: Sight) -> str:
    arrived = sight.status.revisions
    return f"{arrived[0].author}: {arrived[0].subject}" if arrived and arrived[0].subject else ""


def image_of(container: Container) -> str:
    """By its name, or what it is built from."""
    return container.image or (f"build {container.build.context}" if container.build else "")


def workload(sight: Sight) -> str:
    """The image, or the command line."""
    spec = seen_as_service(sight.resource) if sight.resource else None
    match spec:
        case ServiceSpec(container=container) if container:
            return image_of(container)
        case ServiceSpec(process=process) if process:
            return cut(shlex.join(process.command), LONGEST_COMMAND)
        case ServiceSpec(attach_to=target) if target:
            return str(target)
        case _:
            return next((thing.image for thing in sight.things if thing.image), "")


def users(look: Look, key: Key) -> list[str]:
    """Names of the services that name it, or have it without naming it."""
    return [other.name for other, spec in look.graph.users() if key in _needed(look, spec)]


def _needed(look: Look, spec: ServiceSpec) -> Iterator[Key]:
    kind = find("service")
    assert kind is not None, "there is that kind"
    for need in kind.needs(spec):
        yield Key(need.kind, look.namespace, need.name)
    for name in look.graph.network_names(spec):
        yield Key("network", look.namespace, name)


def few(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f", +{rest}" if rest > 0 else "")


def ids(things: Sequence[Observed]) -> str:
    return few([thing.id[:12] for thing in things], 2)
