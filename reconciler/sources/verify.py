"""Who signed: each commit since the last one that is in force, by one of the keys that were named, or none of it."""

from __future__ import annotations

import os
import subprocess
import time
from hashlib import blake2b
from pathlib import Path

from reconciler.errors import Refused, Unreachable
from reconciler.kinds.source import Keys
from reconciler.sources.git import Mirror
from reconciler.sources.tree import Unverified

MOST_COMMITS = 1_000
SECONDS = 120.0
"""For all of them together."""
GPG_SECONDS = 30.0
GPG_HINT = "write there what gpg --export --armor KEY prints"


def verify(mirror: Mirror, head: str, since: str, keys: Keys, folder: Path, *, seconds: float = SECONDS) -> None:
    """Raises Unverified, which names the first commit that is not signed. Without `since` the head alone is asked:
    what stands behind it is vouched for by whoever signed that.
    """
    commits = mirror.commits(head, since, MOST_COMMITS + 1)
    if len(commits) > MOST_COMMITS:
        raise Refused(f"more than {MOST_COMMITS:,} commits at once", hint="remove the Source and declare it anew")
    ring = _ring(keys, folder)
    settings = {"gpg.ssh.allowedSignersFile": str(ring / "signers"), "gpg.minTrustLevel": "undefined"}
    deadline = time.monotonic() + seconds
    for done, commit in enumerate(reversed(commits)):
        left = deadline - time.monotonic()
        if left <= 0:
            message = f"{done} of {len(commits):,} commits were verified in {seconds:g} s"
            raise Unreachable(message, hint="what is in force stays so, and it is tried again by itself")
        if not mirror.verify(commit, settings, {"GNUPGHOME": str(ring)}, left):
            author, subject = mirror.about(commit)
            message = f"commit {commit[:10]} by {author} ({subject}) is not signed by one of the keys in verify"
            raise Unverified(message, hint="sign it (git commit -S), or name the key; what is in force stays so")


def _ring(keys: Keys, folder: Path) -> Path:
    """A directory of just these keys: no other key ring of this machine has a say."""
    digest = blake2b("\0".join([*keys.ssh_keys, "gpg", *keys.gpg_keys]).encode(), digest_size=8).hexdigest()
    ring = folder / f"keys-{digest}"
    if (ring / "signers").exists():
        return ring
    ring.mkdir(mode=0o700, exist_ok=True)
    (ring / "gpg.conf").write_text("no-autostart\nno-auto-key-retrieve\n")
    (ring / "pubring.gpg").write_bytes(b"".join(map(_unarmoured, keys.gpg_keys)))
    lines = [f'* namespaces="git" {" ".join(key.split()[:2])}\n' for key in keys.ssh_keys]
    draft = ring / ".signers"
    draft.write_text("".join(lines))
    draft.chmod(0o600)
    draft.replace(ring / "signers")  # last: it says that all is there
    return ring


def _unarmoured(key: str) -> bytes:
    """A file of keys side by side is a key ring; to import them would want an agent that stays."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/nowhere"}
    argv = ["gpg", "--batch", "--no-tty", "--quiet", "--no-options", "--dearmor"]
    try:
        done = subprocess.run(
            argv, input=key.encode(), capture_output=True, env=environment, check=False, timeout=GPG_SECONDS
        )
    except FileNotFoundError as error:
        raise Refused("gpg is not installed here", hint="install gnupg, or sign with SSH keys") from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Refused(f"a key in verify.gpgKeys can't be read: {said[-1] if said else 'it is empty'}", hint=GPG_HINT)
    return done.stdout
