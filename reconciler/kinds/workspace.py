"""A directory of the host to work in: where it lies inside, and that it lies there once."""

from __future__ import annotations

from reconciler.kinds.workload import Container, VolumeMount, Workload

WORKSPACES = "/workspaces"
"""Where the workspaces of containers lie."""


def mounts(spec: Workload) -> tuple[VolumeMount, ...]:
    """All of them, the workspace among them; but what lies there already is not mounted twice. Of an anchored spec."""
    container = spec.container
    if not container or not container.workspace or _mounted(spec):
        return spec.volumes
    target = _workspace(container)
    if any(mount.mount_path.rstrip("/") == target for mount in spec.volumes):
        return spec.volumes
    return (*spec.volumes, VolumeMount(host_path=container.workspace, mount_path=target))


def working_directory(spec: Workload) -> str:
    """Where a container's command starts: as it says, else in its workspace. Empty: as its image says."""
    container = spec.container
    if container is None or container.working_dir or not container.workspace:
        return container.working_dir if container else ""
    return _mounted(spec) or _workspace(container)


def _mounted(spec: Workload) -> str:
    """Where the workspace lies by a volume of its own."""
    assert spec.container, "asked before"
    place = spec.container.workspace
    return next((mount.mount_path for mount in spec.volumes if mount.host_path == place), "")


def _workspace(container: Container) -> str:
    return f"{WORKSPACES}/{container.workspace.rstrip('/').rpartition('/')[2] or 'root'}"
