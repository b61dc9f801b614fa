"""The scenarios that are killed at every effect: how it stood before, what happened behind our back, what is asked for.

Everything ends at once when it is asked to, so that a run takes as long as its effects.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.crash_site import Document, Site
from tests.scenarios.documents import box, config, native, network, secret, volume

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 32
FIXED, MOVED = 30000 + WORKER * 64, 30001 + WORKER * 64
AUTOMATIC = (30002 + WORKER * 64, 30063 + WORKER * 64)
"""Above the automatic range of everybody else, and below the kernel's own."""

AT_ONCE: dict[str, Any] = {"stop": {"graceSeconds": 0}}
FIRST, SECOND = "reconciler-test", "reconciler-test:2"


@dataclass(frozen=True)
class Scenario:
    """`after` is applied, unless `verb` says something else. `code` is how the verb ends when nobody disturbs it."""

    name: str
    before: list[Document] = field(default_factory=list)
    after: list[Document] = field(default_factory=list)
    verb: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    meddle: Callable[[Site], None] | None = None
    code: int = 0
    steps: bool = False
    """Killed inside the longer effects as well."""
    ready: bool = False
    """It matters that all was Ready before."""


def web(image: str = FIRST, /, **spec: Any) -> Document:
    return box("web", container={"image": image, **spec.pop("container", {})}, **{**AT_ONCE, **spec})


def db(**spec: Any) -> Document:
    return box("db", container=spec.pop("container", {}), **{**AT_ONCE, **spec})


def api(*command: str, **spec: Any) -> Document:
    return native("api", *command, **{**AT_ONCE, **spec})


def job(*command: str, **spec: Any) -> Document:
    return native("job", *command, **{**AT_ONCE, **spec})


def port(number: int | str = "auto", **more: Any) -> dict[str, Any]:
    return {"ports": [{"name": "http", "port": 80, "hostPort": number, **more}]}


def data(path: str = "/data") -> dict[str, Any]:
    return {"volumes": [{"volume": "data", "mountPath": path}]}


def told(*names: str) -> dict[str, Any]:
    """A process is told where they lie."""
    return {"volumes": [{"volume": name} for name in names], "env": {n.upper(): f"${{volumes.{n}}}" for n in names}}


def inside(number: int | str) -> dict[str, Any]:
    return {"ports": [{"name": "http", "hostPort": number}]}


def _behind(verb: str, query: str = "") -> Callable[[Site], None]:
    def meddle(site: Site) -> None:
        site.engine.post(f"/containers/{site.container('web')}/{verb}{query.format(ns=site.namespace)}")

    return meddle


def _removed(site: Site) -> None:
    site.engine.remove(site.container("web"))


def _signalled(number: signal.Signals) -> Callable[[Site], None]:
    return lambda site: site.signal("api", number)


def _in_the_way(site: Site) -> None:
    site.foreign.append(site.engine.run(site.container("web")))


FILES = [
    {"config": "app", "mountPath": "/etc/app"},
    {"secret": "key", "mountPath": "/run/key"},
]
ITS_OWN = {"subnet": f"10.200.{WORKER}.0/24"}
"""Chosen by the engine it would differ from run to run, and with it the gateway that containers are told."""
BARE = [{"config": "app"}, {"secret": "key"}]
FROM = {"envFrom": [{"config": "app"}, {"secret": "key"}]}
TALK = {"dependsOn": ["db"], "env": {"DB": "${db.addr}"}}

