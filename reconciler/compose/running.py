"""How a service is kept running: replicas, restarts, health, limits, devices that compute."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from reconciler.compose.context import Context
from reconciler.compose.desk import beside, empty
from reconciler.compose.nodes import Spot, listing, literal, plainly, said, table
from reconciler.compose.words import RESTART
from reconciler.core.shape import Path
from reconciler.core.yaml12 import Entry, Listing, Node, Scalar
from reconciler.values import dataclass

Fields = Mapping[str, Entry]
USUAL = {"interval": 30.0, "timeout": 30.0, "start_interval": 5.0}
PATIENCE = 1_000_000
"""So many failures of a startup probe are never reached."""
MOST_TRIES = 100
"""Of a Job."""
KEPT_LOGS = frozenset({"json-file", "local"})


def _deploy(context: Context, given: Fields, path: Path) -> Fields:
    entry = given.get("deploy")
    return context.desk.fields(entry.node, "deploy", (*path, "deploy")) if entry else {}


def replicas(context: Context, given: Fields, path: Path) -> tuple[int, Spot] | None:
    """Of `deploy`, or of `scale`."""
    deploy = _deploy(context, given, path)
    mode = deploy.get("mode")
    if mode and context.desk.text(mode.node, (*path, "deploy", "mode")) != "replicated":
        context.desk.cannot(mode, (*path, "deploy", "mode"), "there is but one machine", "mode: replicated")
    places = ((deploy, "replicas", (*path, "deploy", "replicas")), (given, "scale", (*path, "scale")))
    found = [
        (fields[key], context.desk.whole(fields[key].node, where)) for fields, key, where in places if key in fields
    ]
    numbers = [(number, beside(entry)) for entry, number in found if number is not None]
    if len({number for number, _ in numbers}) > 1:
        context.desk.wrong(numbers[1][1], (*path, "scale"), _TWICE, "remove one of the two")
    return numbers[0] if numbers else None


_TWICE = "deploy says it otherwise"


# -- restarts


@dataclass(frozen=True, slots=True)
class Again:
    """What happens when it ends. Without a word about it Compose leaves it ended until the next `up`: so here what has
    ended well stays ended, and what has died is started again.
    """

    policy: str = "OnFailure"
    at: Spot | None = None
    retries: int = 0

    @property
    def tries(self) -> int:
        """Of one that is to end: who asks for it without a number means as often as it takes."""
        asked = self.at is not None and self.policy == "OnFailure"
        return min(self.retries, MOST_TRIES) or (MOST_TRIES if asked else 0)


def restart(context: Context, given: Fields, path: Path) -> Again:
    """What `deploy` says of it wins."""
    policy = _deploy(context, given, path).get("restart_policy")
    if policy:
        where: Path = (*path, "deploy", "restart_policy")
        condition = context.desk.fields(policy.node, "restart_policy", where).get("condition")
        return _restart(context, condition, (*where, "condition")) if condition else Again("Always", policy)
    entry = given.get("restart")
    return _restart(context, entry, (*path, "restart")) if entry and not empty(entry.node) else Again()


def _restart(context: Context, entry: Entry, path: Path) -> Again:
    text = context.desk.loosely(entry.node, path) or ""
    word, _, count = text.partition(":")
    word = {"false": "no"}.get(word, word)
    if word not in RESTART or (count and not (word == "on-failure" and count.isdecimal())):
        context.desk.wrong(
            beside(entry), path, f"{text!r} is no restart policy", '"no", always, on-failure or unless-stopped'
        )
        return Again()
    return Again(RESTART[word], beside(entry), int(count or 0))


def restarting(context: Context, given: Fields, path: Path, at: Spot) -> dict[str, Node | None]:
    again = restart(context, given, path)
    if again.retries:
        message = f"it is tried again ever more seldom, and not given up after {again.retries} times"
        context.desk.note(again.at or at, (*path, "restart"), message)
    entries: dict[str, Node] = {"policy": said(again.policy, again.at or at)}
    policy = _deploy(context, given, path).get("restart_policy")
    where: Path = (*path, "deploy", "restart_policy")
    fields = context.desk.fields(policy.node, "restart_policy", where) if policy else {}
    for key, ours in (("delay", "initialSeconds"), ("window", "resetAfterSeconds")):
        seconds = context.desk.seconds(fields[key].node, (*where, key)) if key in fields else None
        if seconds is not None:
            entries[ours] = plainly(seconds, beside(fields[key]))
    return {"restart": table(entries, again.at or at)}


# -- health


def probes(context: Context, given: Fields, path: Path) -> dict[str, Node | None]:
    """Compose's health is Readiness: who depends on it waits for it, and nothing is started anew by it. With a start
    period it is asked more often until it has been well once: for as long as that takes, since nobody counts.
    """
    entry = given.get("healthcheck")
    path = (*path, "healthcheck")
    if entry is None or empty(entry.node):
        return {}
    desk = context.desk
    fields = desk.fields(entry.node, "healthcheck", path)
    test = _test(context, fields, path, entry)
    if test is None:
        return {}
    retries = desk.whole(fields["retries"].node, (*path, "retries")) if "retries" in fields else None
    often = {"failureThreshold": plainly(retries, beside(fields["retries"]))} if retries else {}
    asked = {"exec": table({"command": test}, fields["test"])}
    timeout = {"timeoutSeconds": _seconds(context, fields, path, "timeout", entry)}
    regular = {"periodSeconds": _seconds(context, fields, path, "interval", entry), **timeout}
    found = {"readiness": table({**asked, **regular, **often}, entry)}
    if "start_period" in fields and desk.seconds(fields["start_period"].node, (*path, "start_period")):
        early = {"periodSeconds": _early(context, fields, path, entry), **timeout}
        patient = {"failureThreshold": plainly(PATIENCE, fields["start_period"])}
        found = {"startup": table({**asked, **early, **patient}, fields["start_period"]), **found}
    return {"probes": table(found, entry)}


def _early(context: Context, fields: Fields, path: Path, at: Spot) -> Node:
    """Nobody waits longer for the first answer than for the others, unless he says so."""
    early, regular = (_seconds(context, fields, path, key, at) for key in ("start_interval", "interval"))
    return regular if "start_interval" not in fields and float(regular.text) < float(early.text) else early


def _seconds(context: Context, fields: Fields, path: Path, key: str, at: Spot) -> Scalar:
    """Of what is not said, or 0, as long as it usually is."""
    seconds = context.desk.seconds(fields[key].node, (*path, key)) if key in fields else None
    return plainly(max(seconds, 0.1) if seconds else USUAL[key], beside(fields[key]) if key in fields else at)


def _test(context: Context, fields: Fields, path: Path, entry: Entry) -> Node | None:
    """The command; None for none."""
    desk = context.desk
    if "disable" in fields and desk.flag(fields["disable"].node, (*path, "disable")):
        return None
    found = fields.get("test")
    if found is None:
        desk.cannot(
            entry, path, "it changes the check that the image brings, which is not looked at here", "write its test"
        )
        return None
    at, where = beside(found), (*path, "test")
    if isinstance(found.node, Scalar):
        return _shell(desk.text(found.node, where), at)
    words = [desk.loosely(node, place) or "" for place, node in desk.items(found.node, where)]
    match words:
        case ["NONE"]:
            return None
        case ["CMD-SHELL", script]:
            return _shell(script, at)
        case ["CMD", _, *_] if isinstance(found.node, Listing):
            items = found.node.items[1:]
            return listing([literal(word, node) for word, node in zip(words[1:], items, strict=True)], found)
    message = "it begins with none of CMD, CMD-SHELL and NONE, or with nothing after it"
    desk.wrong(at, where, message, f"[CMD, {shlex.quote(words[0]) if words else 'program'}, ...]")
    return None


def _shell(script: str, at: Spot) -> Node:
    return listing([said("/bin/sh", at), said("-c", at), literal(script, at)], at)


# -- limits


def limits(context: Context, given: Fields, path: Path) -> Node | None:
    """Of `deploy.resources.limits`, else of the service's own fields."""
    desk = context.desk
    deployed, where = _resources(context, given, path, "limits")
    spec: dict[str, Node] = {}
    for ours, theirs, own in (
        ("cpus", "cpus", "cpus"),
        ("memory", "memory", "mem_limit"),
        ("pids", "pids", "pids_limit"),
    ):
        entry = deployed.get(theirs) or given.get(own)
        if entry is None:
            continue
        if theirs in deployed and own in given and _differ(context, ours, entry.node, given[own].node):
            context.desk.wrong(beside(given[own]), (*path, own), _TWICE, "remove one of the two")
        at, place = beside(entry), (*where, theirs) if theirs in deployed else (*path, own)
        if ours == "memory":
            size = desk.size(entry.node, place)
            node: Node | None = said(amount(size), at) if size else None
        else:
            number = desk.number(entry.node, place) if ours == "cpus" else desk.whole(entry.node, place)
            node = plainly(number, at) if number and number > 0 else None
        if node:
            spec[ours] = node
    return table(spec, next(iter(spec.values()))) if spec else None


