"""What a profile forbids of a resource, and of a payload: one set of rules, asked twice.

A spec is judged when it comes in, so that its author is told the line; the payload is judged again at the moment in
which it is made, for by then references are filled, and somebody may have put a symbolic link where a directory was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from reconciler.core import rules
from reconciler.core.policy import TRUSTED, Profile
from reconciler.core.references import Reference, fill_all, references, strings
from reconciler.core.rules import Machine
from reconciler.errors import Problem
from reconciler.kinds import KINDS, campaign, job
from reconciler.kinds.base import Fault
from reconciler.kinds.campaign import CampaignSpec
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.host import HostSpec
from reconciler.kinds.job import JobSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.quantity import bytes_of
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import port_range
from reconciler.kinds.workspace import mounts
from reconciler.model.desired import (
    AttachedPayload,
    ContainerPayload,
    Desired,
    Limits,
    MeshPayload,
    NetworkPayload,
    ProcessPayload,
    VolumePayload,
)
from reconciler.model.resource import Resource

if TYPE_CHECKING:
    from reconciler.core.parse import Document

UNDECIDED: Final = frozenset(
    {"image", "user", "networks", "capAdd", "capDrop", "devices", "gpus", "extraHosts", "hostPath", "bind", "hostPort",
     "memory", "files", "file", "options", "driver", "context", "dockerfile", "workspace", "path"}
)  # fmt: skip
"""Fields that are judged by their text: what a reference will put there can't be judged before it is there."""
FREE: Final = (("env",), ("data",), ("probes",), ("container", "labels"))
"""Within these a key is the user's own, whatever it is called."""


def check(
    documents: Iterable[Document], name: str, profile: Profile, machine: Machine, *, root: str = ""
) -> list[Problem]:
    """Everything in the documents that the profile called `name` forbids, each with its place. Files that they take
    content from may lie beneath `root`.
    """
    return [
        document.problem(replace(fault, message=f"{fault.message} (profile {name})", hint=with_place(fault.hint)))
        for document in documents
        for fault in violations(document.resource, profile, machine, root=root)
    ]


def with_place(hint: str) -> str:
    """Where the rule stands that said no."""
    return f"{hint}; {rules.SEE}" if hint else rules.SEE


def violations(resource: Resource, profile: Profile, machine: Machine, *, root: str = "") -> Iterator[Fault]:
    """What the profile forbids of a resource. Paths are relative to its spec."""
    if profile == TRUSTED:
        return
    if not rules.matches(resource.key.namespace, profile.namespaces):
        message = f"nothing may be declared in namespace {resource.key.namespace}"
        yield Fault((), message, rules.permitted(profile.namespaces))
    yield from _undecided(resource)
    spec = fill_all(resource.spec, _nobody_knows)
    yield from _by_kind(resource, spec, profile, machine)
    yield from _files(resource.key.kind, spec, profile, machine, root)


def _by_kind(resource: Resource, spec: object, profile: Profile, machine: Machine) -> Iterator[Fault]:
    match spec:
        case ServiceSpec():
            yield from _service(spec, profile, machine)
        case JobSpec():
            yield from rules.within(spec.in_)
            yield from _service(job.as_service(spec), profile, machine)
        case CampaignSpec():
            yield from _campaign(spec, profile, machine)
        case NetworkSpec():
            yield from _network(resource.key.name, spec, profile)
        case VolumeSpec():
            yield from _volume(spec, profile)
        case ConfigSpec():
            pass
        case SecretSpec():
            yield from _variables(spec, profile)
        case HostSpec():  # it says where connections of ours go, and with which key of ours
            yield Fault((), "a Host may not be declared", "a person can apply it")
        case _ if profile.sources == "deny":
            yield Fault((), f"a {resource.key.kind} may not be declared", "a person can apply it")


def payload_violations(desired: Desired, profile: Profile, machine: Machine) -> Iterator[Fault]:
    """What the profile forbids of what is about to be made. Fields are called as in the spec."""
    if profile == TRUSTED:
        return
    if not rules.matches(desired.key.namespace, profile.namespaces):
        message = f"nothing may be made in namespace {desired.key.namespace}"
        yield Fault((), message, rules.permitted(profile.namespaces))
    yield from rules.place(desired.host)
    payload = desired.payload
    match payload:
        case ContainerPayload():
            yield from rules.container(payload, payload.limits, profile)
            yield from rules.joined(payload.networks, desired.foreign, profile)
            yield from rules.mounts(payload.mounts, profile, machine)
            yield from rules.foreign_volumes([m.volume for m in payload.mounts], desired.foreign, profile)
            yield from rules.restart(payload.engine_restart != "no", profile)
        case ProcessPayload():
            yield from rules.within(payload.inside)
            yield from rules.process(payload, payload.env, profile, machine)
        case NetworkPayload():
            yield from rules.driver(payload.driver, profile.networks.drivers)
            yield from rules.subnet(payload.subnet, profile)
        case VolumePayload():
            yield from rules.driver(payload.driver, profile.volumes.drivers)
            yield from rules.options(payload.options, profile)
        case MeshPayload() | AttachedPayload():
            pass  # nobody can ask for more of it than that it is there
        case unknown:
            assert_never(unknown)
    if isinstance(payload, ContainerPayload | ProcessPayload):
        for i, port in enumerate(payload.ports):
            grant = desired.grants.get(port.name)
            ours = grant is not None and grant.request.startswith("auto")
            yield from rules.port(i, port.bind, () if ours else (port.host_port,), profile)


