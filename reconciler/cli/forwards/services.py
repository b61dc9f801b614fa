"""Port-forwards that are kept: each is a service of its own, a process that runs `port-forward`. So it is detached,
begun again when it dies, and listed, like all others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.cli.context import Context
from reconciler.cli.forwards.ways import AUTO, Way, Wish
from reconciler.kinds.probes import Log, Probe, Probes
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Port, Process
from reconciler.model.key import Key
from reconciler.model.observed import Phase
from reconciler.model.place import LOCAL
from reconciler.model.resource import FORWARD, Resource
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.engine.looking import Look, Sight

PORT = "local"
"""What the port is called in the service that keeps it."""
PASSED = (
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME", "PYTHONPATH",
)  # fmt: skip
"""Of our own variables, what decides which engine and which installation is meant."""
SSH = ("SSH_AUTH_SOCK",)
"""And what leads to another host."""
LONGEST = 63 - len("-99")
FIRST_FREE = 1024


def declared(
    context: Context, target: Key, wish: Wish, to: Way, address: str, index: int | None, known: Mapping[Key, Resource]
) -> Resource:  # fmt: skip
    """The service that keeps it: the one that does so already, or one of a name that nobody has."""
    away = target in known and getattr(known[target].spec, "run_on", LOCAL) != LOCAL
    spec = _spec(context, target, wish, to, address, index, (*PASSED, *(SSH if away else ())))
    label = f"{target.name}.{wish.remote}"
    base = f"forward-{target.name}-{wish.remote}"[:LONGEST].rstrip("-")
    for number in range(1, 100):
        key = Key("service", target.namespace, base if number == 1 else f"{base}-{number}")
        there = known.get(key)
        if there is None or (is_one(there) and there.spec == replace(spec, replicas=there.spec.replicas)):
            break
    return Resource(key, spec, labels={FORWARD: label})


def _spec(
    context: Context, target: Key, wish: Wish, to: Way, address: str, index: int | None, passed: Sequence[str]
) -> ServiceSpec:
    chosen = () if index is None else ("--index", str(index))
    command = (
        sys.executable, "-m", "reconciler", "--home", context.home, "-n", target.namespace, "port-forward",
        target.short, f"${{ports.{PORT}}}:{wish.remote}", "--address", address, *chosen,
    )  # fmt: skip
    environ = context.invocation.environ
    return ServiceSpec(
        process=Process(command=tuple(_plain(word) for word in command), working_dir="/"),
        ports=(Port(name=PORT, host_port=_request(wish, to), on_conflict=_conflict(wish), bind=address),),
        probes=Probes(startup=Probe(log=Log(pattern=" -> "), period_seconds=0.1, failure_threshold=300)),
        env={name: environ[name].replace("$", "$$") for name in passed if environ.get(name)},
    )


def _plain(word: str) -> str:
    return word if word.startswith("${ports.") else word.replace("$", "$$")


def _request(wish: Wish, to: Way) -> int | str:
    if wish.local:
        return wish.local
    same = to.number if wish.local is None else None
    return same if same and (same >= FIRST_FREE or os.geteuid() == 0) else "auto"


def _conflict(wish: Wish) -> Any:
    return "reassign" if wish.local is None else None if wish.local == AUTO else "fail"


# -- what is kept


@dataclass(frozen=True, slots=True)
class Kept:
    """One that is declared, as it stands."""

    id: str
    namespace: str
    service: str
    port: str
    address: str
    state: str
    """active, stopped or error."""
    restarts: int
    message: str = ""

    def tree(self) -> dict[str, Any]:
        host, _, port = self.address.rpartition(":")
        return {
            "id": self.id, "namespace": self.namespace, "service": self.service, "port": self.port, "address": host,
            "localPort": int(port) if port.isdecimal() else None, "state": self.state, "restarts": self.restarts,
            "message": self.message,
        }  # fmt: skip


def is_one(resource: Resource) -> bool:
    return FORWARD in resource.labels


def kept(looks: Sequence[Look]) -> Iterator[Kept]:
    for look in looks:
        for sight in look.sights:
            if sight.resource and is_one(sight.resource) and not sight.resource.deleting:
                yield _kept(look, sight, sight.resource)


def _kept(look: Look, sight: Sight, resource: Resource) -> Kept:
    service, _, port = resource.labels[FORWARD].rpartition(".")
    status = sight.status
    local = next((f"{end.host}:{end.port}" for end in status.endpoints), "")
    state, message = _state(look, sight, resource, Key("service", look.namespace, service))
    restarts = sum(instance.restarts for instance in status.instances)
    return Kept(resource.key.name, look.namespace, service, port, local, state, restarts, message)


def _state(look: Look, sight: Sight, resource: Resource, target: Key) -> tuple[str, str]:
    """One that waits for connections is of no use while nobody is there to take them."""
    if resource.spec.replicas == 0:
        return "stopped", ""
    ready = sight.status.condition("Ready")
    if ready is None or ready.status != "True":
        return "error", ready.message if ready else "it does not exist"
    led_to = look.sight(target)
    if led_to is None or not any(thing.phase is Phase.RUNNING for thing in led_to.things):
        return "error", f"{target.short} is not running" if led_to else f"there is no {target.short}"
    return "active", ""
