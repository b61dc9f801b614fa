"""The images that tests run, made from this machine's own busybox: no registry is involved."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import quote

from tests.engine_api import Engine, EngineError

REPOSITORY = "reconciler-test"
VERSIONS = {"latest": "one", "2": "two"}
"""Two tags with different content: /www/index.html says which."""

EXAMPLES = "busybox:1.37"
"""What the examples in specs/ run. Where the engine has the real one, that is used."""

BUSYBOX = Path("/bin/busybox")
RECIPE = "1"
"""Counted up when the content changes, so that an engine with older images gets new ones."""

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = "root:x:0:\napp:x:1000:\nnogroup:x:65534:\n"


def ensure_images(engine: Engine) -> None:
    """Makes those that are missing or out of date."""
    stamp = hashlib.sha256(RECIPE.encode() + BUSYBOX.read_bytes()).hexdigest()[:16]
    for tag, text in VERSIONS.items():
        if _stamp_of(engine, f"{REPOSITORY}:{tag}") != f"{stamp}-{text}":
            _make(engine, tag, text, f"{stamp}-{text}")
    if _stamp_of(engine, EXAMPLES) not in {THEIRS, f"{stamp}-{VERSIONS['latest']}"}:
        repository, _, tag = EXAMPLES.partition(":")
        engine.post(f"/images/{REPOSITORY}:latest/tag?repo={repository}&tag={tag}")


THEIRS = "not made here"


def _stamp_of(engine: Engine, image: str) -> str:
    """Which version of ours it is; empty when there is none."""
    try:
        return (engine.get(f"/images/{image}/json")["Config"].get("Labels") or {}).get("recipe", THEIRS)
    except EngineError as error:
        if error.status != 404:
            raise
        return ""


def _make(engine: Engine, tag: str, text: str, stamp: str) -> None:
    changes = ["ENV PATH=/bin", 'CMD ["sh"]', f"LABEL recipe={stamp}"]
    query = "&".join(f"changes={quote(change)}" for change in changes)
    engine.call("POST", f"/images/create?fromSrc=-&repo={REPOSITORY}:{tag}&{query}", raw=_content(text))


def _content(text: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("www", 0o755)):
            _add(tar, name, mode=mode, kind=tarfile.DIRTYPE)
        _add(tar, "bin/busybox", BUSYBOX.read_bytes(), mode=0o755)
        for applet in _applets():
            _add(tar, f"bin/{applet}", link="busybox", kind=tarfile.SYMTYPE)
        _add(tar, "etc/passwd", PASSWD.encode())
        _add(tar, "etc/group", GROUP.encode())
        _add(tar, "www/index.html", f"{text}\n".encode())
    return archive.getvalue()


def _applets() -> list[str]:
    """What this busybox can do, apart from its own name."""
    listed = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split() if name != "busybox"]


def _add(
    tar: tarfile.TarFile,
    name: str,
    data: bytes = b"",
    *,
    mode: int = 0o644,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.type, member.linkname, member.size = mode, kind, link, len(data)
    tar.addfile(member, io.BytesIO(data))
