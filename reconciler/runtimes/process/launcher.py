"""The small shell that becomes a service's parent: starts it, keeps its log, records how it ended.

Why a shell, and not Python: it has to stay for as long as the service does, and a shell is 0.2 MiB instead of
ten. Why anything at all: somebody has to be the parent, or nobody will ever know the exit code. The text below
is constant; all that varies comes as an argument. It is plain POSIX, for dash, busybox sh and bash.

Three processes. PARENT waits for the service, writes `exit`, gives up the lock, and ends once all output is kept.
Its `keep` moves the output from a pipe into `log` and `log.1` with dd. A subshell becomes the service.

The launcher learns from a fifo how that last step went: the fifo's end in the service is closed by the very exec
that succeeds, because a shell keeps the descriptors that it saves around a `{ ...; } 7>&-` close-on-exec. When the
exec fails the shell gets descriptor 7 back and says so. That tells "there is no such program" from a program that
ends with 127 by itself.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import stat
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from reconciler.errors import Denied, OutcomeUnknown
from reconciler.runtimes.process import lock
from reconciler.runtimes.process.identity import boot_id, leads_session, open_pidfd, slurp
from reconciler.runtimes.process.lock import Lock
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.runtimes.process.spawning import Descriptor

DEADLINE = 20.0
"""For a start to be over, one way or the other: it takes 3 ms, on a machine that thrashes a thousand times that."""

SHELL = "/bin/sh"

READ = ". /dev/fd/{}"
"""A shell is given its text by a descriptor: as an argument it would fill the screen of whoever calls ps."""

PARENT = r"""
exec 4<&-
umask 077
trap '' HUP INT QUIT TERM
cd -- "$1" || exit 125

keep() {
  # What the service's environment tells the loader is for the service: dd would say more than we understand.
  unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT LD_DEBUG LD_SHOW_AUXV LD_TRACE_LOADED_OBJECTS LD_VERBOSE LD_WARN
  __rc_size=0
  while :; do
    # dd counts reads, however short, so a round may end early but never writes more than there is room for.
    __rc_room=$(((5242880 - __rc_size) / 16384))
    if [ "$__rc_room" -le 0 ]; then
      "$7" -f log log.1 || "$5" if=/dev/null of=log
      __rc_size=0
      continue
    fi
    __rc_said=$("$5" bs=16k count="$__rc_room" 2>&1 >>log)
    case $?:$__rc_said in
    0:0+0\ *) return ;; # the end of all output
    0:* | 129:* | 130:* | 137:* | 143:*) ;; # or somebody killed it: nothing is lost but what it held
    *)
      # The disk is full. What can't be kept is dropped, so that the service never waits for us.
      __rc_said=$("$5" bs=64k count=1 2>&1 >/dev/null)
      case $__rc_said in 0+0\ *) return ;; esac
      ;;
    esac
    __rc_size=$("$6" -c <log) || __rc_size=0
  done
}

