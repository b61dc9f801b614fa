"""A repository as a revision. Whoever writes to it is trusted with nothing: not with hooks, links, sizes or time.

System git, as argument lists, in a bare mirror of ours. There is no work tree: files are read from the objects, so
that nothing which a repository can hold is ever written where something could follow it or run it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reconciler.errors import ReconcilerError, Refused, Unreachable
from reconciler.failpoints import failpoint
from reconciler.kinds.source import Git
from reconciler.values import dataclass

FETCHED = "refs/reconciler/fetched"
QUESTION_SECONDS = 60.0
"""For what is asked of the mirror."""
POLL = 0.05
SETTINGS = {
    "core.hooksPath": "/dev/null", "core.fsmonitor": "false", "core.symlinks": "false", "core.askPass": "",
    "credential.helper": "", "gc.auto": "0", "maintenance.auto": "false", "protocol.version": "2",
    "protocol.allow": "never", "protocol.https.allow": "always", "protocol.ssh.allow": "always",
    "submodule.recurse": "false", "fetch.recurseSubmodules": "false", "transfer.fsckObjects": "true",
    "fetch.fsckObjects": "true", "fetch.unpackLimit": "1", "http.lowSpeedLimit": "100", "http.lowSpeedTime": "30",
    "core.bigFileThreshold": "8m", "pack.threads": "1",
}  # fmt: skip
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR",
             "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "ALL_PROXY", "all_proxy")  # fmt: skip
"""Of our environment what git and ssh need; nothing that git would take orders from."""
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1", "LC_ALL": "C",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15",
}  # fmt: skip
MISSING = re.compile("couldn't find remote ref|not our ref|no such remote ref", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caps:
    """Beyond these a repository is refused."""

    seconds: float = 120.0
    bytes: int = 256 << 20
    """Of what is transferred at once."""
    files: int = 50_000
    listing: int = 16 << 20
    """Bytes of their names."""
    packs: int = 50
    """Beyond so many the mirror is tidied up: every fetch that brings something leaves one."""


@dataclass(frozen=True, slots=True)
class Entry:
    mode: str
    kind: str
    id: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """One bare repository of ours."""

    path: Path
    caps: Caps = Caps()
    abandoned: Callable[[], bool] = lambda: False
    """Whether nobody waits any more for what is being fetched."""

    def fetch(self, git: Git) -> str:
        """The commit that the ref means now. What was known before stays, whatever comes of it; but a mirror that has
        grown too large, or can't be tidied up, is fetched anew.
        """
        found = self._fetched(git)
        if self._is_tidy():
            return found
        shutil.rmtree(self.path, ignore_errors=True)
        return self._fetched(git)

    def _fetched(self, git: Git) -> str:
        self._make()
        failpoint("git.fetch.before")
        self._git("update-ref", "-d", FETCHED)  # or what a fetch leaves as it was would pass for what is there now
        arguments = [*_allowing(git.url), "fetch", "--quiet", "--no-tags", "--force", "--no-recurse-submodules",
                     "--no-write-fetch-head", "--end-of-options", git.url, f"+{git.ref}:{FETCHED}"]  # fmt: skip
        self._run_capped(arguments, git)
        failpoint("git.fetch.after")
        found = self._git("rev-parse", "--verify", "--quiet", f"{FETCHED}^{{commit}}")
        if found.returncode:
            message = f"nothing came for {git.ref}: it is no commit, or the repository is a shallow clone"
            raise Refused(message, hint="name a branch, or a tag of a commit, of a whole repository")
        return found.stdout.decode().strip()

    def _is_tidy(self) -> bool:
        """What somebody pushed and took back stays in it for ever; and packs that are a riot to read take long to put
        together, each time.
        """
        if len(list(self.path.glob("objects/pack/*.pack"))) > self.caps.packs:
            try:
                done = self._git("repack", "-a", "-d", "-q", seconds=self.caps.seconds)
            except Unreachable:
                return False
            if done.returncode:
                return False
        return _size(self.path) <= 2 * self.caps.bytes

    def contains(self, head: str, earlier: str) -> bool:
        """Whether one commit is an ancestor of the other. One that is not there is none."""
        return self._git("merge-base", "--is-ancestor", earlier, head).returncode == 0

    def commits(self, head: str, since: str, most: int) -> list[str]:
        """All that the head has and `since` has not; without `since` the head alone."""
        if not since:
            return [head]
        return self.ask("rev-list", f"--max-count={most}", head, f"^{since}").decode().split()

    def has(self, commit: str) -> bool:
        return self._git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def about(self, commit: str) -> tuple[str, str]:
        """Author and first line; for people, so nothing that a terminal would obey."""
        text = self.ask("show", "--no-patch", "--no-notes", "--format=%an%x00%s", commit).decode(errors="replace")
        author, _, subject = text.strip("\n").partition("\0")
        return plain(author)[:100], plain(subject)[:200]

    def entries(self, commit: str) -> list[Entry]:
        """Everything in it, in order. A few objects can be made to mean more names than any memory holds, so it is
        read piece by piece, and only so far.
        """
        argv = [*self._argv(), "ls-tree", "-r", "-z", "-l", "--full-tree", commit]
        with tempfile.TemporaryFile() as errors:
            running = _started(argv, self._environment(), errors.fileno(), stdout=subprocess.PIPE)
            assert running.stdout is not None, "a pipe was asked for"
            try:
                listed = running.stdout.read(self.caps.listing + 1)
            finally:
                running.stdout.close()
                _end(running)
        entries = [_entry(item) for item in listed.split(b"\0")[:-1]]
        if len(listed) > self.caps.listing or len(entries) > self.caps.files:
            raise Refused(f"the repository has more than {self.caps.files:,} files", hint=SMALLER)
        if running.returncode:
            raise Unreachable(f"revision {commit[:10]} can't be listed", hint=STAYS)
        return entries

    def contents(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Blobs whose sizes were looked at before."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}
        stream = self.ask("cat-file", "--batch", stdin="".join(f"{name}\n" for name in wanted).encode())
        found, at = {}, 0
        for name in wanted:
            end = stream.index(b"\n", at)
            size = int(stream[at:end].split()[-1])
            found[name] = stream[end + 1 : end + 1 + size]
            at = end + size + 2
        return found

    def verify(self, commit: str, settings: Mapping[str, str], environment: Mapping[str, str], seconds: float) -> bool:
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        done = self._git("verify-commit", commit, options=options, environment=environment, seconds=seconds)
        return done.returncode == 0

    def ask(self, *arguments: str, stdin: bytes = b"") -> bytes:
        done = self._git(*arguments, stdin=stdin)
        if done.returncode:
            shutil.rmtree(self.path, ignore_errors=True)  # a copy: the next look fetches it anew
            raise Unreachable(f"git {arguments[0]}: {last_line(done.stderr)}", hint="it is fetched anew by itself")
        return done.stdout

    def _make(self) -> None:
        if (self.path / "HEAD").exists():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        argv = ["git", "init", "--quiet", "--bare", "--template=", str(self.path)]
        done = finished(argv, self._environment(), b"", QUESTION_SECONDS)
        if done.returncode:
            raise ReconcilerError(f"git init {self.path}: {last_line(done.stderr)}", hint="see who may write there")

    def _git(
        self,
        *arguments: str,
        stdin: bytes = b"",
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        seconds: float = QUESTION_SECONDS,
    ) -> subprocess.CompletedProcess[bytes]:
        argv = [*self._argv(), *options, *arguments]
        return finished(argv, {**self._environment(), **(environment or {})}, stdin, seconds)

    def _argv(self) -> list[str]:
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return ["git", f"--git-dir={self.path}", *settings]

    def _environment(self) -> dict[str, str]:
        return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | ENVIRONMENT

    def _run_capped(self, arguments: Sequence[str], git: Git) -> None:
        """Watched while it runs: what comes too slowly, or is too much, is cut off and thrown away."""
        before = _size(self.path)
        with tempfile.TemporaryFile() as errors:
            running = _started([*self._argv(), *arguments], self._environment(), errors.fileno())
            try:
                problem = self._watched(running, before)
            finally:
                _end(running)
                self._sweep()
            if problem:
                raise problem
            if running.returncode:
                errors.seek(0)
                raise _unfetched(git, errors.read(1 << 16))

    def _watched(self, running: subprocess.Popen[bytes], before: int) -> ReconcilerError | None:
        deadline = time.monotonic() + self.caps.seconds
        while running.poll() is None:
            if self.abandoned():
                return Unreachable("it was still being fetched when the daemon was told to end", hint=STAYS)
            if time.monotonic() > deadline:
                return Unreachable(f"the repository did not come in {self.caps.seconds:g} s", hint=STAYS)
            if _size(self.path) - before > self.caps.bytes:
                return Refused(f"the repository sends more than {self.caps.bytes:,} bytes", hint=SMALLER)
            time.sleep(POLL)
        return None

    def _sweep(self) -> None:
        """What a fetch that was cut off left behind."""
        for left in (*self.path.glob("objects/pack/tmp_*"), *self.path.glob("**/*.lock")):
            left.unlink(missing_ok=True)
        for left in self.path.glob("objects/tmp_objdir-*"):
            shutil.rmtree(left, ignore_errors=True)


STAYS = "what is in force stays so, and it is tried again by itself"
SMALLER = "follow a repository that holds specs and little else"


def _allowing(url: str) -> list[str]:
    """What only this one URL needs. Which URLs there may be at all is the kind's to say."""
    local = url.startswith(("/", "file://"))
    return ["-c", "protocol.file.allow=always"] if local else ["-c", "protocol.http.allow=always"] if _http(url) else []


