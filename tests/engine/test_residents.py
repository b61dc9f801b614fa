"""A host that is everybody's, and who runs there: nobody is left behind on a machine that nobody knows any more."""

from __future__ import annotations

from dataclasses import replace

from reconciler.engine.places.residents import in_turn, staying
from reconciler.engine.reconcile import reconcile
from reconciler.kinds.host import HostSpec, SshAccess
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from tests.core.build import key, process, resource
from tests.engine.stage import NAMESPACE, Stage

NODE = Resource(Key("host", "default", "node"), HostSpec(ssh=SshAccess(host="192.0.2.7")))
API = process("api", run_on="node")


def known(stage: Stage) -> bool:
    """After a pass over the namespace that the host is of."""
    reconcile(stage.parts, "default")
    return any(r.key == NODE.key for r in stage.source.resources("default"))


def test_everybodys_host_stays_known_until_all_namespaces_have_left_it(stage: Stage) -> None:
    stage.source.keep([NODE, API])
    gone = replace(NODE, deleting=True)
    stage.source.keep([gone])
    assert known(stage)
    (note,) = staying(stage.source, [gone])
    assert note.startswith(f"host/node stays known, for service/api -n {NAMESPACE} still runs there;")
    assert staying(stage.source, [gone, replace(API, deleting=True)]) == []

    stage.source.keep([replace(API, deleting=True)])
    assert known(stage), "it may still be there"
    stage.source.forget(API.key)
    assert not known(stage)


def test_who_means_a_host_of_its_own_namespace_keeps_no_other(stage: Stage) -> None:
    stage.source.keep([NODE, API, resource("host", "node", NODE.spec)])
    stage.source.keep([replace(NODE, deleting=True)])
    assert not known(stage)


def test_hosts_are_deleted_after_those_who_have_to_leave_them() -> None:
    assert in_turn([NODE.key, key("api"), Key("service", "a", "x")]) == ["a", NAMESPACE, "default"]
    assert in_turn([Key("service", "default", "x"), key("api")]) == ["default", NAMESPACE]