SCENARIOS = [
    # what was not there
    Scenario("first apply of containers", [], [web(), db()], steps=True),
    Scenario("first apply of processes", [], [api(), job()], steps=True),
    Scenario("first apply of a process that needs a container", [], [db(**port()), api(**TALK)]),
    Scenario(
        "first apply of a container that needs a process",
        [],
        [network("back", **ITS_OWN), api(**inside("auto")), web(container={"networks": ["back"]}, dependsOn=["api"])],
    ),
    Scenario(
        "first apply of a chain",
        [],
        [api(), job(dependsOn=["api"]), native("end", dependsOn=["job"], **AT_ONCE)],
    ),
    Scenario(
        "first apply behind something that has to be completed",
        [],
        [job("true", restart={"policy": "Never"}), api(dependsOn=[{"service": "job", "condition": "Completed"}])],
    ),
    Scenario(
        "first apply with a volume, a network, a config and a secret",
        [],
        [
            volume("data"),
            network("back"),
            config("app", level="debug"),
            secret("key", pin="1234"),
            web(container={"networks": ["back"]}, volumes=[*data()["volumes"], *FILES]),
        ],
        steps=True,
    ),
    Scenario(
        "first apply of a container in two networks",
        [],
        [network("back"), network("front"), web(container={"networks": ["back", "front"]})],
        steps=True,
    ),
    Scenario(
        "first apply of a process with config, secret and volume",
        [],
        [
            volume("data"),
            config("app", level="debug"),
            secret("key", pin="1234"),
            api(**{**told("data"), "volumes": [{"volume": "data"}, *BARE]}),
        ],
        steps=True,
    ),
    Scenario("first apply beside somebody who has the name", [], [web(), api()], meddle=_in_the_way, code=1),
    # one thing changed
    Scenario("another image", [web()], [web(SECOND)], steps=True),
    Scenario("another image above a volume", [volume("data"), web(**data())], [volume("data"), web(SECOND, **data())]),
    Scenario("another place of a volume", [volume("data"), web(**data())], [volume("data"), web(**data("/srv"))]),
    Scenario("another environment of a container", [web(env={"A": "1"}), db()], [web(env={"A": "2"}), db()]),
    Scenario(
        "another environment of a process", [api(env={"A": "1"}), job()], [api(env={"A": "2"}), job()], steps=True
    ),
    Scenario(
        "another command above a volume of processes",
        [volume("data"), api(**told("data"))],
        [volume("data"), api("sleep", "99999", **told("data"))],
    ),
    Scenario("another port of a container", [web(**port(FIXED))], [web(**port(MOVED))]),
    Scenario("another port of a process", [api(**inside(FIXED))], [api(**inside(MOVED))]),
    Scenario(
        "a port that is handed over",
        [api(**inside(FIXED)), job(**inside(MOVED))],
        [api(**inside(MOVED)), job(**inside(FIXED))],
    ),
    Scenario("a port that others were told", [db(**port(FIXED)), api(**TALK)], [db(**port(MOVED)), api(**TALK)]),
    Scenario(
        "another network",
        [network("back"), network("front"), web(container={"networks": ["back"]})],
        [network("back"), network("front"), web(container={"networks": ["front"]})],
    ),
    Scenario(
        "a network made anew under its member",
        [network("back"), web(container={"networks": ["back"]})],
        [network("back", internal=True), web(container={"networks": ["back"]})],
    ),
    Scenario("other limits of a container", [web()], [web(resources={"memory": "64Mi", "cpus": 0.5})]),
    Scenario("other limits of a process", [api()], [api(resources={"memory": "64Mi", "pids": 64})]),
    Scenario(
        "another content of a config",
        [config("app", level="info"), secret("key", pin="1"), web(volumes=FILES), api(**FROM)],
        [config("app", level="debug"), secret("key", pin="1"), web(volumes=FILES), api(**FROM)],
    ),
    Scenario(
        "another secret",
        [config("app", level="info"), secret("key", pin="1"), api(volumes=BARE)],
        [config("app", level="info"), secret("key", pin="2"), api(volumes=BARE)],
    ),
    # several of one
    Scenario("rolling update of containers", [web(replicas=2)], [web(SECOND, replicas=2)], ready=True),
    Scenario("rolling update of processes", [api(replicas=3)], [api(replicas=3, env={"A": "2"})], ready=True),
    Scenario(
        "everything at once, by Recreate",
        [api(replicas=2, update={"strategy": "Recreate"})],
        [api(replicas=2, update={"strategy": "Recreate"}, env={"A": "2"})],
    ),
    Scenario("more of a container", [web()], [web(replicas=3)]),
    Scenario("fewer of a process", [api(replicas=3)], verb=("scale", "api", "--replicas", "1")),
    Scenario("stopped, data kept", [volume("data"), web(**data())], verb=("stop", "web")),
    Scenario("started again", [web(), api()], verb=("start", "web", "api"), prologue=("stop", "web", "api")),
    # from here to there
    Scenario("from a process to a container", [native("api", **AT_ONCE)], [box("api", **AT_ONCE)]),
    Scenario("from a container to a process", [box("web", **AT_ONCE)], [native("web", **AT_ONCE)]),
    # away
    Scenario("prune", [web(), db(), api(), job()], [web(), api()], options=("--prune",)),
    Scenario("prune, and its volume stays", [volume("data"), web(**data()), api()], [api()], options=("--prune",)),
    Scenario(
        "delete of one among others", [web(), db(), api()], verb=("delete", "service", "db", "--ignore-not-found")
    ),
    Scenario(
        "delete of everything",
        [volume("data"), network("back"), web(container={"networks": ["back"]}, **data()), api(dependsOn=["web"])],
        verb=("delete", "all", "--all"),
        steps=True,
    ),
    Scenario(
        "delete with the data",
        [volume("data"), volume("more"), web(**data()), api(**told("more"))],
        verb=("delete", "all", "--all", "--volumes"),
    ),
    # behind our back
    Scenario("renamed", [web()], [web()], meddle=_behind("rename", "?name={ns}-elsewhere")),
    Scenario("paused", [web()], [web()], meddle=_behind("pause")),
    Scenario("stopped", [web(), api()], [web(), api()], meddle=_behind("stop", "?t=0")),
    Scenario("removed", [web(), db()], [web(), db()], meddle=_removed),
    Scenario("a process frozen", [api()], [api()], meddle=_signalled(signal.SIGSTOP)),
    Scenario("a process killed", [api()], [api()], meddle=_signalled(signal.SIGKILL)),
    Scenario(
        "paused, and then another image",
        [volume("data"), web(**data())],
        [volume("data"), web(SECOND, **data())],
        meddle=_behind("pause"),
    ),
]
