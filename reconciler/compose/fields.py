"""Every key of the Compose specification, and what becomes of it: one table, which nothing gets past.

`Carried` says as what. `Harmless` is left out, with its reason told as a note. `Refused` is an error with its reason
and the next step, unless somebody asks for leniency: then it is left out, and listed. Keys that begin with x- are free.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Carried:
    how: str


@dataclass(frozen=True, slots=True)
class Harmless:
    reason: str
    told: bool = True
    """Whether it is worth a note; what no reader of the file would miss is not."""


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str
    hint: str = "remove it, or leave it out with `reconciler import compose --lenient`"
    usual: bool = False
    """What a truth is where nothing is said: to say the same is to say nothing."""


Field = Carried | Harmless | Refused

_SWARM = Harmless("it is for a swarm; Compose does nothing with it either")
_BUILDER = "our builds take a context, a Dockerfile, arguments and a target"
_LABELS = Carried("metadata.annotations")
_RESOURCE_LABELS = Carried("metadata.annotations; the engine's object gets no labels but ours")
_KERNEL = "the engine's setting is not one of a spec's"
_NAMESPACE = "namespaces of the kernel are each container's own here"
_ADDRESS = "addresses are the engine's choice; services are found by name"

FIELDS: Mapping[str, Mapping[str, Field]] = {
    "": {
        "version": Harmless("it has no meaning any more", told=False),
        "name": Carried("the namespace"),
        "include": Carried("what the included files declare"),
        "services": Carried("Service; Job where others wait for its completion"),
        "networks": Carried("Network"),
        "volumes": Carried("Volume"),
        "configs": Carried("Config"),
        "secrets": Carried("Secret"),
        "models": Refused("language models are not run here", "run one as a service, and name its address"),
    },
    "include": {
        "path": Carried("the files, merged in order"),
        "project_directory": Carried("where their relative paths begin"),
        "env_file": Carried("their variables"),
    },
    "service": {
        "annotations": Refused("annotations of the engine's runtime are not set", "labels are carried"),
        "attach": Harmless("it is about what `compose up` prints", told=False),
        "blkio_config": Refused("block I/O is not limited here"),
        "build": Carried("container.build"),
        "cap_add": Carried("container.capAdd"),
        "cap_drop": Carried("container.capDrop"),
        "cgroup": Refused(_NAMESPACE),
        "cgroup_parent": Refused(_KERNEL),
        "command": Carried("container.command; a string is split as a shell splits it"),
        "configs": Carried("a Config in volumes"),
        "container_name": Harmless("containers are called <namespace>-<service>-<index>; it is an alias"),
        "cpu_count": Refused("it is for Windows", "use cpus"),
        "cpu_percent": Refused("it is for Windows", "use cpus"),
        "cpu_period": Refused("shares of time are written in cores here", "use cpus"),
        "cpu_quota": Refused("shares of time are written in cores here", "use cpus"),
        "cpu_rt_period": Refused(_KERNEL),
        "cpu_rt_runtime": Refused(_KERNEL),
        "cpu_shares": Refused("there are limits here, and no weights", "use cpus"),
        "cpus": Carried("resources.cpus"),
        "cpuset": Refused("containers are not bound to processors here", "use cpus"),
        "credential_spec": Refused("it is for Windows"),
        "depends_on": Carried("dependsOn"),
        "deploy": Carried("see below"),
        "develop": Harmless("it is for `compose watch`; a mounted directory is seen at once"),
        "device_cgroup_rules": Refused(_KERNEL, "name the devices in devices"),
        "devices": Carried("container.devices"),
        "dns": Refused("names are resolved by the engine", "put single names into extra_hosts"),
        "dns_opt": Refused("names are resolved by the engine"),
        "dns_search": Refused("names are resolved by the engine"),
        "domainname": Refused("there is no domain name of a container here", "write it into hostname"),
        "entrypoint": Carried("container.entrypoint; a string is split as a shell splits it"),
        "env_file": Carried("envFrom; env, where Compose reads the file in another way than we do"),
        "environment": Carried("env"),
        "expose": Harmless("containers on one network reach each other's ports without it", told=False),
        "extends": Carried("what it extends, merged"),
        "external_links": Refused("it names containers of somebody else", "join their network, declared as external"),
        "extra_hosts": Carried("container.extraHosts"),
        "gpus": Carried("container.gpus"),
        "group_add": Refused("a container has one user and one group here", "write user: user:group"),
        "healthcheck": Carried("probes.readiness"),
        "hostname": Carried("container.hostname"),
        "image": Carried("container.image"),
        "init": Carried("container.init"),
        "ipc": Refused(_NAMESPACE, "shm_size gives it shared memory of its own"),
        "isolation": Refused("it is for Windows"),
        "label_file": Refused("labels are not read from files", "write them into labels"),
        "labels": Carried("container.labels"),
        "links": Carried("dependsOn, and container.aliases of the one it links to"),
        "logging": Carried("the engine's own files, which `reconciler logs` reads"),
        "mac_address": Refused(_ADDRESS),
        "mem_limit": Carried("resources.memory"),
        "mem_reservation": Refused("there are limits here, and no reservations", "use mem_limit"),
        "mem_swappiness": Refused("a container with a limit of memory does not swap here"),
        "memswap_limit": Refused("a container with a limit of memory does not swap here", "use mem_limit"),
        "models": Refused("language models are not run here"),
        "network_mode": Carried("container.networks: host, none or bridge, as external networks"),
        "networks": Carried("container.networks"),
        "oom_kill_disable": Refused(_KERNEL),
        "oom_score_adj": Refused(_KERNEL),
        "pid": Refused(_NAMESPACE),
        "pids_limit": Carried("resources.pids"),
        "platform": Refused("images are those of this machine's platform", "remove it; a digest in image says which"),
        "ports": Carried("ports, published where Compose publishes them"),
        "post_start": Refused("nothing is run in a container once it has started", "make it a service with depends_on"),
        "pre_stop": Refused("nothing is run in a container before it stops", "let the program act on its stop_signal"),
        "privileged": Carried("container.privileged"),
        "profiles": Carried("by leaving out what no active profile names"),
        "provider": Refused("it is made by a plugin of Compose"),
        "pull_policy": Carried("container.pullPolicy"),
        "pull_refresh_after": Refused("images are not refreshed by age", "pull_policy: always"),
        "read_only": Refused("the container's own file system is writable here"),
        "restart": Carried("restart.policy"),
        "runtime": Refused("it is run by the engine's own runtime"),
        "scale": Carried("replicas"),
        "secrets": Carried("a Secret in volumes"),
        "security_opt": Refused("security options are the engine's defaults here"),
        "shm_size": Carried("container.shmSize"),
        "stdin_open": Carried("container.tty, which keeps a shell waiting; `reconciler attach` opens one of its own"),
        "stop_grace_period": Carried("stop.graceSeconds"),
        "stop_signal": Carried("stop.signal"),
        "storage_opt": Refused("it depends on the engine's storage driver"),
        "sysctls": Refused(_KERNEL, "set it on the host"),
        "tmpfs": Refused("there are no volumes in memory here", "shm_size sizes /dev/shm; else name a volume"),
        "tty": Carried("container.tty"),
        "ulimits": Refused("limits of open files and the like are the engine's defaults here"),
        "use_api_socket": Refused("the engine's socket is given to nobody by itself", "mount it, if you must"),
        "user": Carried("container.user"),
        "userns_mode": Refused(_NAMESPACE),
        "uts": Refused(_NAMESPACE, "write hostname"),
        "volumes": Carried("volumes"),
        "volumes_from": Refused("it mounts what another service mounts", "write these volumes here too"),
        "working_dir": Carried("container.workingDir"),
    },
    "build": {
        "context": Carried("container.build.context"),
        "dockerfile": Carried("container.build.dockerfile"),
        "args": Carried("container.build.args"),
        "target": Carried("container.build.target"),
        "dockerfile_inline": Refused(_BUILDER, "write it into a file, and name that in dockerfile"),
        "additional_contexts": Refused(_BUILDER),
        "entitlements": Refused(_BUILDER),
        "extra_hosts": Refused(_BUILDER),
        "isolation": Refused("it is for Windows"),
        "labels": Harmless("labels of an image change nothing about what runs"),
        "network": Refused(_BUILDER),
        "platforms": Refused("images are built for this machine"),
        "privileged": Refused(_BUILDER),
        "pull": Refused(_BUILDER, "pull the base image yourself"),
        "secrets": Refused(_BUILDER),
        "shm_size": Refused(_BUILDER),
        "ssh": Refused(_BUILDER),
        "tags": Refused(_BUILDER, "write the name into image"),
        "ulimits": Refused(_BUILDER),
        "cache_from": Harmless("a cache changes nothing about what is built"),
        "cache_to": Harmless("a cache changes nothing about what is built"),
        "no_cache": Harmless("a cache changes nothing about what is built"),
        "provenance": Harmless("it changes nothing about what runs"),
        "sbom": Harmless("it changes nothing about what runs"),
    },
    "config of a service": {
        "source": Carried("which Config or Secret"),
        "target": Carried("volumes.mountPath and the key"),
        "uid": Harmless("files of a Config are everybody's to read; those of a Secret are the container's user's"),
        "gid": Harmless("files of a Config are everybody's to read; those of a Secret are the container's user's"),
        "mode": Harmless("files of a Config have the mode 0444, those of a Secret 0400"),
    },
    "dependency": {
        "condition": Carried("dependsOn.condition"),
        "required": Carried("a service that is not there is no dependency"),
        "restart": Refused("a new dependency does not restart who uses it", "let the program reconnect, or restart it"),
    },
    "device": {
        "source": Carried("container.devices"),
        "target": Carried("container.devices"),
        "permissions": Carried("container.devices"),
    },
    "env_file": {
        "path": Carried("envFrom.file"),
        "required": Carried("a file that is not there brings no variables"),
        "format": Refused("env files are read in one format", "remove format; write values in single quotes"),
    },
    "extends": {"service": Carried("which one"), "file": Carried("of which file")},
    "gpu": {
        "count": Carried("container.gpus"),
        "device_ids": Carried("container.gpus"),
        "capabilities": Carried("container.gpus, for gpu and what comes with it"),
        "driver": Harmless("the engine knows which driver its GPUs have"),
        "options": Refused("options of a GPU's driver are not passed on"),
    },
    "healthcheck": {
        "test": Carried("probes.readiness.exec"),
        "interval": Carried("probes.readiness.periodSeconds"),
        "timeout": Carried("probes.readiness.timeoutSeconds"),
        "retries": Carried("probes.readiness.failureThreshold"),
        "start_period": Carried("probes.startup, which is asked until it succeeds, and has no end"),
        "start_interval": Carried("probes.startup.periodSeconds; 5 without, as with Compose"),
        "disable": Carried("no probe"),
    },
    "logging": {
        "driver": Carried("json-file and local are as it is anyway; another one is refused"),
        "options": Harmless("the engine's files are bounded by us: three of 10 MB"),
    },
    "network of a service": {
        "aliases": Carried("container.aliases, on all of its networks"),
        "driver_opts": Refused(_KERNEL),
        "gw_priority": Refused("the first network is the one with the gateway"),
        "interface_name": Refused("interfaces are named by the engine"),
        "ipv4_address": Refused(_ADDRESS),
        "ipv6_address": Refused(_ADDRESS),
        "link_local_ips": Refused(_ADDRESS),
        "mac_address": Refused(_ADDRESS),
        "priority": Refused("networks are joined in the order in which they stand"),
    },
    "port": {
        "target": Carried("ports.port"),
        "published": Carried("ports.hostPort; auto without"),
        "host_ip": Carried("ports.bind; 0.0.0.0 without"),
        "protocol": Carried("ports.protocol"),
        "name": Carried("ports.name"),
        "app_protocol": Harmless("it says what is spoken, which changes nothing"),
        "mode": Harmless("without a swarm host and ingress are the same"),
    },
    "mount": {
        "type": Carried("which of volume and hostPath; tmpfs, image, npipe and cluster are refused"),
        "source": Carried("volumes.volume or volumes.hostPath"),
        "target": Carried("volumes.mountPath"),
        "read_only": Carried("volumes.readOnly"),
        "bind": Carried("see below"),
        "volume": Carried("see below"),
        "consistency": Harmless("it is for Docker Desktop"),
        "image": Refused("images are not mounted"),
        "tmpfs": Refused("there are no volumes in memory here"),
    },
    "mount.bind": {
        "create_host_path": Carried("by a note where the path is to be made: here it has to be there"),
        "propagation": Refused("mounts made later are not passed on"),
        "recursive": Refused("what is mounted beneath comes along"),
        "selinux": Refused("files are not relabelled for SELinux", "relabel them with chcon"),
    },
    "mount.volume": {
        "labels": Harmless("labels of a volume change nothing about what runs"),
        "nocopy": Refused("a new volume begins with what the image has there"),
        "subpath": Refused("a volume is mounted whole"),
    },
    "deploy": {
        "replicas": Carried("replicas"),
        "resources": Carried("see below"),
        "restart_policy": Carried("restart, where the service says nothing itself"),
        "mode": Carried("replicated; the rest is refused"),
        "endpoint_mode": _SWARM,
        "labels": _SWARM,
        "placement": Harmless("there is but one machine"),
        "rollback_config": _SWARM,
        "update_config": _SWARM,
    },
    "resources": {"limits": Carried("resources"), "reservations": Carried("container.gpus, for devices")},
    "limits": {
        "cpus": Carried("resources.cpus"),
        "memory": Carried("resources.memory"),
        "pids": Carried("resources.pids"),
    },
    "reservations": {
        "devices": Carried("container.gpus"),
        "cpus": Harmless("nothing is scheduled here, so nothing is reserved"),
        "memory": Harmless("nothing is scheduled here, so nothing is reserved"),
        "generic_resources": _SWARM,
    },
    "restart_policy": {
        "condition": Carried("restart.policy"),
        "delay": Carried("restart.initialSeconds"),
        "max_attempts": Harmless("it is tried ever more seldom, and never given up"),
        "window": Carried("restart.resetAfterSeconds"),
    },
    "network": {
        "name": Carried("spec.name; of one that is external"),
        "driver": Carried("driver"),
        "external": Carried("external"),
        "internal": Carried("internal"),
        "ipam": Carried("subnet"),
        "labels": _RESOURCE_LABELS,
        "attachable": Harmless("a network of one machine can be joined by whoever may"),
        "driver_opts": Refused("options of a network's driver are not passed on", "make it, and declare it external"),
        "enable_ipv4": Refused("which addresses there are is the engine's choice", usual=True),
        "enable_ipv6": Refused("which addresses there are is the engine's choice"),
    },
    "ipam": {
        "config": Carried("subnet, of the only one"),
        "driver": Carried("default; others are refused"),
        "options": Refused("options of the address driver are not passed on"),
    },
    "ipam config": {
        "subnet": Carried("subnet"),
        "gateway": Refused("the gateway is the engine's choice"),
        "ip_range": Refused("addresses come from the whole subnet"),
        "aux_addresses": Refused("addresses come from the whole subnet"),
    },
    "volume": {
        "name": Carried("spec.name; of one that is external"),
        "driver": Carried("driver"),
        "driver_opts": Carried("options"),
        "external": Carried("external"),
        "labels": _RESOURCE_LABELS,
    },
    "config": {
        "file": Carried("files"),
        "content": Carried("data"),
        "environment": Carried("data"),
        "name": Harmless("it is called as it is declared"),
        "labels": _LABELS,
        "external": Refused("it would be a swarm's", "declare it with file, content or environment"),
        "template_driver": _SWARM,
    },
    "secret": {
        "file": Carried("files"),
        "content": Carried("data"),
        "environment": Carried("env"),
        "name": Harmless("it is called as it is declared"),
        "labels": _LABELS,
        "external": Refused("it would be a swarm's", "declare it with file or environment"),
        "driver": _SWARM,
        "driver_opts": _SWARM,
        "template_driver": _SWARM,
    },
}  # fmt: skip
"""By the thing that has them; "" is the file itself."""
