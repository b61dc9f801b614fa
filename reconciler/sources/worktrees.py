"""Repositories to work in: one bare clone each, and beside it a directory for each branch, side by side.

What is fetched goes to `refs/remotes/origin`; branches belong to whoever works in their directories. Nothing of theirs
is ever overwritten: a directory is brought forward when nothing in it has been changed, and only forward.

Containers write to both. So Git is told where everything lies, and finds out nothing by files in there: not from
`.git`, `commondir` or `gitdir`, and of remotes nothing from `config`, which is looked at before it is used at all.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from reconciler.errors import ReconcilerError, Refused, Unreachable, UsageError
from reconciler.sources import bare as bares
from reconciler.sources.git import ENVIRONMENT, PASSED_ON, SETTINGS, finished, last_line, plain
from reconciler.values import dataclass

FETCH_SECONDS = 900.0
QUESTION_SECONDS = 60.0
OWN = {
    "core.hooksPath": SETTINGS["core.hooksPath"], "core.fsmonitor": "false", "core.askPass": "", "gc.auto": "0",
    "credential.helper": "", "maintenance.auto": "false", "diff.ignoreSubmodules": "dirty",
    "protocol.version": "2", "protocol.allow": "never", "protocol.https.allow": "always",
    "protocol.ssh.allow": "always", "protocol.file.allow": "always", "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false", "http.lowSpeedLimit": "100", "http.lowSpeedTime": "30",
}  # fmt: skip
"""As where specs are followed; but here a person works, in files with links, on a repository that may be old."""
FETCHED = "+refs/heads/*:refs/remotes/origin/*"
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
    entry: Path = Path()
    """What the clone keeps of the directory: its index, and what is checked out."""
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
        (bare / "hooks").mkdir(exist_ok=True)  # to be laid over itself in containers: none can be put there
        branch = branch or self._usual(bare)
        path = self._home / "worktrees" / flat(f"{repository.owner}-{repository.name}-{branch}")
        found = Worktree(path, bare, repository.owner, repository.name, branch)
        if not os.path.lexists(path / ".git"):
            self._add(found)
            entry = self._entry(path, bare)
        else:
            self._require_own(found)
            entry = self._entry(path, bare)
            notes = [*notes, *self._brought_forward(replace(found, entry=entry))]
        return replace(found, entry=entry, notes=tuple(notes))

    def known(self) -> Iterator[Worktree]:
        """All that there are, whether anything runs in them or not."""
        for path in sorted((self._home / "worktrees").glob("*/.git")):
            try:
                entry = self._entry(path.parent)
                head = bares.content(entry / "HEAD").decode(errors="replace")
            except Refused:
                continue  # not one of ours, or half removed
            bare, branch = entry.parent.parent, plain(head.strip().removeprefix("ref: refs/heads/"))
            yield Worktree(path.parent, bare, bare.parent.name, bare.name.removesuffix(".git"), branch, entry)

    def _entry(self, path: Path, bare: Path | None = None) -> Path:
        """Its own one, in the clone that `.git` names, if that is one of ours, or this very one."""
        said = bares.content(path / ".git").decode(errors="replace").partition("gitdir: ")[2].strip()
        repos = self._home / "repos"
        real = os.path.realpath(repos)  # Git writes where a link leads
        parts = Path(os.path.relpath(said, real if said.startswith(real) else repos)).parts
        entry = repos.joinpath(*parts)
        is_own = len(parts) == 4 and ".." not in parts and parts[2:] == ("worktrees", path.name)
        if not is_own or bare not in (None, entry.parent.parent):
            message = f"{path / '.git'} leads to {plain(said[:200])!a}, where no clone of ours has it"
            raise Refused(message, hint=f"save your work elsewhere and move {path} away")
        return entry

    def unsaved(self, one: Worktree) -> str:
        """Work in it that nobody else has, in words; empty if there is none."""
        self._require_harmless(one.repository)
        changed = self._changes(one)
        if changed:
            return f"{len(changed)} changed or new files that are not committed"
        ahead = self._ask(one, "rev-list", "--count", "HEAD", "--not", "--remotes=origin")
        return f"{ahead} commits that are not pushed" if ahead != "0" else ""

    def remove(self, one: Worktree) -> None:
        """With its branch, of which nothing is lost: all of it is on the other side."""
        if lost := self.unsaved(one):
            hint = f"commit and push them, or remove the directory yourself: {one.path}"
            raise Refused(f"{one.path} holds {lost}", hint=hint)
        with _alone(one.repository):
            shutil.rmtree(one.path)  # not by `git worktree remove`, which believes the directory's own files
            shutil.rmtree(one.entry)
            self._git(one.repository, "branch", "-D", "--", one.branch)

    def _changes(self, one: Worktree) -> list[str]:
        """What is new counts, whatever the repository's own settings say."""
        looking = ("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=dirty")
        return [*self._ask(one, *looking).splitlines(), *self._submodules(one)]

    def _submodules(self, one: Worktree) -> list[str]:
        """Those with something in them: Git would have to be run in each, by settings of its own, to know what."""
        listed = self._ask(one, "ls-files", "--stage", "-z").split("\0")
        names = [entry.partition("\t")[2] for entry in listed if entry.startswith("160000 ")]
        return [name for name in names if _holds_anything(one.path / name)]

    def _require_harmless(self, bare: Path) -> None:
        bares.require_plain(bare)
        argv = ["git", "config", "--file", "-", "--no-includes", "--list", "-z"]
        done = finished(argv, _environment(), bares.settings(bare), QUESTION_SECONDS)
        if done.returncode:
            raise Refused(f"{bare / 'config'}: {last_line(done.stderr)}", hint=bares.WHOSE)
        bares.refuse_settings(bare, bares.unexpected(done.stdout))

    def _fetched(self, bare: Path, repository: Repository) -> list[str]:
        new = not (bare / "HEAD").exists()
        if new:
            self._begin(bare, repository)
        self._require_harmless(bare)
        known = self._ask(bare, "config", "remote.origin.url")
        if known != repository.url:
            message = f"{repository.short} is cloned from {known} already, not from {repository.url}"
            raise UsageError(message, hint=f"name the one that you mean, or move {bare} away")
        fetch = ("fetch", "--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--end-of-options")
        done = self._git(bare, *fetch, repository.url, FETCHED, seconds=FETCH_SECONDS)
        if done.returncode:
            said = last_line(done.stderr)
            if not self._ask(bare, "for-each-ref", "--count=1", "refs/remotes/origin"):
                raise Unreachable(f"{repository.url} can't be fetched: {said}", hint="check the name and your access")
            return [f"{repository.short} can't be fetched now ({said}); {OFFLINE}"]
        self._note_usual(bare, repository)
        return []

    def _note_usual(self, bare: Path, repository: Repository) -> None:
        told = self._git(bare, "ls-remote", "--symref", "--end-of-options", repository.url, "HEAD")
        found = re.search(rb"^ref: refs/heads/(\S+)\tHEAD$", told.stdout, re.MULTILINE)
        if told.returncode == 0 and found:
            branch = found[1].decode(errors="surrogateescape")
            self._git(bare, "symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{branch}")

    def _begin(self, bare: Path, repository: Repository) -> None:
        bare.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = ["git", "init", "--quiet", "--bare", "--template=", str(bare)]
        done = finished(argv, _environment(), b"", QUESTION_SECONDS)
        if done.returncode:
            raise ReconcilerError(f"git init {bare}: {last_line(done.stderr)}", hint="see who may write there")
        self._ask(bare, "config", "remote.origin.url", repository.url)
        self._ask(bare, "config", "remote.origin.fetch", FETCHED)

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
        self._mend(one.repository)
        self._git(one.repository, "worktree", "prune")
        mine = self._git(one.repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{one.branch}")
        theirs = self._git(one.repository, "rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{one.branch}")
        if theirs.returncode and mine.returncode:
            raise UsageError(f"{one.owner}/{one.name} has no branch {one.branch}", hint=self._choice(one))
        how = ["-b", one.branch, "--track"] if mine.returncode else []
        start = f"origin/{one.branch}" if mine.returncode else one.branch
        self._ask(one.repository, "worktree", "add", "--quiet", *how, str(one.path), start, seconds=FETCH_SECONDS)

    def _mend(self, bare: Path) -> None:
        """What a Git inside wrote there may be where a directory lies in the container: here it would be pruned."""
        for known in self.known():
            if known.repository == bare:
                (known.entry / "gitdir").write_text(f"{os.path.realpath(known.path)}/.git\n")

    def _choice(self, one: Worktree) -> str:
        listed = self._ask(one.repository, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes/origin")
        names = [name for name in listed.split() if name != "HEAD"]
        return f"there are: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"

    def _brought_forward(self, one: Worktree) -> Iterator[str]:
        now = self._git(one, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode().strip()
        if now != one.branch:
            yield f"{one.path} is at {now or 'no branch'} by now, not at {one.branch}; it is left as it is"
            return
        if self._changes(one):
            yield f"{one.path} has uncommitted work, and is left as it is"
            return
        upstream = f"refs/remotes/origin/{one.branch}"
        if self._git(one, "rev-parse", "--verify", "--quiet", upstream).returncode:
            return
        if self._git(one, "merge", "--ff-only", "--quiet", upstream).returncode:
            yield f"{one.path} and its branch in {one.owner}/{one.name} went different ways; it is left as it is"

    def _ask(self, place: Path | Worktree, *arguments: str, seconds: float = QUESTION_SECONDS) -> str:
        done = self._git(place, *arguments, seconds=seconds)
        if done.returncode:
            raise ReconcilerError(f"git {arguments[0]}: {last_line(done.stderr)}", hint=f"look at {_where(place)}")
        return done.stdout.decode(errors="replace").strip()

    def _git(
        self, place: Path | Worktree, *arguments: str, seconds: float = QUESTION_SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        settings = [part for name, value in OWN.items() for part in ("-c", f"{name}={value}")]
        argv = ["git", "-C", str(_where(place)), *settings, *arguments]
        return finished(argv, {**_environment(), **_placed(place)}, b"", seconds)


def _where(place: Path | Worktree) -> Path:
    return place.path if isinstance(place, Worktree) else place


def _placed(place: Path | Worktree) -> dict[str, str]:
    """Where everything lies, so that Git believes no file that would lead it elsewhere."""
    if isinstance(place, Worktree):
        found = {"GIT_DIR": place.entry, "GIT_COMMON_DIR": place.repository, "GIT_WORK_TREE": place.path}
        return {name: str(path) for name, path in found.items()}
    return {"GIT_DIR": str(place)}


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


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
    """As the name of a directory, which Git takes for one of its own as it is."""
    return re.sub(r"[^A-Za-z0-9._-]+|\.{2,}", "-", text).strip("-.")


def label(text: str) -> str:
    """As the name of a resource; empty where nothing is left of it."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | ENVIRONMENT
