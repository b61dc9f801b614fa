"""Other machines are reached as they are declared now, however long somebody has known them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from reconciler.engine.observer import Observer
from reconciler.engine.places.grounds import Ground, Grounds, place_of
from reconciler.kinds.host import HostSpec, SshAccess
from tests.core.build import graph, process, resource


def host(at: str) -> HostSpec:
    return HostSpec(ssh=SshAccess(host=at))


def made(_name: str, spec: HostSpec) -> Ground:
    """Its only runtime is the address."""
    assert spec.ssh
    return Ground(None, {"process": spec.ssh.host})  # type: ignore[arg-type]


def test_a_host_that_is_declared_anew_is_reached_anew_by_who_asks_again_and_by_who_looks_ahead() -> None:
    declared = {"shop/far": host("10.0.0.1")}
    grounds = Grounds({}, made, lambda: declared)
    service = process("api", run_on="far")
    parts: Any = SimpleNamespace(
        observer=Observer(grounds, None, None, grounds.know),  # type: ignore[arg-type]
        source=SimpleNamespace(graph=lambda *_: graph(service, resource("host", "far", declared["shop/far"]))),
        home=SimpleNamespace(identity=lambda **_: None),
    )
    assert grounds[place_of(parts, service)] == "10.0.0.1"
    declared["shop/far"] = host("10.0.0.2")
    assert grounds[place_of(parts, service)] == "10.0.0.2"

    grounds.know({"shop/far": host("10.0.0.3")})
    assert list(grounds) == ["process@shop/far"]
    assert grounds["process@shop/far"] == "10.0.0.3", "a preview goes where it will lead"
