"""As a Compose file. What `import compose` reads of it is what was declared, but for what is told to be left out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.compose.words import CONDITION, NETWORK_MODE, PULL
from reconciler.core.graph import DEFAULT_NETWORK
from reconciler.core.render import KEEP_ALIVE
from reconciler.exporting.sheet import Sheet, placeholder, without_defaults
from reconciler.kinds.probes import Probe, Probes
from reconciler.kinds.quantity import bytes_of
from reconciler.kinds.service import Restart, ServiceSpec, Update
from reconciler.kinds.workload import Port
from reconciler.kinds.workspace import working_directory
from reconciler.model.key import Key
from reconciler.model.resource import Resource

Tree = dict[str, Any]

RESTART = {"Always": "unless-stopped", "OnFailure": "on-failure", "Never": "no"}
CONDITIONS = {ours: theirs for theirs, ours in CONDITION.items()}
PULLS = {ours: theirs for theirs, ours in PULL.items() if theirs in {"always", "missing", "never"}}
SHELL = ("/bin/sh", "-c")
AS_DECLARED = 10.0
"""Seconds that Compose waits too, before it kills."""


def compose(sheet: Sheet) -> Tree:
    """The whole file."""
    services: Tree = {}
    grants: dict[str, Tree] = {"configs": {}, "secrets": {}}
    for key, spec, resource in sheet.containers():
        services[key.name] = _Service(sheet, key, spec, resource, grants).tree()
    return without_defaults({
        "name": sheet.graph.namespace,
        "services": services,
        "networks": {key.name: tree for key, tree in _networks(sheet)},
        "volumes": {key.name: tree for key, tree in _volumes(sheet)},
        **grants,
    })  # fmt: skip


def variables(sheet: Sheet) -> dict[str, str]:
    """What the variables that stand for values of secrets are to hold."""
    found: dict[str, str] = {}
    for key, spec in sheet.resources("secret"):
        for name in spec.data:
            found[placeholder(key.name, name, spec)] = "'" + spec.data[name].replace("'", "\\'") + "'"
    return found


def _networks(sheet: Sheet) -> Iterator[tuple[Key, Tree]]:
    for key, spec in sheet.resources("network"):
        if (spec.name or key.name) in NETWORK_MODE and spec.external:
            continue  # whoever is in it says so himself
        if spec.external:
            yield key, {"external": True, "name": spec.name or key.name}
            continue
        driver = spec.driver if spec.driver != "bridge" else ""
        ipam = {"config": [{"subnet": spec.subnet}]} if spec.subnet else {}
        yield key, without_defaults({"driver": driver, "internal": spec.internal, "ipam": ipam})


def _volumes(sheet: Sheet) -> Iterator[tuple[Key, Tree]]:
    for key, spec in sheet.resources("volume"):
        if spec.external:
            yield key, {"external": True, "name": spec.name or key.name}
            continue
        driver = spec.driver if spec.driver != "local" else ""
        yield key, without_defaults({"driver": driver, "driver_opts": _escaped(spec.options)})


class _Service:
    def __init__(
        self, sheet: Sheet, key: Key, spec: ServiceSpec, resource: Resource, grants: Mapping[str, Tree]
    ) -> None:
        assert spec.container, "only containers come here"
        self._sheet, self._key, self._spec, self._resource, self._grants = sheet, key, spec, resource, grants
        self._container = spec.container

    def tree(self) -> Tree:
        container, spec = self._container, self._spec
        entrypoint, command = container.entrypoint, container.command
        if container.keep_alive:
            entrypoint, command = KEEP_ALIVE, None
        shm = bytes_of(container.shm_size) if container.shm_size else None
        found: Tree = {
            "image": _text(container.image),
            "build": self._build(),
            "pull_policy": PULLS[container.pull_policy] if container.pull_policy != "IfNotPresent" else "",
            "profiles": [] if getattr(self._resource.spec, "auto_start", True) else ["manual"],
            "entrypoint": _list(entrypoint),
            "command": _list(command),
            "user": _text(container.user),
            "working_dir": _text(working_directory(spec)),
            "hostname": _text(container.hostname),
            "tty": container.tty,
            "init": container.init,
            "privileged": container.privileged,
            "cap_add": _list(container.cap_add),
            "cap_drop": _list(container.cap_drop),
            "devices": _list(container.devices),
            "gpus": self._gpus(),
            "shm_size": _bytes(shm),
            "extra_hosts": _list(container.extra_hosts),
            "labels": _escaped(container.labels),
            **self._environment(),
            "ports": [self._port(port) for port in spec.ports],
            **self._mounts(),
            **self._networks(),
            "healthcheck": self._healthcheck(spec.probes),
            "depends_on": {
                d.service: {"condition": CONDITIONS[d.condition]} for d in self._sheet.dependencies(self._key, spec)
            },
            "restart": self._restart(spec.restart),
            "stop_signal": f"SIG{spec.stop.signal.removeprefix('SIG')}" if spec.stop.signal != "TERM" else "",
            "stop_grace_period": _seconds(spec.stop.grace_seconds) if spec.stop.grace_seconds != AS_DECLARED else "",
            "deploy": self._deploy(),
        }
        self._leave_what_has_no_word()
        return without_defaults(found)

    def _leave(self, name: str, why: str) -> None:
        self._sheet.leave(self._key, name, why)

    def _build(self) -> Tree:
        build = self._container.build
        if build is None:
            return {}
        dockerfile = build.dockerfile if build.dockerfile != "Dockerfile" else ""
        return without_defaults({
            "context": build.context, "dockerfile": dockerfile, "args": _escaped(build.args), "target": build.target
        })  # fmt: skip

    def _gpus(self) -> Any:
        gpus = self._container.gpus
        if gpus in {"", "all"}:
            return gpus
        if gpus.isdecimal():
            return [{"driver": "nvidia", "count": int(gpus)}]
        return [{"driver": "nvidia", "device_ids": gpus.split(",")}]

    # -- what it is given

    def _environment(self) -> Tree:
        """Files are named, not copied: who knows what stands in them. Where one would be overruled, it stays so."""
        found: dict[str, str] = dict(map(_pair, self._sheet.implied(self._key, self._spec).items()))
        files: list[str] = []
        for source in self._spec.env_from:
            if source.file:
                files.append(source.file)
                for name in self._sheet.env_file(source.file):
                    found.pop(name, None)
            elif source.config:
                entries = self._sheet.entries("config", source.config, (self._key, self._spec))
                found |= {name: _text(value.decode(errors="replace")) for name, value in entries.items()}
            else:
                found |= self._secret_variables(source.secret)
        return {"env_file": files, "environment": {**found, **_escaped(self._spec.env)}}

    def _secret_variables(self, name: str) -> dict[str, str]:
        spec = self._sheet.graph.resources[Key("secret", self._key.namespace, name)].spec
        entries = self._sheet.entries("secret", name)
        if self._sheet.reveal:
            return {key: _text(value.decode(errors="replace")) for key, value in entries.items()}
        return {key: f"${{{placeholder(name, key, spec)}:?of secret {name}}}" for key in {**entries, **spec.env}}

    def _port(self, port: Port) -> Tree:
        if port.host_port == "auto":
            self._leave(f"ports.{port.label}", "the engine chooses the host port there, and another one at each start")
        if port.on_conflict == "reassign":
            self._leave(f"ports.{port.label}.onConflict", "a port that is taken is an error there")
        published = "" if port.host_port == "auto" else str(port.host_port)
        return without_defaults({
            "name": port.name, "target": port.port, "published": published,
            "host_ip": port.bind, "protocol": port.protocol if port.protocol != "tcp" else "",
        })  # fmt: skip

    def _mounts(self) -> Tree:
        found: dict[str, list[Tree]] = {"volumes": [], "configs": [], "secrets": []}
        for mount in self._sheet.mounts(self._spec):
            target, read_only = _text(mount.mount_path), mount.read_only
            if mount.config or mount.secret:
                group = "configs" if mount.config else "secrets"
                found[group] += self._granted(group, mount.source, mount.mount_path)
            elif mount.volume:
                place = {"type": "volume", "source": mount.volume, "target": target, "read_only": read_only}
                found["volumes"].append(without_defaults(place))
            else:
                place = {"type": "bind", "source": _text(mount.host_path), "target": target, "read_only": read_only}
                found["volumes"].append({**without_defaults(place), "bind": {"create_host_path": False}})
        return found

    def _granted(self, group: str, name: str, path: str) -> Iterator[Tree]:
        kind = group.removesuffix("s")
        spec = self._sheet.graph.resources[Key(kind, self._key.namespace, name)].spec
        keys = sorted({*spec.data, *spec.files, *getattr(spec, "env", ())})
        for key in keys:
            source = name if len(keys) == 1 else f"{name}-{key}"
            self._grants[group][source] = self._content(group, name, key, spec)
            mode = {"mode": 0o400} if group == "secrets" else {}
            yield {"source": source, "target": f"{path.rstrip('/')}/{key}", **mode}

    def _content(self, group: str, name: str, key: str, spec: Any) -> Tree:
        if key in spec.files:
            return {"file": _text(spec.files[key])}
        if group == "secrets":
            return {"environment": placeholder(name, key, spec)}
        text = self._sheet.entries("config", name, (self._key, self._spec))[key].decode(errors="replace")
        return {"content": _text(text)}

    def _networks(self) -> Tree:
        graph, aliases = self._sheet.graph, list(getattr(self._container, "aliases", ()))
        names = graph.network_names(self._spec)
        engine = [graph.engine_name("network", name) for name in names]
        if len(engine) == 1 and engine[0] in NETWORK_MODE:
            return {"network_mode": engine[0]}
        if not aliases:
            return {"networks": [] if names == (DEFAULT_NETWORK,) else list(names)}
        return {"networks": {name: {"aliases": aliases} for name in names}}

    # -- how it is kept running

    def _healthcheck(self, probes: Probes) -> Tree:
        """Compose asks one question, and does nothing about the answer."""
        for role in ("startup", "liveness"):
            if getattr(probes, role) and (role == "liveness" or probes.readiness):
                self._leave(f"probes.{role}", "there is one healthcheck there, and nobody is started anew by it")
        probe = probes.readiness or probes.startup
        test = self._test(probe) if probe else None
        if probe is None or test is None:
            return {}
        if probe.success_threshold != 1:
            self._leave("probes.readiness.successThreshold", "one good answer is enough there")
        return without_defaults({
            "test": test, "interval": _seconds(probe.period_seconds), "timeout": _seconds(probe.timeout_seconds),
            "retries": probe.failure_threshold,
            "start_period": _seconds(probe.initial_delay_seconds) if probe.initial_delay_seconds else "",
        })  # fmt: skip

    def _test(self, probe: Probe) -> list[str] | None:
        if probe.exec:
            command = probe.exec.command
            if command[:2] == SHELL and len(command) == 3:
                return ["CMD-SHELL", _text(command[2])]
            return ["CMD", *_list(command)]
        if probe.http_get:
            http = probe.http_get
            url = shlex.quote(f"{http.scheme}://127.0.0.1:{self._number(http.port)}{http.path}")
            self._leave("probes.readiness.httpGet", "it is asked from inside there, with the image's own wget")
            if http.http_headers:
                self._leave("probes.readiness.httpGet.httpHeaders", "not every wget can send them")
            return ["CMD-SHELL", _text(f"wget -q -O /dev/null {url} || exit 1")]
        if probe.tcp_socket:
            self._leave("probes.readiness.tcpSocket", "it is asked from inside there, with the image's own nc")
            return ["CMD-SHELL", f"nc -z 127.0.0.1 {self._number(probe.tcp_socket.port)} || exit 1"]
        self._leave("probes.readiness.log", "nobody reads the log there")
        return None

    def _number(self, port: str | int) -> int:
        if isinstance(port, int):
            return port
        return next((one.port or 0 for one in self._spec.ports if one.label == port), 0)

    def _restart(self, restart: Restart) -> str:
        if self._key.kind == "job":
            retries = getattr(self._resource.spec, "retries", 0)
            return f"on-failure:{retries}" if retries else "no"
        if restart != Restart(policy=restart.policy, by=restart.by):
            self._leave("restart", "the pauses between restarts are the engine's own there")
        return RESTART[restart.policy]

    def _deploy(self) -> Tree:
        resources = self._spec.resources
        memory = bytes_of(resources.memory) if resources.memory else None
        cpus = f"{resources.cpus:g}" if resources.cpus else ""
        limits = without_defaults({"cpus": cpus, "memory": _bytes(memory), "pids": resources.pids})
        replicas = getattr(self._resource.spec, "replicas", 1) if self._key.kind == "service" else 1
        found: Tree = {"replicas": replicas} if replicas != 1 else {}
        return found | ({"resources": {"limits": limits}} if limits else {})

    def _leave_what_has_no_word(self) -> None:
        if self._spec.update != Update() and self._key.kind == "service":
            self._leave("update", "Compose stops the old one before it makes the new one")
        for name, word in (("schedule", "schedule"), ("timeout_seconds", "timeoutSeconds"),
                           ("ttl_seconds_after_finished", "ttlSecondsAfterFinished")):  # fmt: skip
            if getattr(self._resource.spec, name, None):
                self._leave(word, "Compose runs things when it is told to, and as long as they like")
        if self._resource.labels:
            self._leave("metadata.labels", "a service has labels of its container only")


def _text(text: str) -> str:
    """A dollar begins a variable there, unless it is doubled."""
    return text.replace("$", "$$")


def _pair(item: tuple[str, str]) -> tuple[str, str]:
    return item[0], _text(item[1])


def _escaped(texts: Mapping[str, str]) -> dict[str, str]:
    return dict(map(_pair, texts.items()))


def _list(words: tuple[str, ...] | None) -> list[str]:
    return [_text(word) for word in words or ()]


def _seconds(value: float) -> str:
    return f"{value:g}s" if value >= 1 or value == 0 else f"{value * 1000:g}ms"


def _bytes(value: int | None) -> str:
    """Compose's m is ours Mi."""
    for unit, size in (("g", 2**30), ("m", 2**20), ("k", 2**10)):
        if value and value % size == 0:
            return f"{value // size}{unit}"
    return str(value or "")
