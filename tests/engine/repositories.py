"""Real repositories, made with the git of this machine, and the keys to sign in them with."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

CLEAN = {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "LC_ALL": "C", "PATH": os.environ["PATH"],
    "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example", "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example",
}  # fmt: skip


@dataclass
class Repository:
    path: Path
    key: str = ""
    """Of the file with the private SSH key, or the id of a GPG key."""
    gnupg: Path | None = None
    gpg: str = "gpg"
    """The program that signs."""

    def __post_init__(self) -> None:
        if not (self.path / ".git").exists():
            self.path.mkdir(exist_ok=True, parents=True)
            self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        environment = {**CLEAN, **({"GNUPGHOME": str(self.gnupg)} if self.gnupg else {})}
        done = subprocess.run(
            ["git", *self._signing(), *arguments], cwd=self.path, env=environment, input=stdin, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done.stdout.decode().strip()

    def commit(self, subject: str = "a change", *, signed: bool = False, **files: str | None) -> str:
        """Files by name without suffix; None takes one away. Underlines in names are directories."""
        for name, text in files.items():
            file = self.path / f"{name.replace('__', '/')}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink() if text is None else file.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject, *(["-S"] if signed else []))
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def _signing(self) -> list[str]:
        if self.gnupg:
            return ["-c", f"user.signingkey={self.key}", "-c", f"gpg.program={self.gpg}"]
        return ["-c", "gpg.format=ssh", "-c", f"user.signingkey={self.key}"] if self.key else []


def ssh_key(path: Path) -> tuple[str, str]:
    """The file of a new private key, and the public one as text."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return str(path), path.with_suffix(".pub").read_text().strip()


def gpg_key(home: Path, name: str, expires: str = "never", when: str = "") -> tuple[str, str]:
    """The id of a new key in a key ring of its own, and the public one, armoured. `when` it says that it was made."""
    home.mkdir(mode=0o700, parents=True)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    gpg += ["--faked-system-time", when] if when else []
    subprocess.run([*gpg, "--quick-generate-key", name, "ed25519", "sign", expires], check=True, capture_output=True)
    listed = subprocess.run([*gpg, "--list-keys", "--with-colons"], check=True, capture_output=True, text=True).stdout
    key = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
    armoured = subprocess.run([*gpg, "--export", "--armor", key], check=True, capture_output=True, text=True).stdout
    return key, armoured
