"""Changes of desired state: what is to be kept, and what each of them is called. Pure over resources."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from reconciler.core import former
from reconciler.core.advice import command_line
from reconciler.core.render import MARKS, REBUILT, RESTARTED
from reconciler.errors import ReconcilerError
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.host import HostSpec
from reconciler.kinds.job import JobSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.source import SourceSpec
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import Container, Process
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.model.place import LOCAL
from reconciler.model.resource import FORWARD, SOURCE, Resource
from reconciler.values import dataclass

REPLICAS_BEFORE = "reconciler/replicas-before-stop"
ADOPTED = "reconciler/adopted"
"""Of a volume: the name of the one that others made, and that `--adopt` has found to be meant."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Resources to be kept in place of what was there, with a word for each."""

    keep: tuple[Resource, ...]
    results: Mapping[Key, str]
    notes: tuple[str, ...] = ()


def apply(
    before: Mapping[Key, Resource],
    given: Iterable[Resource],
    damaged: Collection[Key] = (),
    running: Collection[Key] = (),
) -> Edit:
    """The given ones take the place of what was kept, whatever can't be read of it. A generation counts changes of
    the spec. `running` are those that were seen to run though nothing readable is kept of them.
    """
    keep, results = [], {}
    for wanted in given:
        old = before.get(wanted.key)
        resource = _as_left(wanted, old, running)
        if old is None or old.deleting:
            results[resource.key] = "configured" if resource.key in damaged else "created"
            keep.append(replace(resource, generation=old.generation + 1 if old else 1))
        elif _same(old, resource):
            results[resource.key] = "unchanged"
        else:
            changed = old.spec != resource.spec
            results[resource.key] = "configured"
            marked = {**resource.annotations, **_marks(old, resource)}  # or the next pass would restart it once more
            keep.append(replace(resource, annotations=marked, generation=old.generation + changed))
    return Edit(tuple(keep), results)


def waits_for_start(resource: Resource) -> bool:
    """Whether it is for people alone to start it."""
    return isinstance(resource.spec, ServiceSpec) and not resource.spec.auto_start


def _as_left(wanted: Resource, old: Resource | None, running: Collection[Key]) -> Resource:
    """Who waits for people stays as they left him: stopped, or as the document has it. A volume of others that was
    adopted stays that one: or its users would find an empty one in its place.
    """
    if old and not old.deleting and ADOPTED in old.annotations and not wanted.spec.external:
        return replace(wanted, spec=old.spec, annotations={**wanted.annotations, ADOPTED: old.annotations[ADOPTED]})
    if not waits_for_start(wanted):
        return wanted
    if old is None:
        runs = wanted.key in running
    else:
        runs = not old.deleting and isinstance(old.spec, ServiceSpec) and old.spec.replicas > 0
    return wanted if runs else stop(wanted)


def _same(old: Resource, new: Resource) -> bool:
    """Marks that our own verbs left (a restart) are no difference; those of a stop come with another spec."""
    return (old.spec, old.labels, old.annotations) == (
        new.spec, new.labels, {**new.annotations, **_marks(old, new)}
    )  # fmt: skip


def _marks(old: Resource, new: Resource) -> dict[str, str]:
    """The later one of each: what was asked for once is not asked for again, and never taken back."""
    both = {name: (old.annotations.get(name, ""), new.annotations.get(name, "")) for name in MARKS}
    return {name: max(stamps) for name, stamps in both.items() if any(stamps)}


def prune(before: Mapping[Key, Resource], given: Iterable[Key], orphans: Iterable[Observed]) -> Edit:
    """Everything of the namespace that was not given goes; data stays, and so do Sources and what they brought: a
    Source goes by its name. Port-forwards, which no file declares, go with the service that they lead to.
    """
    stays = {*given, *(key for key, old in before.items() if key.kind == "source" or SOURCE in old.annotations)}
    goes = before.keys() - stays
    stays |= {key for key, old in before.items() if FORWARD in old.labels and led_to(old) not in goes}
    gone = [replace(old, deleting=True) for key, old in sorted(before.items()) if key not in stays]
    left = {
        t.key.resource: t for t in orphans if t.key and t.key.resource not in before and t.key.resource not in stays
    }
    gone += [tombstone_of(left[key]) for key in sorted(left) if key.kind != "volume"]
    return Edit(tuple(gone), {resource.key: "pruned" for resource in gone})


def led_to(resource: Resource) -> Key | None:
    """By a port-forward that is kept: the service."""
    service = resource.labels.get(FORWARD, "").rpartition(".")[0]
    return Key("service", resource.key.namespace, service) if service else None


def forwards_to(gone: Collection[Key], kept: Iterable[Resource]) -> list[Resource]:
    """Tombstones of port-forwards that would lead nowhere any more."""
    return [replace(r, deleting=True) for r in kept if not r.deleting and led_to(r) in gone]


def delete(
    before: Mapping[Key, Resource],
    keys: Iterable[Key],
    orphans: Mapping[Key, Observed],
    damaged: Collection[Key] = (),
    *,
    data: bool,
) -> Edit:
    """Tombstones. Of a thing of ours that nobody declares one is made up from what is seen, and of a document that
    can't be read from its name.
    """
    gone = []
    for key in keys:
        if key in before:
            kept = former.given_up(before[key])
            gone.append(replace(kept, deleting=True, delete_data=data or kept.delete_data))
        elif key in orphans:
            gone.append(replace(tombstone_of(orphans[key]), delete_data=data))
        elif key in damaged:
            gone.append(replace(_tombstone(key), delete_data=data))
    return Edit(tuple(gone), {resource.key: "forgotten" if keeps_data(resource) else "deleted" for resource in gone})


