"""Files in and out of a container, running or not: what lies where, and trees as tar streams."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from urllib.parse import quote

from reconciler.errors import Gone, Unreachable
from reconciler.ports import Entry
from reconciler.runtimes.docker.connection import READ_SECONDS, WRITE_SECONDS, Connection
from reconciler.runtimes.docker.errors import garbled, refusal, unknown
from reconciler.runtimes.docker.wire import Request, Stream

STAT = "x-docker-container-path-stat"
DIRECTORY, LINK = 1 << 31, 1 << 27
"""Bits of a mode, as Go counts them."""


def entry(connection: Connection, container: str, path: str, doing: str) -> Entry | None:
    try:
        stream = connection.open(Request(_place(container, path), "HEAD"), doing)
    except Gone:
        return None
    with closing(stream):
        told = stream.headers.get(STAT, "")
    try:
        found = json.loads(base64.b64decode(told))
        mode, target = int(found["mode"]), str(found.get("linkTarget") or "")
    except (ValueError, LookupError, TypeError) as error:
        raise garbled(connection.endpoint, f"{told!r} about {path}") from error
    return Entry(path, directory=bool(mode & DIRECTORY), target=target if mode & LINK else "")


def fetch(connection: Connection, container: str, path: str, doing: str) -> Iterator[bytes]:
    with closing(connection.open(Request(_place(container, path)), doing)) as stream:
        while True:
            stream.deadline = time.monotonic() + WRITE_SECONDS  # each piece has its own: it may be a long way
            piece = stream.read()
            if not piece:
                return
            yield piece


def deliver(connection: Connection, container: str, directory: str, pieces: Iterable[bytes], doing: str) -> None:
    """Its length is not known beforehand, so it goes in chunks, which HTTP/1.0 does not know."""
    path = f"{_place(container, directory)}&noOverwriteDirNonDir=true"
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n"
        "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with closing(Stream(connection.endpoint, time.monotonic() + READ_SECONDS, WRITE_SECONDS)) as stream:
        stream.send(head.encode())
        try:
            _send(stream, pieces)
            stream.deadline, stream.talking = time.monotonic() + WRITE_SECONDS, True
            reply = stream.reply()
        except Unreachable as error:
            raise unknown(doing, error.message) from error
    if reply.status >= 400:
        raise refusal(reply.status, reply.message, doing)


def _send(stream: Stream, pieces: Iterable[bytes]) -> None:
    """Who has heard enough hangs up, and says why: that is read in any case."""
    for piece in pieces:
        if not piece:
            continue  # it would be the end
        stream.deadline = time.monotonic() + WRITE_SECONDS
        try:
            stream.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        except Unreachable as error:
            if isinstance(error.__cause__, BrokenPipeError | ConnectionResetError):
                return
            raise
    stream.send(b"0\r\n\r\n")


def _place(container: str, path: str) -> str:
    return f"/containers/{container}/archive?path={quote(path, safe='')}"
