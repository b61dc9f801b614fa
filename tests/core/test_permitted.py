"""Each forbidden field in each spelling is refused twice: when the document comes in, and when its payload is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from reconciler.core.graph import graph_of
from reconciler.core.parse import Document, Text, parse
from reconciler.core.permitted import check, payload_violations, violations
from reconciler.core.policy import (
    RESTRICTED,
    TRUSTED,
    Containers,
    Images,
    Mounts,
    Networks,
    Ports,
    Processes,
    Profile,
    marks,
)
from reconciler.core.sheet import show_path
from reconciler.kinds import KINDS, find
from reconciler.kinds.base import camel
from reconciler.kinds.build import Build
from reconciler.kinds.campaign import CampaignSpec
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.host import HostSpec
from reconciler.kinds.job import JobSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.package import Package
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.service import Restart, ServiceSpec
from reconciler.kinds.source import SourceSpec
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import Container, EnvFrom, Port, Process, Resources, VolumeMount
from reconciler.model.desired import Context, Desired
from reconciler.model.observed import Snapshot, View
from reconciler.model.resource import Resource
from tests.core import build
from tests.core.machine import MACHINE

DIGEST = "sha256:" + "0123456789abcdef" * 4
PROFILE = replace(
    RESTRICTED,
    mounts=Mounts(bind_roots=("/srv/apps",)),
    networks=Networks(subnets=("10.77.0.0/16",)),
    containers=Containers(images=Images(allow=("registry.example/*", "nginx"))),
)
CONTAINER: dict[str, Any] = {
    "container": {"image": f"registry.example/web@{DIGEST}"}, "resources": {"memory": "64Mi", "pids": 64},
}  # fmt: skip
PROCESS: dict[str, Any] = {"process": {"command": ["/srv/run"], "user": "svc-web"}}


def container(**fields: Any) -> dict[str, Any]:
    return {**CONTAINER, "container": {**CONTAINER["container"], **fields}}


def image(name: str) -> dict[str, Any]:
    return container(image=name)


def mounting(path: str, *, read_only: bool = True) -> dict[str, Any]:
    return {**CONTAINER, "volumes": [{"hostPath": path, "mountPath": "/mnt", "readOnly": read_only}]}


def limited(**resources: Any) -> dict[str, Any]:
    return {**CONTAINER, "resources": resources}


def publishing(**port: Any) -> dict[str, Any]:
    return {**CONTAINER, "ports": [{"port": 80, **port}]}


def process(**fields: Any) -> dict[str, Any]:
    return {"process": {**PROCESS["process"], **fields}}


def packaged(**package: Any) -> dict[str, Any]:
    return process(package=package)


def with_env(name: str) -> dict[str, Any]:
    return {**PROCESS, "env": {name: "x"}}


SERVICES: list[tuple[str, dict[str, Any]]] = [
    ("container.privileged", container(privileged=True)),
    *(
        ("container.capAdd[0]", container(capAdd=[name]))
        for name in (
            "SYS_ADMIN", "sys_admin", "CAP_SYS_ADMIN", "cap_sys_admin", "ALL", "all", "CAP_ALL", "NET_RAW",
            "SYS_PTRACE", "NET_BIND_SERVICE_",
        )
    ),
    ("container.capAdd[1]", container(capAdd=["NET_BIND_SERVICE", "SYS_MODULE"])),
    *(
        ("container.devices", container(devices=[device]))
        for device in ("/dev/sda", "/dev/mem", "/dev/sda:/dev/x", "/dev/sda:/dev/x:r", "/dev/fuse")
    ),
    *(("container.gpus", container(gpus=gpus)) for gpus in ("all", "1", "0,1", "GPU-8a5b")),
    *(
        ("container.extraHosts", container(extraHosts=[entry]))
        for entry in ("host:host-gateway", "db:10.0.0.5", "registry.example:127.0.0.1")
    ),
    *(
        ("container.labels", container(labels={name: "x"}))
        for name in ("dev.reconciler.owner", "dev.reconciler.fingerprint")
    ),
    *(
        ("container.image", image(name))
        for name in (
            "registry.example/web", "registry.example/web:1.27", "registry.example/web:latest", "nginx",
            "registry.example/web@sha256:0123", f"registry.example/web@{DIGEST.upper()}",
            f"registry.example/web@{DIGEST}0", f"registry.example/web@sha512:{'0' * 64}", DIGEST, f"@{DIGEST}",
            f"evil.example/web@{DIGEST}", f"docker.io/evil/web@{DIGEST}", f"evil/web@{DIGEST}",
            f"registry.example.evil/web@{DIGEST}", f"REGISTRY.EXAMPLE/web@{DIGEST}", f"library/apache@{DIGEST}",
            f"localhost/nginx@{DIGEST}", f"evil.example/nginx@{DIGEST}",
        )
    ),
    ("restart.by", {**CONTAINER, "restart": {"by": "engine"}}),
    ("restart.by", {**CONTAINER, "restart": {"by": "engine", "policy": "OnFailure"}}),
    ("resources.memory", limited(pids=64)),
    ("resources.pids", limited(memory="64Mi")),
    ("resources.pids", limited(memory="64Mi", pids=513)),
    *(
        ("volumes[0].hostPath", mounting(path))
        for path in (
            "/", "//", "/.", "/etc", "/etc/", "//etc", "/etc/passwd", "/srv/../etc", "/srv/apps/../../etc",
            "/proc", "/proc/1/root", "/proc/self/root", "/proc/self/root/etc", "/proc/self/root/srv/apps",
            "/proc/self/root/run/docker.sock", "/sys", "/sys/fs/cgroup", "/dev", "/dev/sda", "/dev/shm", "/boot",
            "/run", "/run/docker.sock", "/run/containerd/containerd.sock", "/var/run", "/var/run/docker.sock",
            "/var/run/../run/docker.sock", "/var", "/var/lib", "/var/lib/docker", "/var/lib/docker/volumes/x/_data",
            "/root", "/root/.ssh", "/home", "/srv", "/srv/secret", "/srv/appsevil", "/srv/apps/../secret",
            "/srv/apps/out", "/srv/apps/out/etc", "/srv/apps/passwords", "/srv/apps/engine", "/srv/apps/neighbour",
            "/srv/apps/hard.sock", "/srv/apps/inner", "/srv/apps/state", "/srv/apps/state/processes", "/srv/apps",
            "./src", "src",
            "~/.ssh", "/opt/engine/docker.sock", "/opt/engine", "/opt",
        )
    ),
    ("volumes[0].readOnly", mounting("/srv/apps/web", read_only=False)),
    ("container.build", container(image="", build={"context": "/checkout"})),
    *(
        ("ports[0].bind", publishing(bind=address))
        for address in (
            "0.0.0.0", "", "::", "[::]", "::ffff:0.0.0.0", "::ffff:10.0.0.5", "10.0.0.5", "127.0.0.2", "0", "localhost",
            "*", "2130706433", "0x7f000001",
        )
    ),
    *(("ports[0].hostPort", publishing(hostPort=port)) for port in (1, 80, 443, 1023, "80-90", "1000-1100")),
    ("process.package.setup", packaged(setup=["./setup"])),
    ("process.package.env.LD_PRELOAD", packaged(env={"LD_PRELOAD": "x"})),
    *(
        ("process.user", process(user=user))
        for user in ("root", "0", "00", "000", "toor", "svc-toor", "", "www-data", "33", "1000", "nobody")
    ),
    *(
        (f"env.{name}", with_env(name))
        for name in (
            "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "BASH_FUNC_x", "ENV", "SHELLOPTS", "PS4",
            "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH",
        )
    ),
]  # fmt: skip
OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    *(("Network", "driver", {"driver": name}) for name in ("host", "macvlan", "ipvlan", "overlay", "null", "", "x:1")),
    *(
        ("Network", "subnet", {"subnet": subnet})
        for subnet in ("169.254.169.252/30", "192.168.1.0/24", "10.78.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "fd00::/64")
    ),
    *(("Volume", "driver", {"driver": driver}) for driver in ("nfs", "rclone", "vieux/sshfs", "", "LOCAL")),
    *(
        ("Volume", f"options.{name}", {"options": {"type": "none", "o": "bind", "device": "/"}})
        for name in ("type", "o", "device")
    ),
    ("Volume", "options.o", {"options": {"o": "addr=10.0.0.5,rw"}}),
    ("Volume", "options.mountpoint", {"options": {"mountpoint": "/etc"}}),
]  # fmt: skip


@pytest.mark.parametrize(("field", "spec"), SERVICES, ids=str)
def test_each_spelling_of_what_a_service_may_not_have_is_refused_when_it_comes_in_and_when_it_is_made(
    field: str, spec: dict[str, Any]
) -> None:
    document = read("Service", spec)
    assert _starts(field, violations(document.resource, PROFILE, MACHINE))
    assert _starts(field, payload_violations(made(document), PROFILE, MACHINE))


@pytest.mark.parametrize(("field", "spec"), SERVICES, ids=str)
def test_what_a_service_may_not_have_a_job_may_not_either(field: str, spec: dict[str, Any]) -> None:
    known = {camel(one.name) for one in fields(JobSpec)}
    if spec.keys() <= known:
        document = read("Job", spec)
        assert _starts(field, violations(document.resource, PROFILE, MACHINE))
        assert _starts(field, payload_violations(made(document), PROFILE, MACHINE))


def test_nothing_may_be_run_inside_of_what_others_declared() -> None:
    document = read("Job", {"in": "service/db", "command": ["id"]})
    trainer = read("Service", {"container": {"image": f"registry.example/web@{DIGEST}"}}, name="db")
    assert _starts("in", violations(document.resource, PROFILE, MACHINE))
    assert _starts("in", payload_violations(made(document, trainer), PROFILE, MACHINE))


@pytest.mark.parametrize(("kind", "field", "spec"), OTHERS, ids=str)
def test_each_spelling_of_what_networks_and_volumes_may_not_be_is_refused_twice(
    kind: str, field: str, spec: dict[str, Any]
) -> None:
    document = read(kind, spec)
    assert _starts(field, violations(document.resource, PROFILE, MACHINE))
    assert _starts(field, payload_violations(made(document), PROFILE, MACHINE))


@pytest.mark.parametrize(("kind", "field"), [("Network", "container.networks"), ("Volume", "volumes[0].volume")])
def test_what_others_made_is_refused_where_it_is_declared_and_in_whoever_uses_it(kind: str, field: str) -> None:
    theirs = read(kind, {"external": True}, name="theirs")
    assert _starts("external", violations(theirs.resource, PROFILE, MACHINE))
    uses = container(networks=["theirs"]) if kind == "Network" else {
        **CONTAINER, "volumes": [{"volume": "theirs", "mountPath": "/data"}]
    }  # fmt: skip
    assert _starts(field, payload_violations(made(read("Service", uses), theirs), PROFILE, MACHINE))


def test_the_hosts_network_stays_forbidden_to_who_may_use_what_others_made() -> None:
    profile = replace(PROFILE, networks=Networks(external="allow"))
    host = read("Network", {"external": True}, name="host")
    renamed = read("Network", {"external": True, "name": "host"}, name="innocent")
    for found in (host, renamed):
        assert _starts("external", violations(found.resource, profile, MACHINE))
    document = read("Service", container(networks=["host"]))
    assert _starts("container.networks[0]", violations(document.resource, profile, MACHINE))
    user = made(document, host)
    assert user.payload.networks == ("host",)  # type: ignore[union-attr]
    assert _starts("container.networks[0]", payload_violations(user, profile, MACHINE))


@pytest.mark.parametrize(
    ("kind", "field", "spec"),
    [
        ("Config", "files.a", {"files": {"a": "/etc/shadow"}}),
        ("Config", "files.a", {"files": {"a": "../outside"}}),
        ("Config", "files.a", {"files": {"a": "/proc/self/environ"}}),
        ("Config", "files.a", {"files": {"a": "~/.ssh/id_ed25519"}}),
        ("Secret", "files.a", {"files": {"a": "/root/.docker/config.json"}}),
        ("Secret", "env.a", {"env": {"a": "AWS_SECRET_ACCESS_KEY"}}),
        ("Service", "envFrom[0].file", {**CONTAINER, "envFrom": [{"file": "/proc/1/environ"}]}),
        ("Service", "envFrom[0].file", {**CONTAINER, "envFrom": [{"file": "../../.env"}]}),
        *(
            ("Service", "container.build.context", container(image="", build={"context": path}))
            for path in ("/", "..", "/etc", "/root/.ssh", "../outside", "/srv/apps")
        ),
        *(("Service", "process.package.path", packaged(path=path)) for path in ("/", "..", "/root/.ssh", "~")),
        ("Source", "", {"directory": "/srv/specs", "profile": "trusted"}),
        ("Source", "", {"git": {"url": "https://evil.example/x.git"}, "verify": "none", "profile": "trusted"}),
    ],
)
def test_what_is_not_the_sources_own_is_not_read_and_no_source_brings_another(
    kind: str, field: str, spec: dict[str, Any]
) -> None:
    assert _starts(field, violations(read(kind, spec).resource, PROFILE, MACHINE, root="/checkout"))


def test_a_file_of_the_sources_own_may_be_read_unless_it_is_a_link_that_leads_out() -> None:
    config = read("Config", {"files": {"a": "conf/app.ini"}}).resource
    assert not list(violations(config, PROFILE, MACHINE, root="/checkout"))
    swapped = replace(MACHINE, links={"/checkout/conf": "/etc"})
    assert _starts("files.a", violations(config, PROFILE, swapped, root="/checkout"))


@pytest.mark.parametrize("path", ["/", ".", "~", "/etc", "/srv/apps/out", "/srv/apps/web"])
def test_R17_a_workspace_is_held_to_what_holds_for_mounts(path: str) -> None:
    document = read("Service", container(workspace=path))
    assert _starts("container.workspace", violations(document.resource, PROFILE, MACHINE))
    assert _starts("volumes[0]", payload_violations(made(document), PROFILE, MACHINE))


def test_K20_an_image_may_be_built_of_a_sources_own_files_where_images_are_free() -> None:
    free = replace(PROFILE, containers=Containers(images=Images(require_digest=False)))
    document = read("Service", container(image="", build={"context": "./web"}))
    assert not list(violations(document.resource, free, MACHINE, root="/checkout"))
    assert not list(payload_violations(made(document), free, MACHINE))
    swapped = replace(MACHINE, links={"/checkout/web": "/etc"})
    assert _starts("container.build.context", violations(document.resource, free, swapped, root="/checkout"))


@pytest.mark.parametrize("field", ["image", "user", "hostPath", "bind", "context", "workspace"])
def test_what_a_reference_will_put_somewhere_is_refused_where_the_text_decides(field: str) -> None:
    text = "/srv/apps/${db.host}"
    spec = {
        "image": image("${db.host}"), "user": process(user="${db.host}"), "hostPath": mounting(text),
        "bind": publishing(bind="${db.ip}"), "context": container(image="", build={"context": text}),
        "workspace": container(workspace=text),
    }[field]  # fmt: skip
    found = [show_path(fault.path) for fault in violations(read("Service", spec).resource, PROFILE, MACHINE)]
    assert any(path.endswith(field) for path in found)


def test_references_are_welcome_where_nothing_is_decided_by_the_text() -> None:
    spec = {**container(command=["run", "${db.addr}"]), "env": {"user": "${db.host}", "image": "${db.url}"}}
    assert not list(violations(read("Service", spec).resource, PROFILE, MACHINE))


@pytest.mark.parametrize(
    "spec",
    [
        CONTAINER, PROCESS, mounting("/srv/apps/web"), container(capAdd=["cap_net_bind_service"]),
        container(tty=True, init=True, capDrop=["ALL"], labels={"team": "web"}, user="0"),
        image(f"nginx@{DIGEST}"), image(f"nginx:1.27@{DIGEST}"), image(f"docker.io/library/nginx@{DIGEST}"),
        publishing(hostPort="auto"), publishing(hostPort=8080), publishing(bind="::1"),
        publishing(bind="::ffff:127.0.0.1"), process(user="1001"), {**PROCESS, "env": {"LDAP_URL": "x"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_harmless_passes_both_gates(spec: dict[str, Any]) -> None:
    document = read("Service", spec)
    assert not list(violations(document.resource, PROFILE, MACHINE))
    assert not list(payload_violations(made(document), PROFILE, MACHINE))


def test_a_network_in_a_subnet_that_is_permitted_passes_both_gates() -> None:
    document = read("Network", {"subnet": "10.77.3.0/24", "internal": True})
    assert not list(violations(document.resource, PROFILE, MACHINE))
    assert not list(payload_violations(made(document), PROFILE, MACHINE))


@pytest.mark.parametrize(("field", "spec"), SERVICES, ids=str)
def test_a_person_may_do_all_of_it(field: str, spec: dict[str, Any]) -> None:
    document = read("Service", spec)
    assert not list(violations(document.resource, TRUSTED, MACHINE))
    assert not list(payload_violations(made(document), TRUSTED, MACHINE))


def test_what_a_profile_allows_by_name_is_allowed_and_the_rest_stays_denied() -> None:
    profile = Profile(
        containers=Containers(cap_add=("NET_*",), cap_drop=("ALL",), images=Images(require_digest=False)),
        ports=Ports(bind=("10.0.0.0/8",), range="18000-18999"), processes=Processes(run="deny"),
    )  # fmt: skip
    spec = {
        **container(capAdd=["NET_ADMIN"], capDrop=["ALL"], image="nginx"),
        "ports": [{"port": 80, "bind": "10.1.2.3", "hostPort": 18080}],
    }
    assert not list(violations(read("Service", spec).resource, profile, MACHINE))
    assert _starts("container.capDrop", violations(read("Service", CONTAINER).resource, profile, MACHINE))
    assert _starts(
        "ports[0].hostPort", violations(read("Service", publishing(hostPort=8080)).resource, profile, MACHINE)
    )
    assert _starts("process", violations(read("Service", PROCESS).resource, profile, MACHINE))


@pytest.mark.parametrize("user", ["root", "0", "toor", "svc-toor", "", "4294967296", "4294967295", "8589934592"])
def test_root_is_denied_by_every_name_and_number_to_who_may_be_anybody_else(user: str) -> None:
    """A number of more than 32 bits begins anew at 0 somewhere, and the last one leaves us who we are."""
    profile = replace(PROFILE, processes=Processes(run_as=("*",)))
    document = read("Service", process(user=user))
    assert _starts("process.user", violations(document.resource, profile, MACHINE))
    assert _starts("process.user", payload_violations(made(document), profile, MACHINE))
    assert not list(violations(read("Service", process(user="www-data")).resource, profile, MACHINE))


def test_who_may_be_root_need_not_be_named_once_more() -> None:
    """`processes: {root: allow}` says it; who else there may be stays as it was, and the message names the rule."""
    profile = replace(PROFILE, processes=Processes(root="allow"))
    assert not list(violations(read("Service", process(user="root")).resource, profile, MACHINE))
    (fault,) = violations(read("Service", process(user="www-data")).resource, profile, MACHINE)
    assert "processes.runAs" in fault.message


def test_a_namespace_that_is_not_permitted_is_refused_twice() -> None:
    profile = replace(PROFILE, namespaces=("team-*",))
    document = read("Service", CONTAINER)
    assert list(violations(document.resource, profile, MACHINE))
    assert list(payload_violations(made(document), profile, MACHINE))


def test_a_path_that_was_swapped_for_a_link_since_it_was_looked_at_is_refused_when_it_is_made() -> None:
    document = read("Service", mounting("/srv/apps/web"))
    assert not list(violations(document.resource, PROFILE, MACHINE))
    swapped = replace(MACHINE, links={"/srv/apps/web": "/etc"})
    fault = next(payload_violations(made(document), PROFILE, swapped))
    assert "/srv/apps/web (really /etc) may not be mounted" in fault.message


def test_a_bind_root_that_is_a_link_itself_counts_where_it_leads() -> None:
    moved = replace(MACHINE, links={"/srv/apps": "/data/apps"})
    assert not list(violations(read("Service", mounting("/srv/apps/web")).resource, PROFILE, moved))
    assert not list(violations(read("Service", mounting("/data/apps/web")).resource, PROFILE, moved))


def test_every_problem_is_told_with_its_line_and_with_what_is_permitted() -> None:
    text = f"""\
