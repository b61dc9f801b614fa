"""What is wrong with a resource, in the order in which a person would find out, and what to do about it. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.cli.render import words
from reconciler.cli.render.age import age
from reconciler.core import advice as core_advice
from reconciler.core.advice import AT_ONCE_SECONDS, NOTHING_TO_DO, command_line, lacks_keep_alive, lived, without_key
from reconciler.core.graph import seen_as_service
from reconciler.kinds.host import host_id
from reconciler.kinds.service import ServiceSpec
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.place import LOCAL, Place
from reconciler.model.plan import Reason

if TYPE_CHECKING:
    from reconciler.engine.looking import Look, Sight
    from reconciler.model.status import Condition

CONFIRM = re.compile(r"reconciler confirm \S+(?: -n \S+)? --plan \w+")
PLACE = re.compile(r"(\S+:\d+):\d+: ")
AWAITED = re.compile(r"^waits for (\S+) to be ")
EXIT_CODES = {
    126: "the command was found, but could not be run",
    127: "the command was not found",
    137: "it was killed (signal 9): by hand, or because it ran out of memory",
    139: "it crashed (signal 11, a bad memory access)",
    143: "it was asked to end (signal 15)",
}
FINE = frozenset(
    {
        Reason.READY, Reason.COMPLETED, Reason.STOPPED, "Starting", "Stopping", Reason.SYNCED, Reason.SUSPENDED,
        Reason.VANISHED, Reason.WAVE, Reason.DECLARED, Reason.RUNNING, Reason.SCHEDULED, Reason.PENDING,
    }
)  # fmt: skip


def next_step(look: Look, sight: Sight) -> str:
    """The command to type next; empty where nothing needs to be done, or only time will help."""
    key, word = sight.key, words.status_word(look, sight)
    if word in FINE:
        return ""
    if word == Reason.ORPHAN and key.kind == "volume":
        return ""  # a command that throws data away is not put into anybody's mouth
    if word == Reason.ORPHAN:
        return f"reconciler delete {key.short}{_place(key)}"
    if key.kind == "host" and word == "Deleting":
        return ""  # most come back
    if key.kind == "host":
        return f"reconciler host {'trust' if 'HostKeyUnknown' in word else 'check'} {key.name}{_place(key)}"
    if word == "Unknown":
        return _step_of_unknown(look, sight)
    if key.kind == "source" and word == Reason.NOT_SYNCED:
        return command_line(key, "sync")
    if key.kind == "source":
        return _step_of_source(sight) or command_line(key, "describe")
    if key.kind == "campaign" and sight.course:
        return _step_of_campaign(key, word)
    return _step_of_workload(look, sight, word) if key.is_workload else command_line(key, "why")


def _step_of_workload(look: Look, sight: Sight, word: str) -> str:
    """A pass is all that it takes, unless one has failed at it or waits for something. A daemon makes it anyway."""
    key, verb = sight.key, "delete" if word == "Deleting" else "start"
    tried = any(record.failures for instance, record in look.journal.items() if instance.resource == key)
    waits = word == "Deleting" and words.waits_of(look, key)
    if tried or waits or not (word == "Deleting" or words.actions_on(look, key)):
        return command_line(key, "why")
    return "" if look.daemon else command_line(key, verb)


def _step_of_unknown(look: Look, sight: Sight) -> str:
    """Here the engine may be down, there the whole machine."""
    host = Place.of(words.place_of(look, sight)).host
    if host == LOCAL:
        return "reconciler doctor"
    namespace, _, name = host.rpartition("/")
    return f"reconciler host check {name}{f' -n {namespace}' if namespace else ''}"


def _step_of_campaign(key: Key, word: str) -> str:
    """One that was interrupted is gone on with; of one that failed people want to know first how."""
    if word == Reason.INTERRUPTED:
        return command_line(key, "run", "--resume")
    return command_line(key, "campaign status" if word == Reason.FAILED else "describe")


def awaits_word(sight: Sight) -> bool:
    """Whether a Source holds something back until a person says yes to it."""
    ready = sight.status.condition("Ready")
    return bool(ready and CONFIRM.search(ready.message))


def _step_of_source(sight: Sight) -> str:
    """What its status says is to be done: a confirmation, a line to edit, a policy to change."""
    ready = sight.status.condition("Ready")
    said = ready.message if ready else ""
    if word := CONFIRM.search(said):
        return word[0]
    place = PLACE.search(said)
    edit = f"edit {place[1]}" if place else ""
    if "(profile " in said:
        return f"{edit}, or change the policy: reconciler policy show" if edit else "reconciler policy show"
    return edit


def _place(key: Key) -> str:
    return "" if key.namespace == "default" else f" -n {key.namespace}"


def findings(look: Look, sight: Sight) -> list[str]:
    """What can be told from looking at each instance: never started, ended early, nothing to keep it up."""
    spec = seen_as_service(sight.resource) if sight.resource else None
    found = [text for thing in sight.things if spec for text in _instance_findings(look, spec, thing)]
    return list(dict.fromkeys([*found, *_unmade(look, sight)]))


def _unmade(look: Look, sight: Sight) -> Iterator[str]:
    """What was tried, and left nothing behind that could be looked at."""
    seen = {thing.key for thing in sight.things}
    for key, record in sorted(look.journal.items()):
        if key.resource == sight.key and key not in seen and record.failures and record.reason:
            yield f"{key.name}/{key.index} could not be made: {without_key(record.message, sight.key)}"


def _instance_findings(look: Look, spec: ServiceSpec, thing: Observed) -> Iterator[str]:
    name = thing.key.name + f"/{thing.key.index}" if thing.key else thing.name
    detail = f": {thing.detail}" if thing.detail else ""
    match thing.phase:
        case Phase.CREATED:
            yield f"{name} was created, but never ran{detail}"
        case Phase.PAUSED:
            yield f"{name} is paused: somebody froze it; the next pass lets it go on"
        case Phase.EXITED:
            yield from _exit_findings(look, spec, thing, name)
        case Phase.RUNNING if (health := look.snapshot.health.get(thing.life)) and health.message:
            yield f"{name} runs, but its {health.message}"
        case Phase.UNKNOWN | Phase.REMOVING:
            yield f"{name} is {thing.phase.lower()}{detail}"


def _exit_findings(look: Look, spec: ServiceSpec, thing: Observed, name: str) -> Iterator[str]:
    life = lived(thing)
    ago = f" {age(look.at - thing.finished_at)} ago" if thing.finished_at else ""
    after = f", {life:.1f} s after its start" if life is not None and life < AT_ONCE_SECONDS else ""
    code = "an exit code that is lost" if thing.exit_code is None else f"exit code {thing.exit_code}"
    meaning = thing.detail or EXIT_CODES.get(thing.exit_code or 0, "")
    yield f"{name} ended{ago} with {code}{after}{f': {meaning}' if meaning else ''}"
    if lacks_keep_alive(spec, thing):
        yield NOTHING_TO_DO


def by_hand(sight: Sight) -> list[str]:
    """Command lines to try by oneself what the workload is to do."""
    spec = seen_as_service(sight.resource) if sight.resource else None
    running = next((thing for thing in sight.things if thing.phase is Phase.RUNNING), None)
    if running:
        own = command_line(sight.key, "attach")
        return [own, f"docker exec -it {running.name} sh"] if running.place == "docker" else [own]
    if spec and spec.run_on != LOCAL:
        return []  # nothing that is typed here would try it there
    match spec:
        case ServiceSpec(container=container) if container and container.image:
            return [shlex.join(["docker", "run", "--rm", "-it", "--entrypoint", "sh", container.image])]
        case ServiceSpec(process=process) if process:
            own = posixpath.join(process.package.path if process.package else "", process.working_dir)
            return [f"cd {shlex.quote(own or '.')} && {shlex.join(process.command)}"]
        case _:
            return []


def advice(look: Look, sight: Sight) -> list[str]:
    """What a person can do, the likeliest first."""
    from reconciler.engine.troubles import HINTS

    told = []
    ready = sight.status.condition("Ready")
    healed = words.actions_on(look, sight.key)
    general = sight.course is None  # a campaign's runs end as nothing else does
    if general and ready and ready.status != "True" and not (healed and ready.reason in words.VAGUE):
        told += (
            list(_first_looks(sight, ready))
            or _of_host(look, sight)
            or [hint for reason, hint in HINTS.items() if reason == ready.reason]
        )
    if step := next_step(look, sight):
        told.append(_further(look, sight, step))
    if healed:
        told.append(f"reconciler diff{_place(sight.key)} shows what the next pass would do")
    return [text for text in dict.fromkeys(told) if not any(text in other and text != other for other in told)]


def _further(look: Look, sight: Sight, step: str) -> str:
    """Whoever reads this has asked why already, and has been shown all that `describe` shows of a source."""
    key = sight.key
    if key.kind == "source" and step == command_line(key, "describe"):
        return command_line(key, "events")
    if step == command_line(key, "why") and (need := _awaited(look, sight)):
        return command_line(need, "why")
    if step == command_line(key, "why"):
        return command_line(key, "logs" if sight.things else "events")
    return step


def _awaited(look: Look, sight: Sight) -> Key | None:
    """What it depends on and waits for: the trouble is there, and not here."""
    ready = sight.status.condition("Ready")
    found = AWAITED.search(ready.message) if ready and ready.reason == Reason.DEPENDENCY else None
    keys = [Key(kind, sight.key.namespace, found[1]) for kind in ("service", "job")] if found else []
    return next((key for key in keys if key in look.graph.resources), None)


def _of_host(look: Look, sight: Sight) -> list[str]:
    """What was advised when it could not be read."""
    if sight.key.kind != "host":
        return []
    hint = look.snapshot.view(Place("process", host_id(sight.key.namespace, sight.key.name))).hint
    return [hint] if hint else []


def _first_looks(sight: Sight, ready: Condition) -> Iterator[str]:
    """What the instances themselves give away. What findings say already is not said again."""
    spec = seen_as_service(sight.resource) if sight.resource else None
    if spec is None:
        return
    well = {instance.id for instance in sight.status.instances if instance.ready}
    ill: list[Observed | None] = [thing for thing in sight.things if thing.id not in well]
    for thing in ill or [None]:
        told = core_advice.advice(sight.key, ready.reason, ready.message, spec, thing)
        if told and told != NOTHING_TO_DO:
            yield told
