"""The connection to one host that all commands share: the system's own `ssh`, with a control socket.

So the user's keys, agent, aliases and jump hosts just work. Whatever their configuration says, a host's key is
checked, nobody is asked for anything, and nothing of ours is lent to the other side.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from reconciler.durable import write_whole
from reconciler.errors import Denied, HostKeyUnknown, OutcomeUnknown, Refused, Unreachable, UsageError
from reconciler.filelock import locked
from reconciler.hosts import sshsaid
from reconciler.hosts.running import run
from reconciler.kinds.host import KEY, SOCKET, WORD
from reconciler.ports import Completed
from reconciler.values import dataclass

CONNECT_SECONDS = 10
OPEN_SECONDS = 15.0
CONTROL_SECONDS = 5.0
KEEPALIVE_SECONDS, KEEPALIVES = 4, 2
"""Who says nothing for twelve seconds is gone."""
PERSIST_SECONDS = 600
TURN_SECONDS, TURN_POLL = 60.0, 0.02
"""More than it takes to find out whatever there is to be found out."""
LOST = 255
"""How ssh ends when it was not the command that did."""
SOCKET_LENGTH = 107
SUFFIX_LENGTH = 17
"""What ssh appends while it makes a control socket."""

ALWAYS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "NoHostAuthenticationForLocalhost=no",
    "IgnoreUnknown=KnownHostsCommand",  # where ssh is older than that
    "KnownHostsCommand=none",
    "VerifyHostKeyDNS=no",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "PasswordAuthentication=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "LogLevel=INFO",
    f"ConnectTimeout={CONNECT_SECONDS}",
    f"ServerAliveInterval={KEEPALIVE_SECONDS}",
    f"ServerAliveCountMax={KEEPALIVES}",
)
OFFERED = re.compile(r"^offered (\S+ [a-z]\S+ \S{20,})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a host is, in the words of its spec. What is left out, the user's own configuration says."""

    host: str
    port: int | None = None
    user: str = ""
    identity_file: str = ""
    host_key: str = ""
    """Type and key, as in known_hosts: the only one that will do."""
    config: str = ""
    """A configuration in place of the user's own."""

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}:{self.port}" if self.port else f"{user}{self.host}"

    @property
    def typed(self) -> str:
        """For a person, to see whether ssh alone gets there."""
        return shlex.join(["ssh", *self.options, f"{self.user}@{self.host}" if self.user else self.host])

    @property
    def options(self) -> list[str]:
        config = ["-F", self.config] if self.config else []
        port = ["-p", str(self.port)] if self.port else []
        return [*config, *port, *(["-i", self.identity_file] if self.identity_file else [])]


