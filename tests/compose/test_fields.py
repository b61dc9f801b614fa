"""The table of keys is whole, and true: whatever a file says reaches a document, a note or a refusal."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from reconciler.compose.fields import FIELDS, Carried, Harmless, Refused
from reconciler.errors import SpecError
from tests.compose.reading import documents, project, specs

SCHEMA = {
    "": "version name include services models networks volumes secrets configs",
    "include": "path env_file project_directory",
    "service": """
        annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs
        container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus
        cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search
        domainname entrypoint env_file environment expose extends external_links extra_hosts gpus group_add
        healthcheck hostname image init ipc isolation label_file labels links logging mac_address mem_limit
        mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj
        pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
        pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open
        stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts
        volumes volumes_from working_dir""",
    "build": """
        additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements
        extra_hosts isolation labels network no_cache platforms privileged provenance pull sbom secrets shm_size
        ssh tags target ulimits""",
    "config of a service": "source target uid gid mode",
    "dependency": "condition required restart",
    "device": "source target permissions",
    "env_file": "path format required",
    "extends": "service file",
    "gpu": "capabilities count device_ids driver options",
    "healthcheck": "disable interval retries test timeout start_period start_interval",
    "logging": "driver options",
    "network of a service": """
        aliases driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips mac_address
        priority""",
    "port": "name mode host_ip target published protocol app_protocol",
    "mount": "type source target read_only consistency bind volume tmpfs image",
    "mount.bind": "propagation create_host_path recursive selinux",
    "mount.volume": "labels nocopy subpath",
    "deploy": "mode endpoint_mode replicas labels rollback_config update_config resources restart_policy placement",
    "resources": "limits reservations",
    "limits": "cpus memory pids",
    "reservations": "cpus memory generic_resources devices",
    "restart_policy": "condition delay max_attempts window",
    "network": "name driver driver_opts ipam external internal enable_ipv4 enable_ipv6 attachable labels",
    "ipam": "driver config options",
    "ipam config": "subnet ip_range gateway aux_addresses",
    "volume": "name driver driver_opts external labels",
    "config": "name content environment file external labels template_driver",
    "secret": "name environment file external labels driver driver_opts template_driver",
}
"""The keys of the Compose specification, by the thing that has them."""

APP = "services: {web: {image: app, %s}, other: {image: app}}\n"
PLACES = {
    "": "%s\nservices: {web: {image: app}}\n",
    "service": APP,
    "build": "services: {web: {image: app, build: {%s}}}\n",
    "config of a service": APP.replace("%s", "configs: [{source: c, %s}]")
    + "configs: {c: {file: ./c}, d: {file: ./d}}\n",
    "dependency": APP.replace("%s", "depends_on: {other: {%s}}"),
    "device": APP.replace("%s", "devices: [{source: /dev/a, %s}]"),
    "env_file": APP.replace("%s", "env_file: [{path: a.env, %s}]"),
    "extends": APP.replace("%s", "extends: {%s}"),
    "gpu": APP.replace("%s", "gpus: [{%s}]"),
    "healthcheck": APP.replace("%s", "healthcheck: {test: [CMD, 'true'], %s}"),
    "logging": APP.replace("%s", "logging: {%s}"),
    "network of a service": APP.replace("%s", "networks: {n: {%s}}") + "networks: {n: {}}\n",
    "port": APP.replace("%s", "ports: [{target: 80, %s}]"),
    "mount": APP.replace("%s", "volumes: [{type: volume, source: v, target: /v, %s}]") + "volumes: {v: {}, w: {}}\n",
    "mount.bind": APP.replace("%s", "volumes: [{type: bind, source: ./v, target: /v, bind: {%s}}]"),
    "mount.volume": APP.replace("%s", "volumes: [{type: volume, source: v, target: /v, volume: {%s}}]")
    + "volumes: {v: }\n",
    "deploy": APP.replace("%s", "deploy: {%s}"),
    "resources": APP.replace("%s", "deploy: {resources: {%s}}"),
    "limits": APP.replace("%s", "deploy: {resources: {limits: {%s}}}"),
    "reservations": APP.replace("%s", "deploy: {resources: {reservations: {%s}}}"),
    "restart_policy": APP.replace("%s", "deploy: {restart_policy: {%s}}"),
    "network": APP.replace("%s", "networks: [n]") + "networks: {n: {%s}}\n",
    "ipam": APP.replace("%s", "networks: [n]") + "networks: {n: {ipam: {%s}}}\n",
    "ipam config": APP.replace("%s", "networks: [n]") + "networks: {n: {ipam: {config: [{%s}]}}}\n",
    "volume": APP.replace("%s", "volumes: [v:/v]") + "volumes: {v: {%s}}\n",
    "config": APP.replace("%s", "configs: [c]") + "configs: {c: {%s}}\n",
    "secret": APP.replace("%s", "secrets: [c]") + "secrets: {c: {%s}}\n",
}
SAMPLES = {
    "": """
        name: shop
        include: [other.yaml]
    """,
    "service": """
        build: ./app
        cap_add: [NET_ADMIN]
        cap_drop: [ALL]
        command: run
        configs: [c]
        cpus: 0.5
        depends_on: [other]
        deploy: {replicas: 2}
        devices: [/dev/fuse]
        entrypoint: /run
        env_file: a.env
        environment: [A=1]
        extends: other
        extra_hosts: [a:1.2.3.4]
        gpus: all
        healthcheck: {test: 'true'}
        hostname: h
        image: other
        init: true
        labels: [a=b]
        links: [other:o]
        logging: {driver: syslog}
        mem_limit: 64m
        network_mode: host
        networks: {default: {aliases: [a]}}
        pids_limit: 9
        ports: ['80']
        privileged: true
        profiles: [p]
        pull_policy: always
        restart: always
        scale: 3
        secrets: [c]
        shm_size: 64m
        stdin_open: true
        stop_grace_period: 3s
        stop_signal: SIGINT
        tty: true
        user: app
        volumes: ['/v']
        working_dir: /w
    """,
    "build": """
        context: ./a
        dockerfile: D
        args: [A=1]
        target: t
    """,
    "config of a service": """
        source: d
        target: /etc/x
    """,
    "dependency": """
        condition: service_healthy
        required <- condition: service_started, required: perhaps
    """,
    "device": """
        source: /dev/b
        target: /dev/c
        permissions: r
    """,
    "env_file": """
        path: b.env
        required: false
    """,
    "extends": """
        service: other
        file: other.yaml, service: far
    """,
    "gpu": """
        count: 2
        device_ids: [a, b]
        capabilities: [tpu]
    """,
    "healthcheck": """
        test: [CMD, other]
        interval: 1s
        timeout: 1s
        retries: 7
        start_period: 9s
        start_interval <- start_period: 9s, start_interval: 1s
        disable: true
    """,
    "logging": """
        driver: fluentd
    """,
    "network of a service": """
        aliases: [a]
    """,
    "port": """
        target: 81
        published: 8080
        host_ip: 127.0.0.1
        protocol: udp
        name: web
    """,
    "mount": """
        type: tmpfs
        source: w
        target: /w
        read_only: true
        bind: {propagation: rshared}
        volume: {subpath: a}
    """,
    "mount.bind": """
        create_host_path: true
    """,
    "deploy": """
        replicas: 2
        resources: {limits: {pids: 5}}
        mode: global
        restart_policy: {condition: none}
    """,
    "resources": """
        limits: {pids: 5}
        reservations: {devices: [{capabilities: [gpu]}]}
    """,
    "limits": """
        cpus: '2'
        memory: 1g
        pids: 5
    """,
    "reservations": """
        devices: [{capabilities: [gpu]}]
    """,
    "restart_policy": """
        condition: none
        delay: 9s
        window: 1m
    """,
    "network": """
        name: n_n
        driver: macvlan
        external: true
        internal: true
        ipam: {config: [{subnet: 10.1.0.0/24}]}
        labels: [a=b]
    """,
    "ipam": """
        config: [{subnet: 10.1.0.0/24}]
        driver: dhcp
    """,
    "ipam config": """
        subnet: 10.1.0.0/24
    """,
    "volume": """
        name: v_v
        driver: nfs
        driver_opts: {o: ro}
        external: true
        labels: [a=b]
    """,
    "config": """
        file: ./c
        content: c
        environment: C
        labels <- file: ./c, labels: [a=b]
    """,
    "secret": """
        file: ./c
        content: c
        environment: C
        labels <- file: ./c, labels: [a=b]
    """,
}
"""A line each; with an arrow where more than the key is needed to show it."""
EVERYWHERE = {"services", "networks", "volumes", "configs", "secrets"}
"""Keys of the file itself that every other test is about."""
OTHERS = {"/src/a.env": "A=1\n", "/src/b.env": "A=2\n", "/src/other.yaml": "services: {far: {image: far, tty: true}}\n"}
CARRIED = [
    (thing, key)
    for thing in FIELDS
    for key, what in FIELDS[thing].items()
    if isinstance(what, Carried) and (thing or key not in EVERYWHERE)
]


@pytest.mark.parametrize("thing", SCHEMA)
def test_every_key_of_the_specification_is_carried_refused_or_harmless(thing: str) -> None:
    assert set(SCHEMA[thing].split()) <= set(FIELDS[thing])
    more = set(FIELDS[thing]) - set(SCHEMA[thing].split())
    assert more <= {"content", "name"}, "keys that Compose does not know"


def test_the_table_knows_no_other_things() -> None:
    assert set(FIELDS) == set(SCHEMA)


def test_every_reason_is_a_sentence_that_says_something() -> None:
    for thing, keys in FIELDS.items():
        for key, what in keys.items():
            said = what.how if isinstance(what, Carried) else what.reason
            assert len(said) > 2, (thing, key)
            assert not isinstance(what, Refused) or what.hint, (thing, key)


@pytest.mark.parametrize(("thing", "key"), CARRIED)
def test_what_is_carried_makes_a_difference(thing: str, key: str) -> None:
    """The same file with and without the key says different things: in documents, or in what is said about it."""
    place, sample = PLACES.get(thing, ""), samples(thing).get(key, "")
    if thing == "include":
        place, sample = "include: [{path: other.yaml%s}]\nservices: {web: {image: app}}\n", _INCLUDE[key]
        assert outcome(place % sample) != outcome("services: {web: {image: app}}\n")
        return
    assert sample, "write a sample"
    assert outcome(_filled(place, sample)) != outcome(_filled(place, ""))


def samples(thing: str) -> dict[str, str]:
    lines = (line.strip().rpartition(" <- ") for line in SAMPLES.get(thing, "").strip().splitlines())
    return {key or sample.partition(":")[0]: sample for key, _, sample in lines}


_INCLUDE = {"path": "", "project_directory": ", project_directory: ./x", "env_file": ", env_file: a.env"}


@pytest.mark.parametrize("thing", [thing for thing in FIELDS if thing in PLACES])
def test_what_is_not_carried_is_said(thing: str) -> None:
    """Each refused key is refused where it stands; each harmless one that a reader might miss is noted."""
    for key, what in FIELDS[thing].items():
        file = "file: ./c, " if thing in {"config", "secret"} else ""
        text = _filled(PLACES[thing], f"{file}{key}: [some]")
        if isinstance(what, Refused):
            assert f"{key}: can't be carried: {what.reason}" in outcome(text), key
        elif isinstance(what, Harmless) and what.told:
            assert what.reason in outcome(text), key


def test_to_say_what_is_so_anyway_is_to_say_nothing() -> None:
    for words in ("enable_ipv4: true", "enable_ipv6: false"):
        assert "can't be carried" not in outcome(PLACES["network"].replace("%s", words)), words
    assert "can't be carried" in outcome(PLACES["network"].replace("%s", "enable_ipv4: false"))


def test_an_unknown_key_is_an_error_everywhere() -> None:
    for thing, place in PLACES.items():
        assert re.search(r"'nonsense' is no key of a", outcome(_filled(place, "nonsense: 1"))), thing
        assert "'x-nonsense'" not in outcome(_filled(place, "x-nonsense: 1")), thing


def test_the_documentation_has_the_table() -> None:
    """`GOLDEN=write` puts it there."""
    file = Path(__file__).parents[2] / "docs" / "compose.md"
    before, begin, rest = file.read_text().partition("<!-- the table -->\n")
    after = rest.partition("<!-- its end -->\n")[2]
    written = f"{before}{begin}{table()}<!-- its end -->\n{after}"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(written)
    assert file.read_text() == written


def table() -> str:
    lines = []
    for thing, keys in FIELDS.items():
        lines += [f"### {_TITLES.get(thing, thing[:1].upper() + thing[1:])}", "", "| key | |", "|---|---|"]
        lines += [f"| `{key}` | {_said(keys[key])} |" for key in sorted(keys)]
        lines.append("")
    return "\n".join(lines)


_TITLES = {"": "The file", "mount": "Volume of a service", "mount.bind": "Its bind", "mount.volume": "Its volume"}


def _said(what: Carried | Harmless | Refused) -> str:
    match what:
        case Carried(how):
            return how
        case Harmless(reason):
            return f"left out: {reason}"
        case Refused(reason, hint):
            return f"**refused**: {reason} ({hint})"


def _filled(place: str, sample: str) -> str:
    """In block style the first level; elsewhere a comma too many is none."""
    key = sample.partition(":")[0]
    if f"{key}:" in place.partition("%s")[0].rpartition("{")[2] and key in {
        "image",
        "source",
        "target",
        "type",
        "test",
    }:
        place = re.sub(rf"({key}: (\[[^\]]*\]|[^,{{}}]+), )(?=[^{{}}]*%s)", "", place)
    return (place % sample).replace(", }", "}").replace(", ,", ",")


def outcome(text: str) -> str:
    try:
        found = project(text, files=OTHERS, env={"C": "c"})
        documents(found)
    except SpecError as error:
        return str(error)
    told = [f"{problem.path}: {problem.message}" for problem in (*found.notes, *found.missing.values())]
    return "\n".join([found.name, repr(specs(found)), repr([m.node.get("metadata") for m in found.made]), *told])
