"""As manifests of Kubernetes: a Deployment and a Service, or a Job, for each workload, and what it needs."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.graph import DEFAULT_NETWORK
from reconciler.core.render import KEEP_ALIVE
from reconciler.exporting.sheet import Sheet, placeholder, without_defaults
from reconciler.kinds.probes import Probe
from reconciler.kinds.quantity import bytes_of
from reconciler.kinds.service import ServiceSpec, Update
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import Port
from reconciler.kinds.workspace import working_directory
from reconciler.model.key import Key
from reconciler.model.resource import Resource

Tree = dict[str, Any]

APP = "app.kubernetes.io/name"
STORAGE = "1Gi"
"""A claim has to say how much; nobody has said it here."""


def kubernetes(sheet: Sheet) -> list[Tree]:
    """All documents, what is needed before who needs it."""
    workloads = [_Workload(sheet, key, spec, resource) for key, spec, resource in sheet.containers()]
    trees = [*_configs(sheet), *_secrets(sheet), *_claims(sheet)]
    _leave_networks(sheet)
    for workload in workloads:
        trees += workload.trees()
    return trees


def _document(sheet: Sheet, api: str, kind: str, name: str, **body: Any) -> Tree:
    metadata = {"name": name, "namespace": sheet.graph.namespace}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}


def _configs(sheet: Sheet) -> Iterator[Tree]:
    for key, _ in sheet.resources("config"):
        texts: dict[str, str] = {}
        rest: dict[str, str] = {}
        user = next(((k, s) for k, s, _ in sheet.containers() if _uses(s, "config", key.name)), None)
        for name, content in sheet.entries("config", key.name, user).items():
            try:
                texts[name] = content.decode()
            except UnicodeDecodeError:
                rest[name] = base64.b64encode(content).decode()
        body = without_defaults({"data": texts, "binaryData": rest})
        yield _document(sheet, "v1", "ConfigMap", key.name, **body)


def _uses(spec: ServiceSpec, kind: str, name: str) -> bool:
    return any(getattr(one, kind) == name for one in (*spec.env_from, *spec.volumes))


def _secrets(sheet: Sheet) -> Iterator[Tree]:
    for key, spec in sheet.resources("secret"):
        values = sheet.entries("secret", key.name)
        if sheet.reveal:
            data = {name: base64.b64encode(content).decode() for name, content in values.items()}
            yield _document(sheet, "v1", "Secret", key.name, type="Opaque", data=data)
        else:
            held = {name: f"${{{placeholder(key.name, name, spec)}}}" for name in (*values, *spec.env)}
            yield _document(sheet, "v1", "Secret", key.name, type="Opaque", stringData=held)


def _claims(sheet: Sheet) -> Iterator[Tree]:
    for key, spec in sheet.resources("volume"):
        if spec.external:
            sheet.leave(key, "external", f"a claim called {key.name} has to be there; its data does not come along")
            continue
        if spec != VolumeSpec():
            sheet.leave(key, "driver", "the cluster's own storage class is taken")
        sheet.leave(key, "", f"it is claimed with {STORAGE}, since nobody says how large it is; its data stays here")
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": STORAGE}}}
        yield _document(sheet, "v1", "PersistentVolumeClaim", key.name, spec=claim)


def _leave_networks(sheet: Sheet) -> None:
    for key, spec in sheet.resources("network"):
        if key.name != DEFAULT_NETWORK or spec.internal or spec.external:
            sheet.leave(key, "", "all pods of a cluster share one network; a NetworkPolicy can divide it")


class _Workload:
    def __init__(self, sheet: Sheet, key: Key, spec: ServiceSpec, resource: Resource) -> None:
        assert spec.container, "only containers come here"
        self._sheet, self._key, self._spec, self._resource = sheet, key, spec, resource
        self._container = spec.container
        self._volumes: list[Tree] = []
        self._files: list[Tree] = []

    def trees(self) -> list[Tree]:
        pod = self._pod()
        ports = [self._service_port(port) for port in self._spec.ports]
        found = [*self._files, self._job(pod) if self._key.kind == "job" else self._deployment(pod)]
        if ports and self._key.kind == "service":
            service = {"selector": self._labels, "ports": ports}
            found.append(_document(self._sheet, "v1", "Service", self._key.name, spec=service))
        for _ in self._sheet.dependencies(self._key, self._spec):
            self._leave("dependsOn", "nobody waits for anybody there; what can't be reached yet has to be tried again")
        return found

    def _leave(self, name: str, why: str) -> None:
        self._sheet.leave(self._key, name, why)

    @property
    def _labels(self) -> dict[str, str]:
        return {APP: self._key.name}

    # -- what runs the pods

    def _deployment(self, pod: Tree) -> Tree:
        if self._spec.restart.policy != "Always":
            self._leave("restart.policy", "a Deployment starts whatever has ended again")
        spec = {
            "replicas": self._spec.replicas,
            "selector": {"matchLabels": self._labels},
            **({"strategy": strategy} if (strategy := self._strategy()) else {}),
            "template": self._template(pod),
        }
        return _document(self._sheet, "apps/v1", "Deployment", self._key.name, spec=spec)

    def _strategy(self) -> Tree:
        """Where two would write to one claim, the old one goes first, as here."""
        update = self._spec.update
        claims = any("persistentVolumeClaim" in volume for volume in self._volumes)
        if update.strategy == "Recreate" or (update == Update() and claims):
            return {"type": "Recreate"}
        if update == Update():
            return {}
        surge = 1 if update.max_surge is None else update.max_surge
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": update.max_unavailable}}

    def _job(self, pod: Tree) -> Tree:
        spec: Any = self._resource.spec
        job = {
            "backoffLimit": spec.retries,
            **_given("activeDeadlineSeconds", spec.timeout_seconds),
            **_given("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
            "template": self._template({"restartPolicy": "Never", **pod}),
        }
        if not spec.schedule:
            return _document(self._sheet, "batch/v1", "Job", self._key.name, spec=job)
        when = {"schedule": spec.schedule, "timeZone": spec.time_zone, "concurrencyPolicy": "Forbid"}
        return _document(
            self._sheet, "batch/v1", "CronJob", self._key.name, spec={**when, "jobTemplate": {"spec": job}}
        )

    def _template(self, pod: Tree) -> Tree:
        annotations = {"annotations": dict(self._container.labels)} if self._container.labels else {}
        return {"metadata": {"labels": self._labels, **annotations}, "spec": pod}

    def _service_port(self, port: Port) -> Tree:
        here = f"{port.bind}:{port.host_port}" if port.host_port != "auto" else f"a port of {port.bind}"
        self._leave(
            f"ports.{port.label}.hostPort", f"{here} is not published; an Ingress, or kubectl port-forward, does it"
        )
        return {"name": port.label, "port": port.port, "targetPort": port.port, "protocol": port.protocol.upper()}

    # -- the pod

    def _pod(self) -> Tree:
        container = self._container
        names = self._sheet.graph.network_names(self._spec)
        engine = {self._sheet.graph.engine_name("network", name) for name in names}
        inside = self._inside()
        self._leave_what_has_no_word()
        return without_defaults({
            "hostname": container.hostname,
            "hostNetwork": "host" in engine,
            "hostAliases": self._aliases(),
            "shareProcessNamespace": container.init,
            "terminationGracePeriodSeconds": math.ceil(self._spec.stop.grace_seconds),
            "containers": [inside],
            "volumes": self._volumes,
        })  # fmt: skip

    def _inside(self) -> Tree:
        container, probes = self._container, self._spec.probes
        entrypoint, command = container.entrypoint, container.command
        if container.keep_alive:
            entrypoint, command = KEEP_ALIVE, None
        if container.build:
            self._leave("container.build", "it is built and pushed by hand; image says where to")
        image = container.image or f"{self._key.namespace}-{self._key.name}"
        ports = [{"name": p.label, "containerPort": p.port, "protocol": p.protocol.upper()} for p in self._spec.ports]
        return without_defaults({
            "name": self._key.name, "image": image, "imagePullPolicy": container.pull_policy,
            "command": list(entrypoint or ()), "args": list(command or ()), "tty": container.tty,
            "workingDir": working_directory(self._spec), "env": self._env(), "envFrom": self._env_from(),
            "ports": ports,
            "volumeMounts": self._mounts(), "resources": self._resources(), "securityContext": self._rights(),
            "startupProbe": self._probe("startup", probes.startup),
            "readinessProbe": self._probe("readiness", probes.readiness),
            "livenessProbe": self._probe("liveness", probes.liveness),
        })  # fmt: skip

    def _env(self) -> list[Tree]:
        found = {**self._sheet.implied(self._key, self._spec), **self._spec.env}
        return [{"name": name, "value": value.replace("$(", "$$(")} for name, value in found.items()]

    def _env_from(self) -> list[Tree]:
        """A file of variables becomes a Secret: nobody knows what stands in it."""
        found = []
        for number, source in enumerate(self._spec.env_from):
            if source.config:
                found.append({"configMapRef": {"name": source.config}})
            elif source.secret:
                found.append({"secretRef": {"name": source.secret}})
            else:
                found.append({"secretRef": {"name": self._file_of_variables(number, source.file)}})
        return found

    def _file_of_variables(self, number: int, path: str) -> str:
        name = f"{self._key.name}-env" + (f"-{number + 1}" if number else "")
        values = self._sheet.env_file(path)
        held = values if self._sheet.reveal else {key: f"${{{placeholder(name, key, None)}}}" for key in values}
        self._files.append(_document(self._sheet, "v1", "Secret", name, type="Opaque", stringData=held))
        return name

    def _mounts(self) -> list[Tree]:
        found = []
        for number, mount in enumerate(self._sheet.mounts(self._spec)):
            name = mount.volume or mount.config or mount.secret or f"path-{number + 1}"
            name = f"{name}-{number + 1}" if any(volume["name"] == name for volume in self._volumes) else name
            self._volumes.append({"name": name, **self._place(mount)})
            found.append(without_defaults({"name": name, "mountPath": mount.mount_path, "readOnly": mount.read_only}))
        if self._container.shm_size:
            size = str(bytes_of(self._container.shm_size))
            self._volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}})
            found.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 -- inside of a container
        return found

    def _place(self, mount: Any) -> Tree:
        if mount.volume:
            return {"persistentVolumeClaim": {"claimName": mount.volume}}
        if mount.config:
            return {"configMap": {"name": mount.config, "defaultMode": 0o444}}
        if mount.secret:
            return {"secret": {"secretName": mount.secret, "defaultMode": 0o400}}
        self._leave("volumes.hostPath", f"{mount.host_path} is looked for on the node that it comes to run on")
        return {"hostPath": {"path": mount.host_path}}

    def _resources(self) -> Tree:
        wanted, limits = self._spec.resources, {}
        if wanted.cpus:
            limits["cpu"] = f"{wanted.cpus:g}"
        if wanted.memory:
            limits["memory"] = wanted.memory
        if wanted.pids:
            self._leave("resources.pids", "how many processes a pod may have is the node's to say")
        if self._container.gpus.isdecimal():
            limits["nvidia.com/gpu"] = self._container.gpus
        elif self._container.gpus:
            self._leave("container.gpus", "a pod asks for a number of them")
        return {"limits": limits} if limits else {}

    def _rights(self) -> Tree:
        container = self._container
        user, _, group = container.user.partition(":")
        numbers = {"runAsUser": user, "runAsGroup": group}
        if any(text and not text.isdecimal() for text in numbers.values()):
            self._leave("container.user", f"{container.user} has to be said in numbers there")
        added = without_defaults({"add": list(container.cap_add), "drop": list(container.cap_drop)})
        given = {name: int(text) for name, text in numbers.items() if text.isdecimal()}
        return {**given, **without_defaults({"privileged": container.privileged, "capabilities": added})}

    def _probe(self, role: str, probe: Probe | None) -> Tree:
        if probe is None:
            return {}
        if probe.log:
            self._leave(f"probes.{role}.log", "nobody reads the log there")
            return {}
        return {
            **self._question(probe),
            "periodSeconds": _whole(probe.period_seconds),
            "timeoutSeconds": _whole(probe.timeout_seconds),
            "failureThreshold": probe.failure_threshold,
            **({"successThreshold": probe.success_threshold} if role == "readiness" else {}),
            **_given("initialDelaySeconds", probe.initial_delay_seconds or None),
        }

    def _question(self, probe: Probe) -> Tree:
        if probe.exec:
            return {"exec": {"command": list(probe.exec.command)}}
        if probe.tcp_socket:
            return {"tcpSocket": {"port": probe.tcp_socket.port}}
        http = probe.http_get
        assert http, "a log was looked for before"
        headers = [{"name": name, "value": value} for name, value in http.http_headers.items()]
        more = {"httpHeaders": headers} if headers else {}
        return {"httpGet": {"path": http.path, "port": http.port, "scheme": http.scheme.upper(), **more}}

    def _aliases(self) -> list[Tree]:
        found: dict[str, list[str]] = {}
        for entry in self._container.extra_hosts:
            name, _, address = entry.partition(":")
            if address == "host-gateway":
                self._leave("container.extraHosts", f"{name}: a pod does not know its node as host-gateway")
            else:
                found.setdefault(address, []).append(name)
        return [{"ip": address, "hostnames": names} for address, names in found.items()]

    def _leave_what_has_no_word(self) -> None:
        if self._container.devices:
            self._leave("container.devices", "a device of a node comes by a device plugin there")
        if self._spec.stop.signal.removeprefix("SIG") != "TERM":
            self._leave("stop.signal", "a pod is asked to end by TERM, or by its image's own signal")
        if getattr(self._container, "aliases", ()):
            self._leave("container.aliases", "a Service has one name; make another one for each")


def _given(name: str, seconds: float | None) -> Tree:
    return {} if seconds is None else {name: math.ceil(seconds)}


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def listed(trees: Sequence[Mapping[str, Any]]) -> Tree:
    """For who wants one document."""
    return {"apiVersion": "v1", "kind": "List", "items": list(trees)}