class Line:
    """`directory` is for us alone. Lines of several processes to one target there are one."""

    def __init__(self, name: str, target: Target, directory: Path) -> None:
        _check(name, target)
        self._name, self._target, self._directory = name, target, directory
        self._id = hashlib.sha256(repr((str(directory), name, target)).encode()).hexdigest()[:12]

    def session(self, mark: str) -> list[str]:
        """Runs the one argument that follows it over the line, and over no other: when there is none, it says `mark`
        and that nobody served it, which is to say that nothing has happened.
        """
        nobody = f"ProxyCommand=sh -c 'echo {mark} unserved >&2; exit 1'"
        options = ["-o", "ControlMaster=no", "-o", "BatchMode=yes", "-o", "LogLevel=INFO", "-o", nobody]
        return ["ssh", "-F", "none", "-T", "-S", str(self._socket), *options, "--", self._target.host]

    def open(self) -> bool:
        """Opens it, and tells whether it was not open. Raises Unreachable, Denied, HostKeyUnknown, HostKeyChanged."""
        asked_at = time.monotonic()
        with self._turn() as turn:
            if self._answers():
                return False
            _heed(turn, asked_at)
            self._socket.unlink(missing_ok=True)  # whoever made it was killed
            begin = ["-f", "-N", "-M", "-S", str(self._socket), "-o", f"ControlPersist={PERSIST_SECONDS}"]
            sockets = ["-o", "StreamLocalBindUnlink=yes", "-o", "StreamLocalBindMask=0177"]
            try:
                self._reach([*begin, *sockets])
            except Unreachable as error:
                _tell(turn, error)
                raise
            return True

    def began(self) -> int:
        """Another number for each connection; 0 while there is none."""
        try:
            return self._socket.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def forward(self, remote: str) -> str:
        """A socket here that leads to the one at `remote` there, for as long as the line is open."""
        if not SOCKET.fullmatch(remote):
            raise Refused(f"{remote!r} is not a plain absolute path of a socket")
        local = self._sockets() / f"{self._id}.{hashlib.sha256(remote.encode()).hexdigest()[:6]}"
        if self._leads(local):
            return str(local)
        self.open()
        done = self._control("forward", "-L", f"{local}:{remote}")
        if done is None or done.exit_code:
            said = "it does not answer" if done is None else sshsaid.last(done.stderr)
            raise Unreachable(f"{remote} of host {self._name} can't be forwarded: {said}")
        return str(local)

    def reach(self, address: str, port: int) -> tuple[str, int]:
        """A port of ours, on loopback, that leads to the one that the host finds at that address: the same for all
        who share the line, for as long as it is open.
        """
        self.open()
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        path = self._room() / f"{self._id}.ports"
        with self._turn(path.name):
            known = _numbers(path)
            for ours in (*filter(None, [known.get(target)]), _free_port()):  # another one may have it by now
                done = self._control("forward", "-L", f"127.0.0.1:{ours}:{target}")
                if done and not done.exit_code:
                    if known.get(target) != ours:
                        write_whole(path, json.dumps(known | {target: ours}).encode())
                    return "127.0.0.1", ours
        said = "it does not answer" if done is None else sshsaid.last(done.stderr)
        raise Unreachable(f"port {port} of host {self._name} can't be forwarded: {said}")

    def terminal(self, line: str, *, tty: bool, stdin: bool) -> int:
        """Over the line; when that breaks, so does this, and nobody knows what has become of the command."""
        self.open()
        how = ["-t" if tty else "-T", *(() if stdin else ("-n",))]
        argv = ["ssh", "-F", "none", *how, "-S", str(self._socket), "-o", "ControlMaster=no", "-o", "LogLevel=ERROR"]
        code = subprocess.call([*argv, "-o", "ProxyCommand=false", "--", self._target.host, line])
        if code == LOST and not self._answers():
            hint = "look at what it has done so far"
            raise OutcomeUnknown(f"the connection to host {self._name} was lost meanwhile", hint=hint)
        return code

    def close(self) -> None:
        """For every process that shares it."""
        with self._turn():
            self._control("exit")

    def offered(self) -> str:
        """The line for known_hosts with the key that the host shows now. No authentication is tried."""
        ask = """KnownHostsCommand=/bin/sh -c 'echo offered "$0" "$1" "$2" >&2' %H %t %K"""
        options = ["-T", "-o", ask, "-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null"]
        done = run([*self._ssh(options), "true"], deadline=OPEN_SECONDS)
        found: list[str] = OFFERED.findall(done.stderr.decode(errors="replace"))
        return found[-1] if found else ""

    def known(self) -> list[str]:
        """The lines by which it is known now."""
        from reconciler.hosts.sshkeys import known  # noqa: PLC0415 -- for who compares them

        return known(self._target, self._room() / "known_hosts")

    def trust(self, line: str) -> None:
        """In place of other keys of the same name."""
        name = line.split(maxsplit=1)[0]
        path = self._room() / "known_hosts"
        with self._turn("known_hosts"):
            before = path.read_text().splitlines() if path.exists() else []
            kept = [other for other in before if other.split()[:1] != [name]]
            draft = path.with_suffix(f".{self._id}")
            draft.write_text("\n".join([*kept, line]) + "\n")
            draft.replace(path)

    def _reach(self, options: list[str]) -> None:
        try:
            done = run(self._ssh([*self._known(), *options]), deadline=OPEN_SECONDS)
        except OutcomeUnknown:
            raise sshsaid.silent(self._name, str(self._target), OPEN_SECONDS) from None
        if done.exit_code:
            said = done.stderr
            if sshsaid.JUMPED in said:  # of those in between, ssh tells only when nobody is to share the connection
                said = run([*self._ssh(self._known()), "true"], deadline=OPEN_SECONDS).stderr or said
            fault = sshsaid.fault(self._name, str(self._target), said, self._target.typed)
            raise sshsaid.with_fingerprint(fault, self.offered()) if isinstance(fault, HostKeyUnknown) else fault

    def _ssh(self, options: list[str]) -> list[str]:
        """Of two options ssh takes the first: what comes from `options` prevails over all others."""
        target = self._target
        argv = ["ssh", *options, *(word for option in ALWAYS for word in ("-o", option))]
        argv += [*target.options, *(["-l", target.user] if target.user else [])]
        argv += ["-o", "IdentitiesOnly=yes"] if target.identity_file else []
        return [*argv, "--", target.host]

    def _known(self) -> list[str]:
        """The pin alone, where there is one. Else the keys that we were told to trust, beside what the user trusts."""
        if not self._target.host_key:
            ours = self._room() / "known_hosts"
            everybody = f'"{ours}" /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2'
            return ["-o", f"GlobalKnownHostsFile={everybody}"]
        pin = self._room() / f"{self._id}.pin"
        pin.write_text(f"{sshsaid.PINNED} {self._target.host_key}\n")
        only = ["-o", f"UserKnownHostsFile={_quoted(pin)}", "-o", "GlobalKnownHostsFile=/dev/null"]
        return [*only, "-o", f"HostKeyAlias={sshsaid.PINNED}"]

    def _leads(self, local: Path) -> bool:
        """Whether it was made by the line that stands: to ask that one would cost two programs at each look. What an
        earlier one has left is older than the line.
        """
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(CONTROL_SECONDS)
            line.connect(str(self._socket))  # of one that was killed the name is left
            return local.stat().st_mtime_ns > self._socket.stat().st_mtime_ns
        return False

    def _answers(self) -> bool:
        done = self._control("check")
        return done is not None and done.exit_code == 0

    def _control(self, verb: str, *options: str) -> Completed | None:
        """None for somebody who holds the socket and says nothing."""
        argv = ["ssh", "-F", "none", "-S", str(self._socket), "-O", verb, *options, "--", self._target.host]
        try:
            return run(argv, deadline=CONTROL_SECONDS)
        except OutcomeUnknown:
            return None

    @contextlib.contextmanager
    def _turn(self, what: str = "") -> Iterator[IO[str]]:
        """One at a time, of all processes: two that open a line at once would open two. The file tells whoever waits
        what the one before has found out: a host that is away costs one deadline, and not one for each who asks.
        """
        asked_at = time.monotonic()
        with (self._room() / f"{what or self._id}.lock").open("a+") as turn:
            while not locked(turn.fileno()):
                _heed(turn, asked_at)
                if time.monotonic() - asked_at > TURN_SECONDS:
                    said = f"somebody else has been connecting to host {self._name} for {TURN_SECONDS:g} s"
                    raise Unreachable(said, hint=f"see: fuser -v {shlex.quote(turn.name)}")
                time.sleep(TURN_POLL)
            yield turn

    @property
    def _socket(self) -> Path:
        return self._sockets() / self._id

    def _sockets(self) -> Path:
        """A socket's path can't be long, and ssh finds variables in it. Where the home is of that kind, they lie in
        another directory that is just as much ours.
        """
        room = self._room()
        if len(os.fsencode(room / self._id)) + SUFFIX_LENGTH <= SOCKET_LENGTH and SOCKET.fullmatch(str(room)):
            return room
        elsewhere = Path(f"/tmp/reconciler-{os.geteuid()}")  # noqa: S108 -- checked below
        return _private(elsewhere)

    def _room(self) -> Path:
        self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _private(self._directory)