def adopted(volume: Resource, name: str) -> Resource:
    """The same, meaning a volume that is there already: none can be renamed, nor given a label."""
    return replace(volume, spec=VolumeSpec(external=True, name=name), annotations={**volume.annotations, ADOPTED: name})


def newly_adopted(edit: Edit) -> list[Key]:
    """Volumes, by this very edit."""
    return [r.key for r in edit.keep if ADOPTED in r.annotations and edit.results[r.key] == "created"]


def kept_data(key: Key) -> str:
    """What a person is told of one that was deleted, and its data was not."""
    return f"{key.short} kept its data; delete it with --volumes"


def keeps_data(tombstone: Resource) -> bool:
    """Of a volume that we have made only the declaration goes, unless somebody asked by name for more."""
    return tombstone.key.kind == "volume" and not tombstone.delete_data and not tombstone.spec.external


def tombstone_of(thing: Observed) -> Resource:
    assert thing.key, "ours"
    made = _tombstone(thing.key.resource, thing.runtime)
    elsewhere = thing.host != LOCAL and isinstance(made.spec, ServiceSpec | JobSpec)
    return replace(made, spec=replace(made.spec, run_on=thing.host)) if elsewhere else made


def _tombstone(key: Key, runtime: str = "docker") -> Resource:
    match key.kind:
        case "network":
            return Resource(key, NetworkSpec(), deleting=True)
        case "volume":
            return Resource(key, VolumeSpec(), deleting=True)
        case "config":
            return Resource(key, ConfigSpec(), deleting=True)
        case "secret":
            return Resource(key, SecretSpec(), deleting=True)
        case "source":
            return Resource(key, SourceSpec(directory="/gone", prune=False), deleting=True)
        case "host":
            return Resource(key, HostSpec(address="gone"), deleting=True)
        case "job" if runtime == "process":
            return Resource(key, JobSpec(process=Process(command=("gone",))), deleting=True)
        case "job":
            return Resource(key, JobSpec(container=Container(image="gone")), deleting=True)
        case _ if runtime == "process":
            return Resource(key, ServiceSpec(process=Process(command=("gone",))), deleting=True)
        case _:
            return Resource(key, ServiceSpec(container=Container(image="gone")), deleting=True)


def scale(resource: Resource, replicas: int) -> Resource:
    _ours_to_run(resource)
    annotations = {name: value for name, value in resource.annotations.items() if name != REPLICAS_BEFORE}
    return _changed(resource, replace(resource.spec, replicas=replicas), annotations)


def stop(resource: Resource) -> Resource:
    """Zero replicas, data kept; `start` knows how many there were. A job is suspended."""
    if resource.spec.replicas == 0:
        return resource
    if isinstance(resource.spec, JobSpec):
        return suspend(resource, suspended=True)
    _ours_to_run(resource)
    annotations = {**resource.annotations, REPLICAS_BEFORE: str(resource.spec.replicas)}
    return _changed(resource, replace(resource.spec, replicas=0), annotations)


def stop_ours(resource: Resource) -> Resource:
    """Of many at once: what others run stays."""
    return resource if getattr(resource.spec, "attach_to", None) else stop(resource)


def start(resource: Resource) -> Resource:
    if resource.spec.replicas:
        return resource
    if isinstance(resource.spec, JobSpec):
        return suspend(resource, suspended=False)
    before = resource.annotations.get(REPLICAS_BEFORE, "1")
    return scale(resource, int(before) if before.isdecimal() else 1)


def restart(resource: Resource, stamp: str) -> Resource:
    _ours_to_run(resource)
    if resource.spec.replicas == 0:
        raise ReconcilerError(
            f"{resource.key.short} is stopped", hint=f"start it: {command_line(resource.key, 'start')}"
        )
    return _changed(resource, resource.spec, {**resource.annotations, RESTARTED: stamp})


def rebuild(resource: Resource, stamp: str) -> Resource:
    """Its image is built anew, with nothing taken over from an older build."""
    container = getattr(resource.spec, "container", None)
    if container is None or container.build is None:
        return resource
    return replace(resource, annotations={**resource.annotations, REBUILT: stamp})


def suspend(resource: Resource, *, suspended: bool) -> Resource:
    """Of a Source, or of a job."""
    if resource.spec.suspend == suspended:
        return resource
    return replace(resource, spec=replace(resource.spec, suspend=suspended), generation=resource.generation + 1)


def _ours_to_run(resource: Resource) -> None:
    target = getattr(resource.spec, "attach_to", None)
    if target:
        message = f"{resource.key.short} is attached to {target}, which others run"
        raise ReconcilerError(message, hint="it is theirs to start, stop and restart")


def _changed(resource: Resource, spec: ServiceSpec, annotations: Mapping[str, str]) -> Resource:
    if (spec, annotations) == (resource.spec, resource.annotations):
        return resource
    return replace(resource, spec=spec, annotations=dict(annotations), generation=resource.generation + 1)


def by_namespace(resources: Iterable[Resource]) -> list[tuple[str, list[Resource]]]:
    grouped: dict[str, list[Resource]] = {}
    for resource in resources:
        grouped.setdefault(resource.key.namespace, []).append(resource)
    return sorted(grouped.items())
