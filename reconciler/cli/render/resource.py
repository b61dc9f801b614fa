"""A resource as a tree for scripts: the document that declares it, and under `status` how it stands.

The names and their order are a contract; times are RFC 3339 in UTC. Secrets stay masked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.cli.render.words import implied, orphaned
from reconciler.core.envelope import API_VERSION
from reconciler.core.moments import iso
from reconciler.kinds import find
from reconciler.model.key import WORKLOADS
from reconciler.model.observed import Observed
from reconciler.model.plan import Reason
from reconciler.model.status import Arrival, Condition, Endpoint, Event, HostStatus, Instance, Status

if TYPE_CHECKING:
    from reconciler.engine.looking import Look, Sight


def tree(look: Look, sight: Sight) -> dict[str, Any]:
    """Can be applied again as it is: what is not spec is passed over by who reads it."""
    return {**_document(sight), "status": {**_course(look, sight), **_status(sight.key.kind, status_of(look, sight))}}


def listing(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "List", "items": list(items)}


def event_tree(event: Event) -> dict[str, Any]:
    return {**event.as_json(), "time": iso(event.time), "firstTime": iso(event.began)}


def status_of(look: Look, sight: Sight) -> Status:
    """Of what nobody declares, or nobody does any more, a status is made up from what is seen."""
    if sight.resource and not sight.resource.deleting:
        return sight.status
    instances = tuple(_seen(thing) for thing in sight.things if sight.key.is_workload)
    return replace(sight.status, replicas=len(instances), instances=instances, conditions=(_standing(look, sight),))


def _course(look: Look, sight: Sight) -> dict[str, Any]:
    """Of a campaign: how far its runs are."""
    if sight.course is None:
        return {}
    from reconciler.core.campaign.standing import tree

    return tree(sight.course, look.at)


def _standing(look: Look, sight: Sight) -> Condition:
    if sight.key in look.graph.damaged:
        return Condition(
            type="Ready", status="Unknown", reason=Reason.UNREADABLE, message=look.graph.damaged[sight.key]
        )
    if sight.resource:
        return Condition(type="Ready", status="False", reason=Reason.TERMINATING, message="it was deleted, and goes")
    if implied(look, sight.key):
        return Condition(type="Ready", status="True", reason=Reason.READY)
    return Condition(type="Ready", status="Unknown", reason=Reason.ORPHAN, message=orphaned(sight.key))


def _seen(thing: Observed) -> Instance:
    return Instance(
        index=thing.key.index or 0 if thing.key else 0,
        id=thing.id,
        host=thing.host,
        runtime=thing.runtime,
        phase=str(thing.phase),
        ready=False,
        pid=thing.pid,
        ports={name: grant.port for name, grant in sorted(thing.grants.items())},
        started_at=thing.started_at,
        fingerprint=thing.fingerprint,
        exit_code=thing.exit_code,
    )


def _document(sight: Sight) -> dict[str, Any]:
    if sight.resource:
        from reconciler.core.unparse import unparse

        return unparse(sight.resource, filled=True)
    kind = find(sight.key.kind)
    assert kind is not None, "ours are of known kinds"
    metadata = {"name": sight.key.name, "namespace": sight.key.namespace}
    return {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "spec": {}}


def _status(kind: str, status: Status) -> dict[str, Any]:
    conditions = [_condition(condition) for condition in status.conditions]
    if kind == "source":
        revisions = [_arrival(item) for item in status.revisions]
        return {
            "observedGeneration": status.observed_generation,
            "revision": status.revision,
            "revisions": revisions,
            "conditions": conditions,
        }
    if kind == "host":
        facts = {"facts": _facts(status.host)} if status.host else {}
        return {"observedGeneration": status.observed_generation, **facts, "conditions": conditions}
    if kind not in WORKLOADS:
        return {"observedGeneration": status.observed_generation, "conditions": conditions}
    of_job = {
        "attempts": status.attempts,
        "completedAt": iso(status.completed_at),
        "nextRun": iso(status.next_run),
    }
    return {
        "observedGeneration": status.observed_generation,
        "replicas": status.replicas,
        "readyReplicas": status.ready_replicas,
        "updatedReplicas": status.updated_replicas,
        "endpoints": [_endpoint(endpoint) for endpoint in status.endpoints],
        "instances": [_instance(instance) for instance in status.instances],
        **({name: told for name, told in of_job.items() if told is not None} if kind == "job" else {}),
        "conditions": conditions,
    }


def _facts(host: HostStatus) -> dict[str, Any]:
    return {
        "os": host.os,
        "kernel": host.kernel,
        "arch": host.arch,
        "user": host.user,
        "engine": host.engine,
        "cgroups": host.cgroups,
        "wg": host.wg,
        "bootId": host.boot_id,
        "clockSkewSeconds": host.clock_skew,
        "heldBy": host.held_by,
    }


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {"name": endpoint.name, "host": endpoint.host, "port": endpoint.port, "index": endpoint.index}


def _instance(instance: Instance) -> dict[str, Any]:
    return {
        "index": instance.index,
        "id": instance.id,
        "host": instance.host,
        "runtime": instance.runtime,
        "phase": instance.phase,
        "ready": instance.ready,
        "restarts": instance.restarts,
        "pid": instance.pid,
        "ports": dict(instance.ports),
        "startedAt": iso(instance.started_at, "auto"),
        "fingerprint": instance.fingerprint,
        "exitCode": instance.exit_code,
    }


def _arrival(arrival: Arrival) -> dict[str, Any]:
    return {
        "revision": arrival.revision,
        "time": iso(arrival.time),
        "author": arrival.author,
        "subject": arrival.subject,
    }


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": str(condition.reason),
        "message": condition.message,
        "observedGeneration": condition.observed_generation,
        "lastTransitionTime": iso(condition.last_transition_time or None),
    }
