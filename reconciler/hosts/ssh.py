"""A machine at the other end of an SSH connection. Nothing is installed there."""

from __future__ import annotations

import posixpath
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from reconciler.errors import Denied, Gone, OutcomeUnknown, ReconcilerError, Refused, Unreachable
from reconciler.hosts import listening, remote, sshsaid, together
from reconciler.hosts.exchange import Heard, exchange, flow
from reconciler.hosts.local import EPHEMERAL, EPHEMERAL_DEFAULT, EPHEMERAL_ELSEWHERE, READ_BYTES
from reconciler.hosts.running import OUTPUT_BYTES
from reconciler.hosts.sshline import LOST, Line, Target
from reconciler.inquiry import Question, Told
from reconciler.model.labels import number
from reconciler.model.observed import Listener
from reconciler.ports import Completed

READ_SECONDS = 60.0
LOOK_SECONDS = 15.0
BUSY_SECONDS = 10.0
MOST_TOLD = 3 * OUTPUT_BYTES
MOST_PID = 2**31 - 1
LASTING_SECONDS = 86400.0
"""Of what goes on for as long as somebody listens."""

READ = r"""
export LC_ALL=C
ls -dL "$1" >/dev/null || exit 1
[ -f "$1" ] || { echo 'x: not a regular file' >&2; exit 1; }
cat < "$1"
"""

WRITE = r"""
export LC_ALL=C
umask 077
directory=$1 target=$1/$2 draft=$1/$3 mode=$4
mkdir -p "$directory" || exit 1
if [ -d "$target" ] && [ ! -L "$target" ]; then echo 'x: Is a directory' >&2; exit 1; fi
trap 'rm -f "$draft"' EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE
set -C
cat > "$draft" || exit 1
chmod "$mode" "$draft" || exit 1
dd if=/dev/null of="$draft" conv=notrunc,fsync 2>/dev/null || exit 1
mv -fT "$draft" "$target" 2>/dev/null || { [ ! -L "$target" ] || rm "$target"; mv -f "$draft" "$target"; } || exit 1
sync "$directory" 2>/dev/null || :
"""
"""The draft is a new file in any case, on the disk before it gets its name. `-T`: a link in the file's place is
replaced, where a plain `mv` would follow one to a directory. A `mv` that can't do so leaves no file for a moment.
Without a word about pipes, the shell would die of telling nobody that it was interrupted, and leave its draft behind.
"""

TABLES = r"""
for table in tcp tcp6 udp udp6; do
  echo "= $table"
  grep -E 'local_address|:0000 0[7A] ' "/proc/net/$table" 2>/dev/null
done
:
"""

HOLDERS = r"""
ls -l /proc/[0-9]*/fd 2>/dev/null | grep -E "$1" | while read -r line; do
  case $line in
    /proc/*) pid=${line#/proc/} pid=${pid%%/*} ;;
    *) inode=${line##*socket:\[}
       printf '%s %s ' "$pid" "${inode%]}"
       tr '\0\n' '  ' < "/proc/$pid/cmdline" 2>/dev/null
       echo ;;
  esac
done
"""