def _tell(turn: IO[str], error: Unreachable) -> None:
    turn.truncate(0)
    turn.write(json.dumps([time.monotonic(), error.message, error.hint]))
    turn.flush()


def _heed(turn: IO[str], since: float) -> None:
    """The clock is one and the same for all processes until the next boot."""
    turn.seek(0)
    with contextlib.suppress(ValueError):  # it is being written, or nobody has said anything yet
        at, message, hint = json.loads(turn.read())
        if since < at <= time.monotonic():
            raise Unreachable(message, hint=hint)


def _numbers(path: Path) -> dict[str, int]:
    """Which port of ours leads where, as far as it is remembered."""
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _check(name: str, target: Target) -> None:
    for what, word in (("host", target.host), ("user", target.user or "x")):
        if not WORD.fullmatch(word):
            raise UsageError(f"host {name}: {word!r} is no {what} that ssh could be told")
    if target.host_key and not KEY.fullmatch(target.host_key):
        hint = f"as `ssh-keyscan {target.host}` prints it, without the name in front"
        raise UsageError(f"host {name}: hostKey has to be a type and a key, such as 'ssh-ed25519 AAAA…'", hint=hint)


def _private(directory: Path) -> Path:
    """Made for us alone. Somebody else's in its place would hear, or say, whatever they like."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Denied(f"{directory} is not ours alone", hint=f"chmod 700 {directory}, or take it away")
    return directory


def _quoted(path: Path) -> str:
    """As an option's value: ssh splits at blanks, and expands per cents in what is the user's."""
    return '"' + str(path).replace("%", "%%") + '"'
