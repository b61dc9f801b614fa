"""Configs and secrets as files in a container: packed into an archive that the engine unpacks before the start.

Not as bind mounts: the engine may see another file system than we do, and a secret would lie on the host's disk.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.errors import Gone, Refused
from reconciler.model.desired import ContainerPayload, Mount

if TYPE_CHECKING:
    from reconciler.runtimes.docker.connection import Connection

from reconciler.runtimes.docker.wire import Request

SECRET = 0o400


def deliver(connection: Connection, container: str, payload: ContainerPayload, doing: str) -> None:
    """Writes them anew each time: what lies there after it is what was declared."""
    mounts = [mount for mount in payload.mounts if mount.files]
    if not mounts:
        return
    uid, gid = 0, 0
    if any(file.mode == SECRET for mount in mounts for file in mount.files):
        uid, gid = _user(connection, container, doing)
    connection.change(Request(f"/containers/{container}/archive?path=/", "PUT", pack(mounts, uid, gid)), doing)


def pack(mounts: list[Mount], uid: int = 0, gid: int = 0) -> bytes:
    """Only files, no directories: the engine makes those that are missing and leaves those that exist as they are."""
    import tarfile  # noqa: PLC0415 -- for those who carry files

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for mount in mounts:
            for file in mount.files:
                content = file.data()
                entry = tarfile.TarInfo(f"{mount.target.strip('/')}/{file.name}")
                entry.mode, entry.size, entry.uid, entry.gid = file.mode, len(content), uid, gid
                tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()[: tar.offset]  # without the padding: Podman stops reading before it, and calls it broken


def _user(connection: Connection, container: str, doing: str) -> tuple[int, int]:
    """Who will run inside, by number: secrets are for nobody else. The image may have its own say about it."""
    inspected: Any = connection.get(f"/containers/{container}/json", doing)
    user, _, group = str(inspected["Config"].get("User") or "0").partition(":")
    uid, own_group = (int(user), 0) if user.isdecimal() else _in_passwd(connection, container, user, doing)
    return uid, int(group) if group.isdecimal() else own_group


def _in_passwd(connection: Connection, container: str, user: str, doing: str) -> tuple[int, int]:
    for line in _read(connection, container, "/etc/passwd", doing).decode(errors="replace").splitlines():
        name, *rest = line.split(":")
        if name == user and len(rest) >= 3 and rest[1].isdecimal() and rest[2].isdecimal():
            return int(rest[1]), int(rest[2])
    raise Refused(
        f"{doing}: the image knows no user {user!r}, to whom its secrets would belong",
        hint="use a user of the image, or a number",
    )


def content(connection: Connection, container: str, path: str, doing: str) -> bytes | None:
    """Of one file in it. None: there is none."""
    try:
        return _read(connection, container, path, doing)
    except Refused:
        return None


def _read(connection: Connection, container: str, path: str, doing: str) -> bytes:
    import tarfile  # noqa: PLC0415 -- for those who carry files

    try:
        reply = connection.ask(Request(f"/containers/{container}/archive?path={quote(path)}"), doing)
    except Gone:
        return b""  # the image has no such file; scratch images have none
    with tarfile.open(fileobj=io.BytesIO(reply.body)) as tar:
        file = next((tar.extractfile(member) for member in tar if member.isfile()), None)
        return file.read() if file else b""