apiVersion: reconciler/v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec:
  container:
    image: registry.example/web@{DIGEST}
    privileged: true
  resources: {{memory: 64Mi, pids: 64}}
  volumes:
    - {{hostPath: /etc, mountPath: /mnt, readOnly: true}}
"""
    documents = parse([Text("web.yaml", text.encode(), "/checkout")], environment={})
    found = check(documents, "restricted", PROFILE, MACHINE)
    assert [(problem.line, problem.path) for problem in found] == [
        (7, "spec.container.privileged"), (10, "spec.volumes[0].hostPath"),
    ]  # fmt: skip
    assert "(profile restricted)" in found[0].message
    assert found[1].hint == "permitted: /srv/apps; see: reconciler policy show"


JUDGED = {
    ServiceSpec: "run_on container process attach_to env env_from ports volumes restart resources",
    Container: "image build workspace networks privileged cap_add cap_drop devices gpus extra_hosts tty labels",
    Build: "context dockerfile",
    Process: "user package", Package: "path setup env", EnvFrom: "file", Port: "host_port bind",
    VolumeMount: "host_path read_only",
    Resources: "memory pids", Restart: "by", NetworkSpec: "driver subnet external name",
    CampaignSpec: "container process env env_from ports volumes resources results notify",
    VolumeSpec: "driver options external name", ConfigSpec: "files", SecretSpec: "files env",
    JobSpec: "run_on container process in_ env env_from ports volumes resources",
}  # fmt: skip
HARMLESS = {
    ServiceSpec: "replicas auto_start probes stop update depends_on",
    CampaignSpec: (
        "strategy stop depends_on matrix runs cycles order seed gap_seconds cycle_gap_seconds warmup_seconds leases "
        "timeout_seconds silence_seconds retries max_failures cooldown_seconds auto_teardown"
    ),
    JobSpec: "command stop depends_on retries timeout_seconds ttl_seconds_after_finished schedule time_zone "
    "missed_runs suspend",
    Container: "aliases pull_policy entrypoint command keep_alive user working_dir hostname init shm_size",
    Build: "args target rebuild_on", Package: "include exclude",
    Process: "command working_dir", EnvFrom: "config secret", Port: "name port on_conflict protocol",
    VolumeMount: "volume config secret mount_path", Resources: "cpus",
    Restart: "policy initial_seconds max_seconds reset_after_seconds", NetworkSpec: "internal",
    ConfigSpec: "data", SecretSpec: "data",
}  # fmt: skip
"""Within a container, or as the user that a process may run as, these reach nobody else."""


@pytest.mark.parametrize("spec", JUDGED, ids=lambda spec: spec.__name__)
def test_of_every_field_somebody_has_said_whether_it_reaches_the_host(spec: Any) -> None:
    """A new field belongs into one of the two tables. One that reaches the host gets a rule, and spellings above."""
    judged, harmless = JUDGED[spec].split(), HARMLESS.get(spec, "").split()
    assert sorted(judged + harmless) == sorted(field.name for field in fields(spec))


def test_every_kind_is_judged_or_is_a_source() -> None:
    assert {kind.spec for kind in KINDS.values()} - JUDGED.keys() == {SourceSpec, HostSpec}


def read(kind: str, spec: Mapping[str, Any], name: str = "web") -> Document:
    text = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}
    environment = {"HOME": "/root", "AWS_SECRET_ACCESS_KEY": "hush"}
    source = Text("web.yaml", json.dumps(text).encode(), "/checkout")
    return parse([source], environment={} if kind == "Secret" else environment, lenient=True)[0]


def made(document: Document, *others: Document) -> Desired:
    """What would be made of it if nobody had looked at it first."""
    given = [d.resource for d in (document, *others)]
    notes = marks("shop/repo", "restricted")
    resources = [replace(one, annotations={**one.annotations, **notes}) for one in given]
    contexts = {tree: Context("0" * 64) for one in resources for _, tree in _trees(one)}
    graph = graph_of("shop", resources, owner="me", seal=lambda value: str(len(value)), contexts=contexts)
    desired = build.rendered(graph, Snapshot((View("docker"), View("process")))).desired
    found = next(item for key, item in desired.items() if key.resource == document.resource.key)
    assert found.profile == "restricted"
    return found


def _trees(resource: Resource) -> Any:
    kind = find(resource.key.kind)
    return kind.trees(resource.spec) if kind else ()


def _starts(field: str, faults: Any) -> bool:
    found = [show_path(fault.path) for fault in faults]
    assert any(path.startswith(field) for path in found), found
    return True


@pytest.mark.parametrize("sources", ["allow", "deny"])
def test_H24_nobody_who_is_limited_says_where_our_keys_are_shown(sources: str) -> None:
    """Not even who may bring other Sources: to connect is to act in our name."""
    document = read("Host", {"ssh": {"host": "evil.example", "identityFile": "~/.ssh/id_ed25519"}})
    profile = replace(PROFILE, sources=sources)
    assert _starts("", violations(document.resource, profile, MACHINE))


@pytest.mark.parametrize("target", [{"container": "db"}, {"process": {"name": "postgres"}}])
def test_H5_nobody_who_is_limited_looks_into_what_others_run(target: dict[str, Any]) -> None:
    document = read("Service", {"attachTo": target})
    assert _starts("attachTo", violations(document.resource, PROFILE, MACHINE))