def may_read(path: str, machine: Machine, profile: Profile, root: str) -> bool:
    """Whether content may be taken from there. `path` is where it really lies."""
    if profile.files.anywhere == "allow":
        return True
    roots = [machine.landing(place).path for place in (*profile.files.roots, root) if place]
    return any(rules.beneath(path, place) for place in roots)


# -- of specs alone


def _undecided(resource: Resource) -> Iterator[Fault]:
    for path, text in strings(resource.spec):
        free = any(path[: len(start)] == start for start in FREE)
        if UNDECIDED.intersection(path) and not free and any(references(text)):
            yield Fault(path, "what a reference will put here can't be judged before it is there", "write it out")


def _nobody_knows(_reference: Reference) -> str:
    return "?"


def _service(spec: ServiceSpec, profile: Profile, machine: Machine) -> Iterator[Fault]:
    yield from rules.place(spec.run_on)
    yield from rules.attached(str(spec.attach_to or ""))
    if spec.container:
        limits = Limits(
            memory=bytes_of(spec.resources.memory) if spec.resources.memory else None, pids=spec.resources.pids
        )
        yield from rules.container(spec.container, limits, profile)
        yield from rules.joined(spec.container.networks, (), profile)
        for fault in rules.mounts(mounts(spec), profile, machine):
            own = fault.path[1] == len(spec.volumes)  # of the workspace, which stands beside them
            yield replace(fault, path=("container", "workspace")) if own else fault
        yield from rules.restart(spec.restart.by == "engine", profile)
    if spec.process:
        yield from rules.process(spec.process, spec.env, profile, machine)
    for i, port in enumerate(spec.ports):
        number = port.host_port
        numbers = (number,) if isinstance(number, int) else port_range(number) or ()
        yield from rules.port(i, port.bind, numbers, profile)


def _campaign(spec: CampaignSpec, profile: Profile, machine: Machine) -> Iterator[Fault]:
    yield from _service(campaign.as_service(spec), profile, machine)
    yield from rules.written_to(("results",), spec.results, profile, machine)
    if spec.notify and profile.sources == "deny":
        yield Fault(("notify",), "nobody may be told of its end", "a person can apply it")


def _network(name: str, spec: NetworkSpec, profile: Profile) -> Iterator[Fault]:
    yield from rules.driver(spec.driver, profile.networks.drivers)
    yield from rules.subnet(spec.subnet, profile)
    if spec.external and profile.networks.external == "deny":
        yield Fault(("external",), "a network that others made may not be used", "declare one of your own")
    elif spec.external and rules.is_host(spec.name or name) and profile.containers.host_network == "deny":
        yield Fault(("external",), "the host's network may not be used", "declare a network of your own")


def _volume(spec: VolumeSpec, profile: Profile) -> Iterator[Fault]:
    yield from rules.driver(spec.driver, profile.volumes.drivers)
    yield from rules.options(spec.options, profile)
    if spec.external and profile.volumes.external == "deny":
        yield Fault(("external",), "a volume that others made may not be used", "declare one of your own")


def _variables(spec: SecretSpec, profile: Profile) -> Iterator[Fault]:
    for key, variable in spec.env.items():
        if not rules.matches(variable, profile.environment):
            message = f"the variable {variable} of our own environment may not be read"
            yield Fault(("env", key), message, rules.permitted(profile.environment))


def _files(kind: str, spec: object, profile: Profile, machine: Machine, root: str) -> Iterator[Fault]:
    found = next((known for known in KINDS.values() if known.key == kind), None)
    for path, file in found.paths(spec) if found else ():
        landing = machine.landing(file)
        if landing.special or not may_read(landing.path, machine, profile, root):
            message = f"{rules.shown(file, landing)} does not belong to the source, and may not be read"
            yield Fault(path, message, rules.permitted(profile.files.roots, "the source's own files"))
    for path, tree in found.trees(spec) if found else ():
        landing = machine.landing(tree.path)
        if landing.special or not may_read(landing.path, machine, profile, root):
            what = "built from" if tree.dockerfile else "delivered"
            message = f"{rules.shown(tree.path, landing)} does not belong to the source, and may not be {what}"
            yield Fault(path, message, rules.permitted(profile.files.roots, "the source's own files"))
