"""By which keys a host is known, before anybody is connected to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.hosts.sshkeys import known
from reconciler.hosts.sshline import Target
from reconciler.hosts.sshsaid import fingerprint

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKL6E41Mu4oZMRI1zJFkb0ubrmErjkTWMXkBN9Clx6+S"


@pytest.mark.parametrize(("host", "name"), [("pi", "10.1.2.3"), ("pi2", "[10.1.2.3]:2222"), ("nas", "the-nas")])
def test_a_key_is_found_under_the_name_that_ssh_would_look_for(tmp_path: Path, host: str, name: str) -> None:
    """Hashed as well; ours goes before the user's own."""
    user, ours, config = tmp_path / "user", tmp_path / "ours", tmp_path / "config"
    user.write_text(f"{name} {KEY}\nother {KEY[:-1]}A\n")
    subprocess.run(["ssh-keygen", "-H", "-f", user], check=True, capture_output=True)
    config.write_text(
        f"UserKnownHostsFile {user}\nHost pi\n  HostName 10.1.2.3\nHost pi2\n  HostName 10.1.2.3\n  Port 2222\n"
        "Host nas\n  HostKeyAlias the-nas\n"
    )
    target = Target(host, config=str(config))
    (line,) = known(target, ours)
    assert fingerprint(line) == fingerprint(KEY)

    ours.write_text(f"{name} ecdsa {KEY.split()[1]}\n")
    assert [one.split()[-2] for one in known(target, ours)] == ["ecdsa", "ssh-ed25519"]
    assert known(Target("stranger", config=str(config)), ours) == []


def test_a_pin_is_all_that_counts(tmp_path: Path) -> None:
    assert known(Target("pi", host_key=KEY), tmp_path / "none") == [f"pinned {KEY}"]