def _differ(context: Context, what: str, one: Node, other: Node) -> bool:
    read = context.desk.size if what == "memory" else context.desk.number
    return read(one, ()) != read(other, ())


def _resources(context: Context, given: Fields, path: Path, part: str) -> tuple[Fields, Path]:
    where: Path = (*path, "deploy", "resources")
    resources = _deploy(context, given, path).get("resources")
    fields = context.desk.fields(resources.node, "resources", where) if resources else {}
    entry = fields.get(part)
    return (context.desk.fields(entry.node, part, (*where, part)) if entry else {}), (*where, part)


def amount(size: int) -> str:
    """Bytes as people write them."""
    for unit, factor in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def gpus(context: Context, given: Fields, path: Path) -> Node | None:
    """`gpus`, or devices that are reserved."""
    entry = given.get("gpus")
    if entry and isinstance(entry.node, Scalar) and not empty(entry.node):
        return literal(context.desk.text(entry.node, (*path, "gpus")), beside(entry))
    reserved, where = _resources(context, given, path, "reservations")
    entry, where = (entry, (*path, "gpus")) if entry else (reserved.get("devices"), (*where, "devices"))
    found = [_gpu(context, item, place) for place, item in context.desk.items(entry.node, where)] if entry else []
    if entry and len(found) > 1:
        context.desk.cannot(entry, where, "GPUs are asked for once", "one item, with all device_ids")
    return next(iter(found), None)