class Ssh:
    """A Host over the system's `ssh`. A command that a signal ended has 128 and its number for exit code, as with any
    shell.
    """

    sockets = Question(TABLES)

    def __init__(self, name: str, target: Target, directory: Path) -> None:
        self.name = name
        self._line = Line(name, target, directory)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline: float = 30.0) -> Completed:
        return self._run(argv, stdin=stdin, deadline=deadline, most=OUTPUT_BYTES)

    def stream(self, argv: Sequence[str], *, tick: float = LASTING_SECONDS) -> Iterator[bytes]:
        """What a command writes, as it comes; it ends with us. Raises when it failed, or when the connection was lost:
        nothing is begun again, for nobody knows how much of it was heard. After each `tick` without a word there is
        an empty piece, so that who listens may think of something else.
        """
        self._line.open()
        mark = secrets.token_hex(8)
        line = remote.wrapped(argv, mark=mark, size=0, deadline=LASTING_SECONDS)
        way = [*self._line.session(mark), line]
        try:
            heard = yield from flow(way, mark=mark, deadline=LASTING_SECONDS, most=OUTPUT_BYTES, tick=tick)
        except TimeoutError:
            raise self._late(argv[0], LASTING_SECONDS) from None
        done = self._completed(argv[0], heard, LASTING_SECONDS)
        if done.exit_code:
            raise Refused(f"{argv[0]} failed on {self.name}: {sshsaid.last(done.stderr)}")

    def read(self, path: str) -> bytes:
        done = self._look(READ, path, deadline=READ_SECONDS, most=READ_BYTES + 1)
        if done.exit_code:
            raise _said(f"can't read {path} on {self.name}", done.stderr)
        if len(done.stdout) > READ_BYTES:
            raise Refused(f"can't read {path} on {self.name}: it is larger than {READ_BYTES // 2**20} MiB")
        return done.stdout

    def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """A link in the file's place is replaced, never followed."""
        directory, name = posixpath.split(path)
        draft = f".{name}.{secrets.token_hex(6)}"
        words = [directory or ".", name, draft, f"{mode:o}"]
        done = self.run(["sh", "-c", WRITE, "write", *words], stdin=content, deadline=READ_SECONDS)
        if done.exit_code:
            raise _said(f"can't write {path} on {self.name}", done.stderr)

    def ask(self, questions: Sequence[Question]) -> list[Told]:
        """What was told before the connection was lost, or before the deadline, was told."""
        mark, before, since = secrets.token_hex(8), time.time(), time.monotonic()
        said, fault = b"", None
        try:
            heard = self._shown(together.joined(questions, mark), deadline=LOOK_SECONDS, most=MOST_TOLD)
            said = heard.stdout
            self._completed("sh", heard, LOOK_SECONDS)
        except ReconcilerError as error:
            fault = error
        after, took = time.time(), time.monotonic() - since
        cut = fault or Unreachable(f"host {self.name} did not tell all that it was asked", hint="it is asked again")
        told = together.answers(said, mark, len(questions))
        return [Told(text or "", before, after, took, cut if text is None else None) for text in told]

    def read_sockets(self, told: Told) -> tuple[Listener, ...]:
        return listening.told(_sockets(told.whole.encode()), {})

    def listeners(self, ports: Iterable[int] = ()) -> tuple[Listener, ...]:
        wanted = frozenset(ports)
        sockets = _sockets(self._look(TABLES).stdout)
        inodes = {one.inode for one in sockets if one.binding.port in wanted and one.inode}
        return listening.told(sockets, self._holders(inodes) if inodes else {})

    def ephemeral_ports(self) -> tuple[int, int]:
        try:
            low, high = self.read(str(EPHEMERAL)).split()
            return int(low), int(high)
        except Gone:
            return EPHEMERAL_ELSEWHERE
        except (Refused, ValueError):
            return EPHEMERAL_DEFAULT

    def connection(self) -> int:
        """Another number for each; 0 while there is none."""
        return self._line.began()

    def forward(self, path: str) -> str:
        """The path of a socket here that leads to the one there. To be asked for anew before each use: it goes when
        the connection does.
        """
        return self._line.forward(path)

    def reach(self, address: str, port: int) -> tuple[str, int]:
        """Where a TCP port that the host reaches is found here, for as long as the connection lasts."""
        return self._line.reach(address, port)

    def terminal(self, argv: Sequence[str], *, tty: bool, stdin: bool) -> int:
        """A command there, wired to what we are wired to here. Its exit code."""
        return self._line.terminal(remote.quote(argv), tty=tty, stdin=stdin)

    def offered(self) -> str:
        """The key that the host shows now, as a line for `trust`. Empty where none could be learned."""
        return self._line.offered()

    def known(self) -> list[str]:
        """The keys that are known to be its own, as lines of known_hosts; those that a person told us first."""
        return self._line.known()

    def trust(self, line: str) -> None:
        """From now on, and in place of what was trusted under that name before. A person has to have said so."""
        self._line.trust(line)

    def close(self) -> None:
        """The connection, for all who share it. The next command opens another."""
        self._line.close()

    def _holders(self, inodes: set[int]) -> dict[int, listening.Holder]:
        """The lowest pid that has it open, which is the parent of those that inherited it."""
        pattern = rf"^/proc/|socket:\[({'|'.join(map(str, sorted(inodes)))})\]$"
        found: dict[int, listening.Holder] = {}
        for line in self._look(HOLDERS, pattern).stdout.decode(errors="replace").splitlines():
            pid, inode, command = [*line.split(" ", 2), "", ""][:3]
            known, held = number(pid, MOST_PID), number(inode, listening.MOST_INODE)
            if known and held in inodes:
                holder = listening.Holder(known, listening.plain(command))
                found[held] = min(found.get(held, holder), holder, key=lambda one: one.pid)
        return found

    def _look(self, script: str, *words: str, deadline: float = LOOK_SECONDS, most: int = OUTPUT_BYTES) -> Completed:
        """Of what only looks, an unknown outcome is none: nothing can have changed by it."""
        try:
            heard = self._shown(["sh", "-c", script, "look", *words], deadline=deadline, most=most)
            return self._completed("sh", heard, deadline)
        except OutcomeUnknown as error:
            raise Unreachable(error.message, hint="it is asked again") from error

    def _run(self, argv: Sequence[str], *, deadline: float, most: int, stdin: bytes = b"") -> Completed:
        return self._completed(argv[0], self._heard(argv, stdin=stdin, deadline=deadline, most=most), deadline)

    def _completed(self, program: str, heard: Heard, deadline: float) -> Completed:
        if heard.late:
            raise self._late(program, deadline)
        match heard.ended:
            case "missing":
                raise Refused(f"no program is called {program!r} on {self.name}", hint="install it, or look at PATH")
            case "denied":
                raise Denied(f"{program} may not be run on {self.name}")
            case status if status.isdecimal():
                return Completed(int(status), heard.stdout, heard.stderr)
            case _:
                raise self._unended(program, heard)

    def _shown(self, argv: Sequence[str], *, deadline: float, most: int) -> Heard:
        """What only looks may be said twice: that a line leads nowhere any more, as after the machine was started anew,
        is found out by its use.
        """
        began, until = self._line.began(), time.monotonic() + BUSY_SECONDS
        heard = self._heard(argv, deadline=deadline, most=most)
        if began and _lost(heard) and not heard.late and time.monotonic() < until:
            self._line.open()
            if self._line.began() != began:
                return self._heard(argv, deadline=deadline, most=most)
        return heard

    def _heard(self, argv: Sequence[str], *, deadline: float, most: int, stdin: bytes = b"") -> Heard:
        """Nothing is said twice: again only when it is certain that nobody heard the first time. Somebody who is busy,
        which an open line without room for another command is, will have time again.
        """
        until = time.monotonic() + min(deadline, BUSY_SECONDS)
        while True:
            mark = secrets.token_hex(8)
            line = remote.wrapped(argv, mark=mark, size=len(stdin), deadline=deadline)
            way = [*self._line.session(mark), line]
            heard = exchange(way, mark=mark, stdin=stdin, deadline=deadline, most=most)
            if heard.late or not _unserved(heard, mark):
                return heard
            if not self._line.open() and time.monotonic() > until:
                raise Unreachable(
                    f"host {self.name} takes no more commands at once",
                    hint="it is tried again; if it stays so, raise MaxSessions in its sshd_config",
                )

    def _late(self, program: str, deadline: float) -> OutcomeUnknown:
        said = f"{program} did not end within {deadline:g} s on {self.name} and was killed"
        return OutcomeUnknown(said, hint="look at what it has done so far")

    def _unended(self, program: str, heard: Heard) -> Refused | OutcomeUnknown:
        if _lost(heard):
            return OutcomeUnknown(
                f"the connection to host {self.name} was lost while {program} ran",
                hint="look at what it has done so far",
            )
        said = sshsaid.last(heard.noise or heard.stdout)
        return Refused(f"host {self.name} runs no commands for this user: {said}", hint="look at its login shell there")


