"""Images that are built here: made where they are missing, and taken away once nobody runs them any more.

By the engine's own builder, over the bare socket: the context goes out as an archive, and what comes back is told as it
comes. An image gets its name only at the very end, when all that was sent is known to be what was to be built.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from reconciler.core.fingerprint import build_digest
from reconciler.core.render import BUILT
from reconciler.errors import Gone, ImageUnavailable, Refused, Unreachable
from reconciler.failpoints import failpoint
from reconciler.model import labels
from reconciler.model.desired import Build, ContainerPayload, Desired
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.runtimes.docker.connection import Connection
from reconciler.runtimes.docker.dialect import build_line, familiar
from reconciler.runtimes.docker.errors import tidy, unknown
from reconciler.runtimes.docker.wire import Request, Stream, answer

BUILD_SECONDS = 1800.0
LAST_LINES = 8
DONE = "built"
LONGEST = 200
"""Characters of a line that are told."""
STEP = re.compile(r"^Step \d+/\d+ : ")
NAMELESS = "<none>:<none>"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FINISHED = re.compile(r"^Successfully built ([0-9a-f]{12,64})$")
LOST = re.compile(r"failed to get digest sha256:|unknown parent image|No such image: sha256:")
"""A layer that this build was to go on from went away meanwhile, with somebody else's image."""
BUILDKIT = re.compile(r"buildkit|unknown flag: (mount|link|chmod|parents)|--mount|heredoc", re.IGNORECASE)

Progress = Callable[[str, str], None]


class Builds:
    def __init__(self, connection: Connection, owner: str, progress: Progress | None = None) -> None:
        self._connection = connection
        self._owner = owner
        self._progress = progress
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def prepare(self, desired: Desired, payload: ContainerPayload, build: Build) -> None:
        """One of the right name that was made from something else counts as missing."""
        with self._locks[payload.image]:  # a hundred instances of one image build it once
            if self._is_here(payload.image, build_digest(build)):
                return
            try:
                made = self._build(desired, payload, build)
            except ImageUnavailable as error:
                if not LOST.search(error.message):
                    raise
                made = self._build(desired, payload, build)
            failpoint("docker.image.built")
            name, _, tag = payload.image.rpartition(":")
            if not name or "/" in tag:
                name, tag = payload.image, "latest"
            path = f"/images/{made}/tag?{urlencode({'repo': name, 'tag': tag})}"
            self._connection.post(path, f"naming image {payload.image}")
            self._tell(payload.image, DONE)

    def tidy(self, desired: Desired) -> None:
        """Those of its former builds that nobody runs any more. Whoever is used stays, and is taken by the next one."""
        assert isinstance(desired.payload, ContainerPayload), "only containers are built"
        self._tidy(f"{desired.key.namespace}/{desired.key.name}", desired.payload.image)

    def tidy_after(self, seen: Observed) -> None:
        """The old one may have gone last. An engine tells an image by its id once its name has moved on."""
        if seen.key is not None and seen.image.startswith((f"{BUILT}/", "sha256:")):
            self._tidy(f"{seen.key.namespace}/{seen.key.name}", "")

    def clear_away(self, key: Key) -> None:
        """All of them: nobody declares any more what they were built for."""
        self._tidy(f"{key.namespace}/{key.name}", "", keep=0)

    def _tidy(self, whose: str, current: str, *, keep: int = 1) -> None:
        """Without a current one the newest stays: it is what the next start needs. No error: an image too many hurts
        nobody, and the next change comes by again.
        """
        wanted = _filters(label=[f"{labels.BUILT_FOR}={whose}"])  # of two labels at once Podman finds nothing
        listed = self._connection.ask_gently(f"/images/json?filters={wanted}") or ()
        ours = [image for image in listed if (image.get("Labels") or {}).get(labels.BUILT_BY) == self._owner]
        mine = sorted(ours, key=lambda image: (image.get("Created", 0), image.get("Id", "")))
        for image in mine if current else mine[: len(mine) - keep]:
            names = [name for name in image.get("RepoTags") or () if name != NAMELESS]
            if current not in {familiar(name, current) for name in names}:
                self._remove(str(image["Id"]), names)

    def _remove(self, image: str, names: list[str]) -> None:
        """By its names, never by force: one that somebody runs, or has given another name, is refused or stays."""
        used = self._connection.ask_gently(f"/containers/json?all=1&filters={_filters(ancestor=[image])}")
        if used is None or used:
            return
        for name in names or [image]:
            with suppress(Refused, Unreachable):
                self._connection.delete(f"/images/{quote(name, safe='/:@')}", f"removing image {name}", minding={409})

    def _is_here(self, image: str, digest: str) -> bool:
        try:
            found: Any = self._connection.get(f"/images/{quote(image, safe='/:@')}/json", f"image {image}")
        except (Gone, ImageUnavailable):
            return False
        worn = (found.get("Config") or {}).get("Labels") or {}
        return bool(worn.get(labels.BUILT_FROM) == digest)

    def _build(self, desired: Desired, payload: ContainerPayload, build: Build) -> str:
        """Its id."""
        size, pieces = build.context.archive()
        doing = f"building image {payload.image}"
        stream = Stream(self._connection.endpoint, time.monotonic() + BUILD_SECONDS, BUILD_SECONDS)
        try:
            stream.send(_head(_query(desired, payload, build), size, _credentials()))
            _send(stream, pieces)
            stream.read_head()
            if stream.status >= 400:
                reply = answer(stream.status, b"".join(stream.pieces()), self._connection.endpoint)
                raise _failed(payload.image, "", tidy(reply.message), ())
            return self._followed(payload.image, stream, doing)
        except Unreachable as error:
            raise unknown(doing, error.message) from error
        finally:
            stream.close()

    def _followed(self, image: str, stream: Stream, doing: str) -> str:
        """The engine says 200 first and fails later, in the stream."""
        last: deque[str] = deque(maxlen=LAST_LINES)
        step, made = "", ""
        for told in _messages(stream):
            for line in map(build_line, COLOURS.sub("", str(told.get("stream") or "")).splitlines()):
                if found := FINISHED.match(line.strip()):
                    made = found[1]
                if STEP.match(line):
                    step = line.strip()
                    last.clear()
                    if f"LABEL {labels.PREFIX}." not in step:  # those are ours, and no news to anybody
                        self._tell(image, step)
                elif line.strip():
                    last.append(line.rstrip())
            if words := told.get("error"):
                raise _failed(image, step, str(words), tuple(last))
            aux = told.get("aux")
            made = str(aux["ID"]) if isinstance(aux, Mapping) and aux.get("ID") else made
        if not made:
            raise unknown(doing, "the engine stopped telling before it was done")
        return made

    def _tell(self, image: str, words: str) -> None:
        if self._progress:
            self._progress(image, words)


