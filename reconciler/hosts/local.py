"""The machine we are on: run argument lists, read and write files, tell who listens where."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from reconciler.errors import Denied, Gone, Refused
from reconciler.hosts import listening
from reconciler.hosts.running import run
from reconciler.model.observed import Listener
from reconciler.ports import Completed

READ_BYTES = 64 * 1024 * 1024
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
EPHEMERAL_DEFAULT = (32768, 60999)
EPHEMERAL_ELSEWHERE = (49152, 65535)
"""What IANA says, and most that are not Linux do."""


class LocalHost:
    """A Host without a wire in between."""

    name = "local"

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline: float = 30.0) -> Completed:
        return run(argv, stdin=stdin, deadline=deadline)

    def read(self, path: str) -> bytes:
        with _plainly("read", path), os.fdopen(_open_regular(path), "rb") as file:
            content = file.read(READ_BYTES + 1)
        if len(content) > READ_BYTES:
            raise Refused(f"can't read {path}: it is larger than {READ_BYTES // 2**20} MiB")
        return content

    def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """A link in the file's place is replaced, never followed."""
        target = Path(path)
        with _plainly("write", path):
            _make_private(target.parent)
            directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _replace(directory, target.name, content, mode)
            finally:
                os.close(directory)

    def listeners(self, ports: Iterable[int] = ()) -> tuple[Listener, ...]:
        return listening.listeners(frozenset(ports))

    def ephemeral_ports(self) -> tuple[int, int]:
        try:
            low, high = EPHEMERAL.read_text().split()
            return int(low), int(high)
        except FileNotFoundError:
            return EPHEMERAL_ELSEWHERE
        except (OSError, ValueError):
            return EPHEMERAL_DEFAULT


@contextlib.contextmanager
def _plainly(verb: str, path: str) -> Iterator[None]:
    """What the file system says, as our own errors."""
    try:
        yield
    except FileNotFoundError as error:
        raise Gone(f"can't {verb} {path}: it does not exist") from error
    except PermissionError as error:
        raise Denied(f"can't {verb} {path}: {error.strerror}", hint="look at its owner and mode") from error
    except OSError as error:
        raise Refused(f"can't {verb} {path}: {error.strerror or error}") from error


def _open_regular(path: str) -> int:
    """Without O_NONBLOCK a pipe in its place would hang us for ever."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "not a regular file")


def _make_private(directory: Path) -> None:
    """Each one that is missing, and not only the last, as `mkdir -p -m` would."""
    missing = [parent for parent in (directory, *directory.parents) if not parent.exists()]
    for parent in reversed(missing):
        with contextlib.suppress(FileExistsError):
            parent.mkdir(mode=0o700)


def _replace(directory: int, name: str, content: bytes, mode: int) -> None:
    """Through a new file beside it; both its content and its name are on the disk before we go on."""
    draft = f".{name}.{secrets.token_hex(6)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.ExitStack() as on_failure:
        with os.fdopen(os.open(draft, flags, 0o600, dir_fd=directory), "wb") as file:
            on_failure.callback(_discard, directory, draft)
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
        on_failure.pop_all()
    os.fsync(directory)


def _discard(directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
