"""What ssh says when it can't connect, as errors of ours: whom it takes to go on, and how."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from reconciler.errors import Denied, HostKeyChanged, HostKeyUnknown, ReconcilerError, Refused, Unreachable

PINNED = "pinned"
"""The name under which a key stands that the spec gives."""
CHANGED = re.compile(rf"^Host key for (\S+) has changed|host key is known for {PINNED} ", re.MULTILINE)
UNKNOWN = re.compile(r"host key is known for (\S+)")
JUMPED = b"UNKNOWN port"
"""What ssh calls the other end of a connection that somebody else made for it."""
CHATTER = ("Warning: ", "@@@", "debug", "Control socket", "mux_client")


def fault(name: str, target: str, stderr: bytes, typed: str = "ssh") -> ReconcilerError:
    """`typed` is what a person types to get there."""
    text = stderr.decode(errors="replace")
    if changed := CHANGED.search(text):
        return _changed(name, target, next(filter(None, changed.groups()), PINNED))
    if unknown := UNKNOWN.search(text):
        where = "" if JUMPED not in stderr else f", or that of {unknown[1]} on the way to it,"
        hint = f"compare it with the one that the machine itself shows, then: reconciler host trust {name}"
        return HostKeyUnknown(f"host {name} ({target}): nobody has said yet what its key{where} is", hint=hint)
    if "Permission denied" in text or "Too many authentication failures" in text:
        hint = f"look at ssh.user and ssh.identityFile, or at what `ssh-add -l` lists; this has to work: {typed}"
        return Denied(f"host {name} ({target}) does not let us in: {last(stderr)}", hint=hint)
    if "Bad configuration option" in text or "Bad owner or permissions" in text or "Can't open user config" in text:
        return Refused(f"host {name} ({target}): ssh does not take its configuration: {last(stderr)}")
    hint = f"see whether this works: {typed}"
    return Unreachable(f"host {name} ({target}) can't be reached: {last(stderr)}", hint=hint)


def silent(name: str, target: str, seconds: float) -> Unreachable:
    said = f"host {name} ({target}) can't be reached: it said nothing for {seconds:g} s"
    return Unreachable(said, hint="see whether the machine is up, and whether something lies in between")


def with_fingerprint(unknown: ReconcilerError, line: str) -> HostKeyUnknown:
    """`line` is for known_hosts; empty where the key could not be learned."""
    shown = f"; it shows {fingerprint(line)}" if line else ""
    return HostKeyUnknown(f"{unknown.message}{shown}", hint=unknown.hint)


def fingerprint(line: str) -> str:
    """As `ssh-keygen -lf` shows it to whoever compares."""
    kind, key = line.split()[-2:]
    try:
        digest = base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode().rstrip("=")
    except binascii.Error:
        return f"{kind} (unreadable)"
    return f"{kind} SHA256:{digest}"


def last(stderr: bytes) -> str:
    """The last thing it says that says something, in one harmless line."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    telling = [line for line in lines if line and not line.startswith(CHATTER)]
    return "".join(c if c.isprintable() else " " for c in telling[-1])[:300] if telling else "ssh does not say why"


def _changed(name: str, target: str, whose: str) -> HostKeyChanged:
    """`whose` may be one that stands between us and the host."""
    pinned = whose == PINNED
    who, known = ("it", "the hostKey in its spec") if pinned else (whose, "the one that is known")
    then = f"reconciler host trust {name}{', which writes it into the spec' if pinned else ''}"
    return HostKeyChanged(
        f"host {name} ({target}): {who} shows another key than {known}; nothing was sent there",
        hint=f"it was installed anew, or somebody is in between: ask the machine itself. If that is its key: {then}",
    )
