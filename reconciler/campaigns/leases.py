"""What only one run on this machine may use at a time: GPUs and other devices, by name, for all users' homes alike.

All or none, and in one order, so that two never wait for each other. The kernel lets go of them with their holder.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.filelock import locked
from reconciler.kinds.campaign import CampaignSpec
from reconciler.kinds.service import ServiceSpec

POLL = 0.2
EVERY_GPU = "gpus"
"""Held by all that use some GPUs, together; and alone by who uses all, or any."""


def wanted(campaign: CampaignSpec, spec: ServiceSpec) -> dict[str, bool]:
    """Names, and whether each is wanted alone. Those that are given, or else the container's devices."""
    if campaign.leases:
        return dict.fromkeys(campaign.leases, True)
    container = spec.container
    if container is None:
        return {}
    found = {f"device{device.split(':')[0].replace('/', '-')}": True for device in container.devices}
    if not container.gpus:
        return found
    ids = [part.strip() for part in container.gpus.split(",")]
    if container.gpus == "all" or (len(ids) == 1 and ids[0].isdecimal()):  # one number says how many, not which
        return {**found, EVERY_GPU: True}
    return {**found, EVERY_GPU: False, **{f"gpu{one}".replace("/", "-"): True for one in ids}}


@contextmanager
def held(names: Mapping[str, bool], title: str, note: Callable[[str], None]) -> Iterator[None]:
    """Until the end of the block. Waits for whoever has one of them, and says once who that is."""
    noted = ""
    with ExitStack() as stack:
        while taken := _taken(names, title, stack):
            if taken != noted:
                note(f"{title} waits: {taken}")
                noted = taken
            time.sleep(POLL)
        yield


def _taken(names: Mapping[str, bool], title: str, stack: ExitStack) -> str:
    """Who has one of them; empty once all are ours."""
    with ExitStack() as attempt:
        for name in sorted(names):
            descriptor = _open(name)
            attempt.callback(os.close, descriptor)
            if not locked(descriptor, shared=not names[name]):
                who = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
                return f"{name} is held by {who or 'somebody'}"
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{title} (pid {os.getpid()})".encode(), 0)
        stack.push(attempt.pop_all())
    return ""


def _open(name: str) -> int:
    place = folder()
    try:
        return os.open(place / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ReconcilerError(
            f"lease {name}: {place / name}: {error.strerror}", hint="--no-lease does without"
        ) from error


def folder() -> Path:
    """Of this user on this machine, whatever the environment says: a job of cron's has to find the same. What somebody
    else has put in its place is not used.
    """
    user = os.getuid()
    base = Path(f"/run/user/{user}")
    place = base / "reconciler-leases" if base.is_dir() else Path(f"/tmp/reconciler-leases-{user}")  # noqa: S108
    try:
        place.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise ReconcilerError(f"{place} is no directory", hint="remove it, or use --no-lease") from error
    seen = place.lstat()
    if seen.st_uid != user or seen.st_mode & 0o022 or not stat.S_ISDIR(seen.st_mode):
        raise ReconcilerError(f"{place} belongs to somebody else", hint="remove it, or use --no-lease")
    return place
