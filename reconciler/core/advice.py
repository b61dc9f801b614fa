"""What a person can do about an instance that does not stay up, as far as it can be told from looking at it."""

from __future__ import annotations

import re
import shlex

from reconciler.kinds.service import ServiceSpec
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.plan import Reason

AT_ONCE_SECONDS = 5.0
"""Who ends sooner after its start than this never did its work."""
OOM = "OOM killed"
NO_PROGRAM = re.compile(r'"[^"]*": (?:stat [^:]*: )?(?:executable file not found|no such file or|permission denied)')
"""How an engine says that what it was to run is not in the image, or is no program."""
STOPPED = re.compile(r"(\S+), which it depends on, is stopped")
NOTHING_TO_DO = (
    "keepAlive is missing: its image has no command that stays. Give it a command, or "
    "container.keepAlive: true to have it stay up and be attached to"
)


def command_line(key: Key, verb: str, *rest: str) -> str:
    """A command that names a resource, for people to copy. `rest` are words for a shell already."""
    name = key.name if key.kind == "service" else key.short
    place = () if key.namespace == "default" else ("-n", shlex.quote(key.namespace))
    return " ".join(("reconciler", verb, shlex.quote(name), *place, *rest))


def advice(
    key: Key, reason: str, message: str, spec: ServiceSpec, seen: Observed | None, *, silent: bool | None = None
) -> str:
    """The one thing to look at first; empty where only the general hint for such a reason is known.

    `silent`: nothing stands in its log. None: nobody has looked.
    """
    if reason == Reason.DEPENDENCY and (need := STOPPED.search(message)):
        return f"start that one: {command_line(Key('service', key.namespace, need[1]), 'start')}"
    if seen and OOM in seen.detail:
        limit = f"it has {spec.resources.memory}" if spec.resources.memory else "it has no limit of its own"
        return f"it ran out of memory: raise resources.memory ({limit}), or have it use less"
    if spec.container and _no_program(message, seen):
        return "check container.command and container.entrypoint: the image has no such program, or it can't be run"
    if key.kind == "job":
        return _of_job(key, reason)
    if seen and lacks_keep_alive(spec, seen):
        return NOTHING_TO_DO
    if reason == Reason.FAILED:
        again = command_line(key, "restart")
        return f"it ended badly and its restart policy leaves it so; to run it again: {again}"
    if reason == Reason.NOT_READY:
        return f"look at its probes, and at its log: {command_line(key, 'logs')}; or give it a longer --timeout"
    return _of_a_loop(key, message, silent=silent) if reason == Reason.CRASH_LOOP else ""


def _of_a_loop(key: Key, message: str, *, silent: bool | None) -> str:
    if "probe" in message:
        return f"its probe gives it up again and again; see {command_line(key, 'logs')}, or give it more time"
    match silent:
        case True:
            return f"it ends again and again, and writes nothing; look at its command: {command_line(key, 'describe')}"
        case False:
            return "it ends again and again; its last lines say why"
        case None:
            return ""


def _of_job(key: Key, reason: str) -> str:
    match reason:
        case Reason.FAILED:
            return f"to run it again: {command_line(key, 'restart')}; what it said: {command_line(key, 'logs')}"
        case Reason.RUNNING:
            return f"it goes on by itself; to wait for its end: {command_line(key, 'wait', '--for=condition=Complete')}"
        case _:
            return ""


def _no_program(message: str, seen: Observed | None) -> bool:
    """Refused when it was to be started, so that it never ran. Of a mount engines speak in like words."""
    said = f"{message} {seen.detail if seen else ''}"
    return (seen is None or seen.phase is Phase.CREATED) and bool(NO_PROGRAM.search(said)) and "mount" not in said


def lacks_keep_alive(spec: ServiceSpec, seen: Observed) -> bool:
    """An image's own command that ends well and at once: a shell without a terminal, most often."""
    container = spec.container
    own = container is not None and not (container.keep_alive or container.command or container.entrypoint)
    ended = own and seen.phase is Phase.EXITED and seen.exit_code == 0
    return ended and ((life := lived(seen)) is None or life < AT_ONCE_SECONDS)


def lived(seen: Observed) -> float | None:
    if seen.started_at is None or seen.finished_at is None:
        return None
    return max(seen.finished_at - seen.started_at, 0.0)


def without_key(text: str, key: Key) -> str:
    """The line says already whom it is about."""
    return re.sub(rf"^{re.escape(str(key.resource))}(/\d+)?: ", "", text)