def _query(desired: Desired, payload: ContainerPayload, build: Build) -> str:
    marks = {
        labels.BUILT_BY: desired.owner,
        labels.BUILT_FOR: f"{desired.key.namespace}/{desired.key.name}",
        labels.BUILT_FROM: build_digest(build),
    }
    asked = {
        "dockerfile": build.context.dockerfile,
        "buildargs": json.dumps(dict(build.args)),
        "labels": json.dumps(marks),
        "rm": "1",
        "forcerm": "1",
        "target": build.target,
        "nocache": "1" if build.rebuilt_at else "",
        "pull": "1" if payload.pull_policy == labels.ALWAYS else "",
    }
    return urlencode({name: value for name, value in asked.items() if value})


def _head(query: str, size: int, credentials: str) -> bytes:
    """The length is known beforehand: nothing that is sent has to be in memory at once."""
    further = (f"Content-Length: {size}", *([f"X-Registry-Config: {credentials}"] if credentials else []))
    lines = ("Content-Type: application/x-tar", *further)
    request = Request(f"/build?{query}", "POST", None, lines).encode().decode()
    # What is encoded says that it has no body; the length that stands here is the archive's.
    kept = [
        line for line in request.split("\r\n") if line not in ("Content-Length: 0", "Content-Type: application/json")
    ]
    return "\r\n".join(kept).encode()


def _send(stream: Stream, pieces: Iterator[bytes]) -> None:
    """Who has heard enough hangs up, and says why: that is read in any case."""
    for piece in pieces:
        try:
            stream.send(piece)
        except Unreachable as error:
            if isinstance(error.__cause__, BrokenPipeError | ConnectionResetError):
                return
            raise


def _messages(stream: Stream) -> Iterator[Mapping[str, Any]]:
    rest = b""
    for piece in stream.pieces():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            with suppress(ValueError):
                told = json.loads(line)
                if isinstance(told, Mapping):
                    yield told
    with suppress(ValueError):
        told = json.loads(rest) if rest.strip() else None
        if isinstance(told, Mapping):
            yield told


def _failed(image: str, step: str, words: str, last: tuple[str, ...]) -> ImageUnavailable:
    """With what it said last: a step's exit code says nothing without it."""
    where = f" at {step!r}" if step else ""
    lines = [line.strip()[:LONGEST] for line in last if not line.startswith((" ---> ", "Removing intermediate "))]
    said = f"; what it said last: {' | '.join(lines)}" if lines else ""
    hint = "put it right in the Dockerfile or its context, and apply again"
    if BUILDKIT.search(words):
        hint = (
            "this needs BuildKit, which the engine offers to its own client alone: build it there, and name the image"
        )
    return ImageUnavailable(f"the build of {image} failed{where}: {words.strip()}{said}", hint=hint)


def _credentials() -> str:
    """Of a person's registries, as the engine's own client would pass them on: what it starts from may be private."""
    from docker import auth, errors  # noqa: PLC0415 -- 140 ms, for those who build

    try:
        found = auth.load_config().get_all_credentials()  # type: ignore[no-untyped-call]
    except errors.DockerException:
        return ""
    return base64.urlsafe_b64encode(json.dumps(found).encode()).decode() if found else ""


def _filters(**wanted: list[str]) -> str:
    return quote(json.dumps(wanted))
