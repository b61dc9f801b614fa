"""What ssh says when it can't connect, as errors of ours: whom it takes to go on, and how."""

from __future__ import annotations

import base64
import binascii
import hashlib

from reconciler.errors import Denied, HostKeyChanged, HostKeyUnknown, ReconcilerError, Refused, Unreachable

CHATTER = ("Warning: ", "@@@", "debug", "Control socket", "mux_client")


def fault(name: str, target: str, stderr: bytes, *, pinned: bool) -> ReconcilerError:
    text = stderr.decode(errors="replace")
    if "IDENTIFICATION HAS CHANGED" in text or (pinned and "Host key verification failed" in text):
        return _changed(name, target, pinned=pinned)
    if "Host key verification failed" in text or "host key is known for" in text:
        hint = f"compare it with the one that the machine itself shows, then: reconciler host trust {name}"
        return HostKeyUnknown(f"host {name} ({target}) is not known: nobody has said yet what its key is", hint=hint)
    if "Permission denied" in text or "Too many authentication failures" in text:
        hint = "look at ssh.user and ssh.identityFile, or at what `ssh-add -l` lists"
        return Denied(f"host {name} ({target}) does not let us in: {last(stderr)}", hint=hint)
    if "Bad configuration option" in text or "Bad owner or permissions" in text or "Can't open user config" in text:
        return Refused(f"host {name} ({target}): ssh does not take its configuration: {last(stderr)}")
    hint = f"see whether this works: ssh {target.partition(':')[0]}"
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


def _changed(name: str, target: str, *, pinned: bool) -> HostKeyChanged:
    known = "the hostKey in its spec" if pinned else "the one that is known"
    then = "write it into the spec" if pinned else f"reconciler host trust {name}"
    return HostKeyChanged(
        f"host {name} ({target}) shows another key than {known}; nothing was sent to it",
        hint=f"it was installed anew, or somebody is in between: ask the machine itself. If that is its key: {then}",
    )