def _gpu(context: Context, node: Node, path: Path) -> Node | None:
    desk = context.desk
    fields = desk.fields(node, "gpu", path)
    wanted = fields.get("capabilities")
    names = (
        [desk.text(item, where) for where, item in desk.items(wanted.node, (*path, "capabilities"))] if wanted else []
    )
    if wanted and "gpu" not in names:
        desk.cannot(wanted, (*path, "capabilities"), "only GPUs can be asked for", "capabilities: [gpu]")
        return None
    if "device_ids" in fields:
        named = desk.items(fields["device_ids"].node, (*path, "device_ids"))
        ids = [desk.loosely(item, where) or "" for where, item in named]
        if len(ids) == 1 and ids[0].isdecimal():
            reason = "a single number says how many GPUs here, and not which"
            desk.cannot(fields["device_ids"], (*path, "device_ids"), reason, "name it by its UUID")
        return literal(",".join(ids), node) if ids else None
    count = desk.loosely(fields["count"].node, (*path, "count")) if "count" in fields else "all"
    return literal(count or "all", node)


def logging(context: Context, given: Fields, path: Path) -> None:
    """Nothing of it is carried; but who has logs sent elsewhere would miss them there."""
    entry = given.get("logging")
    path = (*path, "logging")
    fields = context.desk.fields(entry.node, "logging", path) if entry else {}
    driver = fields.get("driver")
    if driver and context.desk.text(driver.node, (*path, "driver")) not in KEPT_LOGS:
        hint = "remove it; logs are kept by the engine, and read with `reconciler logs`"
        context.desk.cannot(driver, (*path, "driver"), "logs are sent nowhere", hint)
