"""What ssh and a host say, read with care: whose turn it is, and nothing that a terminal would obey."""

from __future__ import annotations

import pytest

from reconciler.core.hostfacts import VALUE_LENGTH
from reconciler.errors import Denied, HostKeyChanged, HostKeyUnknown, Refused, Unreachable
from reconciler.hosts import sshsaid
from reconciler.hosts.facts import facts
from reconciler.hosts.local import LocalHost
from reconciler.ports import Completed

STRICT = "and you have requested strict checking.\nHost key verification failed."


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        ("ssh: connect to host pi port 22: No route to host", Unreachable, "No route to host"),
        ("ssh: Could not resolve hostname pi: Name or service not known", Unreachable, "Name or service not known"),
        ("Connection closed by 1.2.3.4 port 22", Unreachable, "closed"),
        ("", Unreachable, "ssh does not say why"),
        ("me@pi: Permission denied (publickey).", Denied, "publickey"),
        ("/etc/ssh/x: line 3: Bad configuration option: foo", Refused, "Bad configuration option"),
        (f"Host key for pi has changed {STRICT}", HostKeyChanged, "pi shows another key"),
        (f"No ED25519 host key is known for pinned {STRICT}", HostKeyChanged, "than the hostKey in its spec"),
        (f"No ED25519 host key is known for pi {STRICT}", HostKeyUnknown, "nobody has said yet"),
    ],
)
def test_what_ssh_says_becomes_an_error_that_says_whose_turn_it_is(said: str, error: type, told: str) -> None:
    fault = sshsaid.fault("pi", "me@pi:22", said.encode())

    assert type(fault) is error
    assert told in fault.message
    assert "pi (me@pi:22)" in fault.message


def test_nothing_that_is_told_moves_a_cursor() -> None:
    fault = sshsaid.fault("pi", "pi", b"\x1b[2Jevil\xe2\x80\xae " + b"x" * 1000)

    assert fault.message.isprintable()
    assert len(fault.message) < 400


class Liar(LocalHost):
    """A host that has been taken over."""

    def run(self, *_words: object, **_options: object) -> Completed:
        lines = ["now 1", "uid x", "os \x1b[31mLinux", f"boot {'b' * 100_000}", "", "engine"]
        return Completed(0, "\n".join([*(f"fact {line}" for line in lines), "nonsense"]).encode())


def test_a_lying_host_is_quoted_briefly_and_harmlessly() -> None:
    told = facts(Liar())

    assert told.os == "?[31mLinux"
    assert len(told.boot_id) == VALUE_LENGTH
    assert (told.uid, told.engine_socket) == (-1, "")
