"""Repositories to work in: one bare clone each, and beside it a directory for each branch, side by side.

What is fetched goes to `refs/remotes/origin`; branches belong to whoever works in their directories. Nothing of theirs
is ever overwritten: a directory is brought forward when nothing in it has been changed, and only forward.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import ReconcilerError, Refused, Unreachable, UsageError
from reconciler.sources.git import ENVIRONMENT, PASSED_ON, SETTINGS, finished, last_line
from reconciler.values import dataclass

FETCH_SECONDS = 900.0
QUESTION_SECONDS = 60.0
OWN = {
    "core.hooksPath": SETTINGS["core.hooksPath"], "core.fsmonitor": "false", "core.askPass": "", "gc.auto": "0",
    "protocol.version": "2", "protocol.allow": "never", "protocol.https.allow": "always",
    "protocol.ssh.allow": "always", "protocol.file.allow": "always", "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false", "http.lowSpeedLimit": "100", "http.lowSpeedTime": "30",
}  # fmt: skip
"""As where specs are followed; but here a person works, in files with links, on a repository that may be old."""
OFFLINE = "it is worked on as it was fetched last"


@dataclass(frozen=True, slots=True)
class Repository:
    """One that somebody named."""

    owner: str
    name: str
    url: str

    @property
    def short(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class Worktree:
    """A branch's directory."""

    path: Path
    repository: Path
    """The bare clone, which the directory can't do without."""
    owner: str
    name: str
    branch: str
    notes: tuple[str, ...] = ()
    """What a person is to know of how it was brought up to date, or why not."""

    @property
    def title(self) -> str:
        return f"{self.owner}/{self.name}@{self.branch}"


