"""An apply that finds all as the last one left it, told from that one's note and one look at the engine.

Deciding is a pure function: of the same specs, the same environment, the same kept state and the same world it
says the same again. So an apply that ends with all settled leaves a note with digests of all that it was given
(`noting`). The same command line looks at each of them anew, and at the world. When all are the same,
so is the answer; when anything differs, can't be read or was never noted, the long way is taken.

Imported before anything else of ours, by every `apply`: so it may import next to nothing itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from reconciler.sources.code import code
from reconciler.usual_places import usual_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Facts = dict[str, dict[str, Any]]

LOOK_SECONDS = 5.0
LARGEST = 8 << 20
SETTINGS = (
    "COLUMNS", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY",
    "FORCE_COLOR", "HOME", "NO_COLOR", "RECONCILER_HOME", "TERM", "XDG_CONFIG_HOME", "XDG_STATE_HOME",
)  # fmt: skip
"""What changes our own ways, besides what the specs read."""
LONG_WAY = frozenset(("_RECONCILER_COMPLETE", "RECONCILER_FAILPOINTS", "RECONCILER_FAILPOINTS_TRACE"))
"""Who sets one of these wants to hear of it."""


class Words:
    """What was written to where."""

    __slots__ = ("stderr", "stdout")

    def __init__(self, stdout: str, stderr: str) -> None:
        self.stdout, self.stderr = stdout, stderr


def answer(arguments: Sequence[str], environ: Mapping[str, str]) -> Words | None:
    """What `apply` would say, if it would do nothing. None: find out."""
    if arguments[:1] != ["apply"] or not LONG_WAY.isdisjoint(environ):
        return None
    try:
        place = home(arguments, environ)
        note = _note(note_path(place, arguments))
        if note is None or note["facts"] != facts_again(note["facts"], environ, key(place)):
            return None
        if note["engine"] != stamp(os.stat(note["socket"])):
            return None  # it was started anew, and may have forgotten what happened before
        from reconciler.runtimes.docker.glance import glance

        seen = glance(note["socket"], note["namespace"], note["since"], LOOK_SECONDS)
        return Words(note["stdout"], note["stderr"]) if seen and seen == note["world"] else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # whatever is the matter, the long way says it better


def note_path(home_path: str, arguments: Sequence[str]) -> str:
    """One for each command line and directory: the next apply of the same takes its place."""
    from hashlib import sha256  # the `status` that a daemon tells needs none of this

    spoken = "\0".join((os.getcwd(), *arguments)).encode(errors="surrogateescape")
    return os.path.join(home_path, "cache", f"apply-{sha256(spoken).hexdigest()[:32]}.json")


def home(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """As the settings say, but for the config file: where there is one, no note is made."""
    given = environ.get("RECONCILER_HOME", "")
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--home" or word.startswith("--home="):
            given = following if word == "--home" else word.removeprefix("--home=")
    return usual_home({**environ, "RECONCILER_HOME": given})


# -- facts: what an apply is given besides the world, in a form that can be looked at again


def key(home_path: str) -> bytes:
    """Of all digests: a short secret could be guessed from a plain one."""
    from hashlib import sha256

    with open(os.path.join(home_path, "owner"), "rb") as file:
        return sha256(file.read()).digest()


def facts(
    sealed: bytes,
    *,
    environment: Mapping[str, str],
    variables: Iterable[str],
    files: Mapping[str, bytes | None],
    folders: Mapping[str, Any],
    stamps: Mapping[str, Any],
) -> Facts:
    """`files` by content, `folders` by the names in them, `stamps` of files that only we write."""
    return {
        "code": code(),
        "variables": {name: _digest(sealed, _bytes(environment.get(name))) for name in {*variables, *SETTINGS}},
        "files": {path: _digest(sealed, content) for path, content in files.items()},
        "folders": dict(folders),
        "stamps": dict(stamps),
    }


def facts_again(noted: Facts, environ: Mapping[str, str], sealed: bytes) -> Facts:
    """The same facts as they are now."""
    return facts(
        sealed,
        environment=environ,
        variables=noted["variables"],
        files={path: content_of(path) for path in noted["files"]},
        folders={path: names_in(path) for path in noted["folders"]},
        stamps={path: stamps_in(path) for path in noted["stamps"]},
    )


def content_of(path: str) -> bytes | None:
    """A pipe is for the long way alone: what is read of it here is gone."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(f"{path} is no file that can be read twice")
        with open(path, "rb") as file:
            return file.read(LARGEST)
    except FileNotFoundError:
        return None


def names_in(folder: str) -> list[str]:
    """Without the hidden ones, which are no specs."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def stamps_in(folder: str) -> dict[str, list[int]]:
    """Of a directory of ours, where files are replaced and never written to."""
    with os.scandir(folder) as entries:
        return {entry.name: stamp(entry.stat()) for entry in entries if not entry.name.startswith(".")}


def stamp(facts: os.stat_result) -> list[int]:
    return [facts.st_mtime_ns, facts.st_size, facts.st_ino]


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode(errors="surrogateescape")


def _digest(sealed: bytes, content: bytes | None) -> str | None:
    from hashlib import blake2b

    return None if content is None else blake2b(content, digest_size=16, key=sealed).hexdigest()


def _note(path: str) -> Any:
    """None for no note, and for one that others could have written."""
    import json

    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            return None
        return json.loads(file.read(LARGEST))