def _http(url: str) -> bool:
    return url.startswith("http://")  # this machine's own, see the kind


def _unfetched(git: Git, errors: bytes) -> ReconcilerError:
    said = last_line(errors)
    if MISSING.search(errors.decode(errors="replace")):
        return Unreachable(f"the repository has no {git.ref}", hint=f"was it renamed? {STAYS}")
    if b"fsck" in errors or b"corrupt" in errors or b"index-pack failed" in errors:
        return Refused(f"what the repository sent is damaged: {said}", hint=STAYS)
    return Unreachable(f"the repository can't be fetched: {said}", hint=STAYS)


def finished(
    argv: Sequence[str], environment: Mapping[str, str], stdin: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """At the deadline all that it started ends with it, or what has its output open would keep us waiting."""
    try:
        running = subprocess.Popen(
            argv, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise _no_git() from error
    with running:
        try:
            out, errors = running.communicate(stdin, timeout=max(seconds, 0.0))
        except subprocess.TimeoutExpired as error:
            os.killpg(running.pid, signal.SIGKILL)  # nobody has waited for it yet, so the number is still its own
            raise Unreachable(f"git did not answer in {seconds:.3g} s", hint=STAYS) from error
        finally:
            _end(running)
    return subprocess.CompletedProcess(argv, running.returncode, out, errors)


def _entry(item: bytes) -> Entry:
    facts, _, path = item.partition(b"\t")
    mode, kind, name, size = facts.decode().split()
    return Entry(mode, kind, name, int(size) if size.isdecimal() else 0, os.fsdecode(path))


def _started(
    argv: Sequence[str], environment: Mapping[str, str], errors: int, *, stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv, env=dict(environment), stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise _no_git() from error


def _no_git() -> ReconcilerError:
    return ReconcilerError("git is not installed here", hint="install git 2.39 or later, or follow a directory")


def _end(running: subprocess.Popen[bytes]) -> None:
    """With whom it started: ssh, the server of a local repository."""
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def _size(path: Path) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118
            except FileNotFoundError:  # it was renamed meanwhile, and is counted the next time
                continue
    return total


def last_line(text: bytes) -> str:
    lines = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "no word")
    return plain(re.sub(r"//[^/@\s]*@", "//", said))[:300]


def plain(text: str) -> str:
    """What somebody else called something, for a line that people read: nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)
