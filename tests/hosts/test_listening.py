"""Who listens: found by both ways of asking the kernel, with holders only where they are asked for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler.hosts import listening, sockdiag
from reconciler.hosts.local import LocalHost
from reconciler.model.observed import Binding, Listener

HOST = LocalHost()
PLACES = [
    (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1", "127.0.0.1"),
    (socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", "0.0.0.0"),
    (socket.AF_INET6, socket.SOCK_STREAM, "::1", "::1"),
    (socket.AF_INET6, socket.SOCK_STREAM, "::", "::"),
    (socket.AF_INET6, socket.SOCK_STREAM, "::ffff:127.0.0.1", "127.0.0.1"),
    (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1", "127.0.0.1"),
    (socket.AF_INET6, socket.SOCK_DGRAM, "::", "::"),
]


def bound(family: int, kind: int, address: str, port: int = 0) -> socket.socket:
    one = socket.socket(family, kind)
    one.bind((address, port))
    if kind == socket.SOCK_STREAM:
        one.listen()
    return one


@pytest.fixture(params=["asked", "read"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By socket diagnostics, and by the tables under /proc where there are none."""
    if request.param == "read":
        monkeypatch.setattr(sockdiag, "SOCK_DIAG", 99)
    return str(request.param)


@pytest.mark.parametrize(("family", "kind", "address", "told"), PLACES)
def test_each_kind_of_listener_is_found_with_its_holder(
    way: str, family: int, kind: int, address: str, told: str
) -> None:
    with bound(family, kind, address) as one:
        port = one.getsockname()[1]
        found = [item for item in HOST.listeners([port]) if item.binding.port == port]

    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    assert [(item.binding, item.pid) for item in found] == [(Binding(port, protocol, told), os.getpid())]
    assert Path(sys.executable).name in found[0].command
    assert found[0].holder.startswith(f"pid {os.getpid()} (")


def test_holders_are_not_looked_up_unasked(way: str) -> None:
    with bound(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1") as one:
        assert Listener(Binding(one.getsockname()[1], "tcp", "127.0.0.1")) in HOST.listeners()


def test_connections_are_not_listeners(way: str) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(bound(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"))
        client = stack.enter_context(socket.create_connection(server.getsockname()))
        stack.enter_context(server.accept()[0])
        datagrams = stack.enter_context(bound(socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"))
        connected = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        connected.connect(datagrams.getsockname())
        ports = {item.binding.port for item in HOST.listeners()}

        assert server.getsockname()[1] in ports
        assert client.getsockname()[1] not in ports
        assert connected.getsockname()[1] not in ports


def test_a_socket_shared_by_several_is_told_once(way: str) -> None:
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("127.0.0.1", first.getsockname()[1] if one is second else 0))
            one.listen()
        port = first.getsockname()[1]

        assert [item.pid for item in HOST.listeners([port]) if item.binding.port == port] == [os.getpid()]


LISTEN_AS = """
import os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def stranger() -> Iterator[tuple[int, int]]:
    """Another process that listens, and wears a command line full of tricks."""
    tricks = "\x1b[2J\u202e\n" + "x" * 200
    child = subprocess.Popen(
        [sys.executable, "-c", LISTEN_AS, tricks], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    yield child.pid, int(child.stdout.readline())
    child.communicate()


def test_K11_the_holder_s_command_is_one_short_harmless_line(stranger: tuple[int, int]) -> None:
    pid, port = stranger
    (found,) = (item for item in HOST.listeners([port]) if item.binding.port == port)

    assert found.pid == pid
    assert len(found.command) <= listening.COMMAND_LENGTH
    assert found.command.isprintable()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_be_looked_at_is_told_without_a_name(stranger: tuple[int, int]) -> None:
    _, port = stranger
    program = f"""
import os
from reconciler.hosts.local import LocalHost
os.setgid(65534); os.setuid(65534)
print([item.holder for item in LocalHost().listeners([{port}]) if item.binding.port == {port}])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "['a process that this user may not look at']\n"


LIES = [
    (b"zz:zz", b"1"), (b"-1:0050", b"1"), (b"FFFFFFFFF:0050", b"1"), (b":0050", b"1"), (b"0100007F0100007F:0050", b"1"),
    (b"0100007F:FFFFFF", b"1"), (b"0100007F:0050", b"9" * 5000), (b"0100007F:0050", b"x"),
]  # fmt: skip


def test_a_table_of_another_shape_is_survived() -> None:
    table = b"  sl  local_address ...\n   0: short\n\n   1: 0100007F:1F90 00000000:0000 0A 0 0 0 0 0 4242 1 x\n"
    for address, inode in LIES:
        table += b"   2: %s 00000000:0000 0A 0 0 0 0 0 %s 1 x\n" % (address, inode)

    assert list(listening.parse(table, "tcp")) == [listening.Socket(Binding(8080, "tcp", "127.0.0.1"), 4242)]


def test_without_proc_psutil_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psutil")  # which asks for the platform too, once, when it is loaded
    monkeypatch.setattr(sys, "platform", "elsewhere")
    with bound(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1") as one:
        port = one.getsockname()[1]
        (found,) = (item for item in HOST.listeners([port]) if item.binding.port == port)

    assert (found.binding, found.pid) == (Binding(port, "tcp", "127.0.0.1"), os.getpid())


@pytest.mark.skipif(shutil.which("ss") is None, reason="needs ss to compare with")
def test_it_agrees_with_ss() -> None:
    said = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout.splitlines()
    theirs = {int(line.split()[3].rpartition(":")[2]) for line in said}

    assert {item.binding.port for item in HOST.listeners() if item.binding.protocol == "tcp"} == theirs


def test_without_holders_it_takes_less_than_5_ms() -> None:
    """The best of many: others may be at work on this machine."""
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(bound(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"))
        took = []
        for _ in range(20):
            started = time.perf_counter()
            HOST.listeners()
            took.append(time.perf_counter() - started)

    assert min(took) < 0.005
