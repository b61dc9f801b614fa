"""Where a person works in a workload: its working directory, or where the work itself is mounted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts
    from reconciler.model.key import Key

WORKSPACES = "/workspaces"
"""Where editors look for it, by their own convention."""


def declared(parts: Parts, key: Key) -> str:
    """Empty where the workload's own directory is as good as any: no other is named."""
    spec = next((r.spec for r in parts.source.resources(key.namespace) if r.key == key and not r.deleting), None)
    return of(spec) if spec else ""


def of(spec: Any) -> str:
    """A container's only. A process has its directory from where it was declared, and is entered there anyway."""
    from reconciler.kinds.workspace import working_directory

    container = getattr(spec, "container", None)
    if container is None:
        return ""
    if own := working_directory(spec):
        return own
    mounts = [mount.mount_path for mount in spec.volumes if mount.mount_path]
    return next((path for path in mounts if os.path.dirname(os.path.normpath(path)) == WORKSPACES), "")