whoami_() {
  read -r __rc </proc/self/stat
  __rc_pid=${__rc%% *}
  set -- ${__rc##*) }
  __rc="$__rc_pid ${20}"
}

# By exec, for a redirected command would leave the shell with saved copies, the lock's among them.
(exec <&3 3<&- >/dev/null 5<&- 9>&-; keep "$@") &
exec 3<&-
whoami_
__rc_parent=$__rc
(
  trap - HUP INT QUIT TERM
  exec 2>&1 7<>launching
  __rc_boot=$4 __rc_group=$8
  export RECONCILER_OWNER="$2" RECONCILER_KEY="$3"
  shift 8
  while [ "$1" != -- ]; do
    echo 0 >"$1" || { echo "cgroup $1" >&7; exit 125; }
    shift
  done
  shift
  whoami_
  echo "$__rc $__rc_parent $__rc_boot $__rc_group" >pid || { echo record >&7; exit 125; }
  exec "$@"
)
__rc=$?
echo "$__rc" 1<>exit
exec 1>&- 9>&-
wait
"""

SERVICE = r"""
exec 5<&-
trap 'echo "exec $?" >&7' EXIT
umask 022
[ -z "${BASH_VERSION-}" ] || shopt -s execfail
cd -- "$1" || { trap - EXIT; echo workdir >&7; exit 126; }
unset OLDPWD
shift
echo ready >&7
{ exec "$@"; } 7>&-
"""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a launch needs to know."""

    title: str
    directory: str
    owner: str
    key: str
    command: Sequence[str]
    working_dir: str
    env: Mapping[str, str]
    group: str = ""
    """The cgroup by which its processes are found, as the kernel names it; empty without one."""
    joins: Sequence[str] = ()
    """The cgroup.procs files into which it writes itself."""
    become: Sequence[str] = ()
    """A prefix that changes the user."""


@dataclass(frozen=True, slots=True)
class Launched:
    parent: int
    """A child of ours, to be reaped when it ends while we are still there."""
    verdict: str
    """Empty when the program runs, otherwise what failed: `workdir`, `exec 127`, `cgroup PATH`, `killed`."""


def launch(plan: Launch, held: Lock) -> Launched:
    """Start it, and wait until the program itself has begun or could not. The lock goes over to the service."""
    discard_fifo(plan.directory)
    fifo = os.path.join(plan.directory, "launching")
    os.mkfifo(fifo, 0o600)
    told = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        parent = _spawn(plan, held)
        return Launched(parent, _verdict(_listen(plan, told, parent)))
    finally:
        os.close(told)
        os.unlink(fifo)


def _spawn(plan: Launch, held: Lock) -> int:
    """Neither the lock nor the log's pipe stays open here: their last copy closing is what says the end."""
    ours = [_clear_of_targets(fd) for fd in (*os.pipe2(os.O_CLOEXEC), os.dup(held.fd))]
    held.close()
    try:
        return _spawn_parent(plan, *ours)
    finally:
        for fd in ours:
            os.close(fd)


def _spawn_parent(plan: Launch, reading: int, writing: int, locked: int) -> int:
    from reconciler.runtimes.process.spawning import Closed, Given, Opened, spawn  # noqa: PLC0415 -- loads ctypes

    tools = tool("dd"), tool("wc"), tool("mv")
    program = [tool("setsid"), *plan.become, SHELL, "-c", READ.format(5), plan.title, plan.working_dir, *plan.command]
    argv = [SHELL, "-c", READ.format(4), plan.title, plan.directory, plan.owner, plan.key, boot_id(), *tools]
    argv += [plan.group or "-", *plan.joins, "--", *program]
    descriptors: list[Descriptor] = [
        *map(Closed, _inherited()),
        Opened(0, "/dev/null", os.O_RDONLY),
        Given(1, writing),
        Opened(2, "/dev/null", os.O_WRONLY),
        Given(3, reading),
        Given(4, _text(PARENT)),
        Given(5, _text(SERVICE)),
        Given(9, locked),
    ]
    return spawn(argv, plan.env, descriptors, _resettable())


@cache
def _text(script: str) -> int:
    """A descriptor of a file in memory, for as long as we last. Whoever opens it anew reads from its beginning."""
    fd = _clear_of_targets(os.memfd_create("reconciler", os.MFD_CLOEXEC))
    os.write(fd, script.encode())
    return fd


@cache
def _resettable() -> tuple[int, ...]:
    """All that whoever started us may have ignored, under nohup for one; as numbers, for they are passed each time."""
    return tuple(int(number) for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def _listen(plan: Launch, told: int, parent: int) -> str:
    """What the fifo says until its last writer is gone. A parent that dies first may leave nobody to wait for."""
    deadline = time.monotonic() + DEADLINE
    said = b""
    poll = select.poll()
    poll.register(told, select.POLLIN)
    watching = open_pidfd(parent)
    if watching is not None:
        poll.register(watching, select.POLLIN)
    try:
        while time.monotonic() < deadline:
            ready = dict(poll.poll(50 if watching is None else 1000))
            if told in ready:
                if not (chunk := os.read(told, 4096)):
                    return said.decode()
                said += chunk
            elif watching is not None and watching in ready:
                poll.unregister(watching)
                os.close(watching)
                watching = None
            elif watching is None and not lock.held(os.path.join(plan.directory, "lock")):
                return said.decode()
    finally:
        if watching is not None:
            os.close(watching)
    raise OutcomeUnknown(f"{plan.key}: the start did not come to an end in {DEADLINE:.0f} s", hint="look again")


def _verdict(said: str) -> str:
    match said.splitlines():
        case ["ready"]:
            return ""
        case [*_, last] if last != "ready":
            return last
        case _:
            return "killed"


def told(pid: int, directory: str) -> tuple[str, str] | None:
    """For whom this is the shell parent, owner and key, if it is one and of this directory."""
    words = slurp(f"/proc/{pid}/cmdline").split(b"\0")
    if len(words) < 8 or words[:3] != [SHELL.encode(), b"-c", READ.format(4).encode()]:
        return None
    if words[4] != os.fsencode(directory) or not leads_session(pid):  # its `keep` looks the same, but leads none
        return None
    return words[5].decode(), words[6].decode()


def reap(parent: int) -> bool:
    """Whether it has ended. Only the one who spawned it can ask; when we are gone, init does."""
    try:
        return os.waitpid(parent, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


@cache
def tool(name: str) -> str:
    """Where one of the system's small programs lies: never looked for on the service's own PATH."""
    for path in (os.environ.get("PATH"), "/usr/sbin:/usr/bin:/sbin:/bin"):
        if found := shutil.which(name, path=path):
            return os.path.abspath(found)
    raise Denied(
        f"native processes need the program {name}, and it is not here", hint="install util-linux and coreutils"
    )


def _inherited() -> list[int]:
    """Descriptors that whoever started us left open: the service is to have none of them."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and os.get_inheritable(fd):
                found.append(fd)
        except OSError:  # the one of the listing itself
            continue
    return found


def _clear_of_targets(fd: int) -> int:
    """The same on a number above 9: a spawn that puts one on 3 must not overwrite another that lies there."""
    raised = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return raised


def discard_fifo(directory: str) -> None:
    """Left by a launcher that was killed while it waited."""
    path = os.path.join(directory, "launching")
    try:
        if stat.S_ISFIFO(os.stat(path, follow_symlinks=False).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        return