def _sockets(said: bytes) -> list[listening.Socket]:
    """Of all tables that were told."""
    found: list[listening.Socket] = []
    for table in said.split(b"= ")[1:]:
        name, _, lines = table.partition(b"\n")
        if (known := name.decode(errors="replace")) in listening.TABLES:
            found += listening.parse(lines, known[:3])
    return found


def _unserved(heard: Heard, mark: str) -> bool:
    """Our own word for it alone will do, and not if ssh had asked its master already: then who knows."""
    asked = re.search(rb"mux_client\w*: (read|write)", heard.noise)
    return not heard.begun and f"{mark} unserved\n".encode() in heard.noise and not asked


def _lost(heard: Heard) -> bool:
    """Whether it may have been begun, and nobody told of its end."""
    return not heard.ended and (heard.begun or heard.exit_code in {LOST, -1})


def _said(what: str, stderr: bytes) -> Refused:
    """What its tools say, as the local host's system calls would."""
    cause = sshsaid.last(stderr).rpartition(": ")[2]
    match cause:
        case "No such file or directory":
            return Gone(f"{what}: it does not exist")
        case "Permission denied" | "Operation not permitted":
            return Denied(f"{what}: {cause}", hint="look at its owner and mode")
        case _:
            return Refused(f"{what}: {cause}")