class Worktrees:
    def __init__(self, home: str) -> None:
        self._home = Path(home)

    def up(self, repository: Repository, branch: str) -> Worktree:
        """The branch's directory, made where it is missing, and as new as can be. Without a branch the usual one."""
        bare = self._home / "repos" / repository.owner / f"{repository.name}.git"
        with _alone(bare):
            return self._up(bare, repository, branch)

    def _up(self, bare: Path, repository: Repository, branch: str) -> Worktree:
        notes = self._fetched(bare, repository)
        branch = branch or self._usual(bare)
        path = self._home / "worktrees" / flat(f"{repository.owner}-{repository.name}-{branch}")
        found = Worktree(path, bare, repository.owner, repository.name, branch)
        if not (path / ".git").exists():
            self._add(found)
        else:
            self._require_own(found)
            notes = [*notes, *self._brought_forward(found)]
        return Worktree(path, bare, repository.owner, repository.name, branch, tuple(notes))

    def known(self) -> Iterator[Worktree]:
        """All that there are, whether anything runs in them or not."""
        for path in sorted((self._home / "worktrees").glob("*/.git")):
            try:
                inner = Path(path.read_text().partition("gitdir: ")[2].strip())
                branch = (inner / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")
            except OSError:
                continue  # not one of ours, or half removed
            bare = inner.parent.parent
            yield Worktree(path.parent, bare, bare.parent.name, bare.name.removesuffix(".git"), branch)

    def unsaved(self, one: Worktree) -> str:
        """Work in it that nobody else has, in words; empty if there is none."""
        changed = self._changes(one)
        if changed:
            return f"{len(changed)} changed or new files that are not committed"
        ahead = self._ask(one.path, "rev-list", "--count", "HEAD", "--not", "--remotes=origin")
        return f"{ahead} commits that are not pushed" if ahead != "0" else ""

    def remove(self, one: Worktree) -> None:
        """With its branch, of which nothing is lost: all of it is on the other side."""
        if lost := self.unsaved(one):
            hint = f"commit and push them, or remove the directory yourself: {one.path}"
            raise Refused(f"{one.path} holds {lost}", hint=hint)
        with _alone(one.repository):
            self._ask(one.repository, "worktree", "remove", str(one.path))
            self._git(one.repository, "branch", "-D", one.branch)

    def _changes(self, one: Worktree) -> list[str]:
        """What is new counts, whatever the repository's own settings say."""
        return self._ask(one.path, "status", "--porcelain", "--untracked-files=normal").splitlines()

    def _fetched(self, bare: Path, repository: Repository) -> list[str]:
        new = not (bare / "HEAD").exists()
        if new:
            self._begin(bare, repository)
        known = self._ask(bare, "config", "remote.origin.url")
        if known != repository.url:
            message = f"{repository.short} is cloned from {known} already, not from {repository.url}"
            raise UsageError(message, hint=f"name the one that you mean, or move {bare} away")
        done = self._git(bare, "fetch", "--quiet", "--prune", "--no-tags", "origin", seconds=FETCH_SECONDS)
        if done.returncode:
            said = last_line(done.stderr)
            if not self._ask(bare, "for-each-ref", "--count=1", "refs/remotes/origin"):
                raise Unreachable(f"{repository.url} can't be fetched: {said}", hint="check the name and your access")
            return [f"{repository.short} can't be fetched now ({said}); {OFFLINE}"]
        self._git(bare, "remote", "set-head", "origin", "--auto")
        return []

    def _begin(self, bare: Path, repository: Repository) -> None:
        bare.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = ["git", "init", "--quiet", "--bare", "--template=", str(bare)]
        done = finished(argv, _environment(), b"", QUESTION_SECONDS)
        if done.returncode:
            raise ReconcilerError(f"git init {bare}: {last_line(done.stderr)}", hint="see who may write there")
        self._ask(bare, "config", "remote.origin.url", repository.url)
        self._ask(bare, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")

    def _usual(self, bare: Path) -> str:
        head = self._git(bare, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
        if head.returncode:
            raise UsageError("the repository names no usual branch", hint="say which: OWNER/REPO@BRANCH")
        return head.stdout.decode().strip().removeprefix("origin/")

    def _require_own(self, one: Worktree) -> None:
        """Two names may be one as that of a directory: feature/login and feature-login."""
        there = next((known for known in self.known() if known.path == one.path), None)
        if there is None or (there.repository, there.branch) == (one.repository, one.branch):
            return
        if there.repository != one.repository or flat(there.branch) == flat(one.branch):
            message = f"{one.path}, where {one.title} would lie, is the directory of {there.title}"
            known = label(f"{there.name}-{there.branch}")
            raise UsageError(message, hint=f"make room: reconciler env down {known} --delete-files")

    def _add(self, one: Worktree) -> None:
        one.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._git(one.repository, "worktree", "prune")
        mine = self._git(one.repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{one.branch}")
        theirs = self._git(one.repository, "rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{one.branch}")
        if theirs.returncode and mine.returncode:
            raise UsageError(f"{one.owner}/{one.name} has no branch {one.branch}", hint=self._choice(one))
        how = ["-b", one.branch, "--track"] if mine.returncode else []
        start = f"origin/{one.branch}" if mine.returncode else one.branch
        self._ask(one.repository, "worktree", "add", "--quiet", *how, str(one.path), start, seconds=FETCH_SECONDS)

    def _choice(self, one: Worktree) -> str:
        listed = self._ask(one.repository, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes/origin")
        names = [name for name in listed.split() if name != "HEAD"]
        return f"there are: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"

    def _brought_forward(self, one: Worktree) -> Iterator[str]:
        now = self._git(one.path, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode().strip()
        if now != one.branch:
            yield f"{one.path} is at {now or 'no branch'} by now, not at {one.branch}; it is left as it is"
            return
        if self._changes(one):
            yield f"{one.path} has uncommitted work, and is left as it is"
            return
        upstream = f"refs/remotes/origin/{one.branch}"
        if self._git(one.path, "rev-parse", "--verify", "--quiet", upstream).returncode:
            return
        if self._git(one.path, "merge", "--ff-only", "--quiet", upstream).returncode:
            yield f"{one.path} and its branch in {one.owner}/{one.name} went different ways; it is left as it is"

    def _ask(self, place: Path, *arguments: str, seconds: float = QUESTION_SECONDS) -> str:
        done = self._git(place, *arguments, seconds=seconds)
        if done.returncode:
            raise ReconcilerError(f"git {arguments[0]}: {last_line(done.stderr)}", hint=f"look at {place}")
        return done.stdout.decode(errors="replace").strip()

    def _git(
        self, place: Path, *arguments: str, seconds: float = QUESTION_SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        settings = [part for name, value in OWN.items() for part in ("-c", f"{name}={value}")]
        return finished(["git", "-C", str(place), *settings, *arguments], _environment(), b"", seconds)


@contextmanager
def _alone(bare: Path) -> Iterator[None]:
    """Of two that bring up one branch at the same time the second finds it made. The kernel lets go with its holder."""
    bare.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(bare.with_name(f".{bare.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def flat(text: str) -> str:
    """As the name of a directory."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")


def label(text: str) -> str:
    """As the name of a resource; empty where nothing is left of it."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | ENVIRONMENT
