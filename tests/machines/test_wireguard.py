"""A tunnel between two sites with what Debian has for it, as ground for a mesh: one side is behind a router."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.waiting import until

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="this kernel has no tunnels"),
]


def up(machine: Machine, inside: str) -> str:
    """Makes the device, with a key that is made there and never leaves. Returns the public one."""
    machine.run("mkdir", "-p", "/run/wg")
    machine.run("sh", "-c", "umask 077; wg genkey > /run/wg/key")
    machine.run("wireguard-go", "wg0")
    machine.run("wg", "set", "wg0", "private-key", "/run/wg/key", "listen-port", "51820")
    machine.run("ip", "addr", "add", f"{inside}/24", "dev", "wg0")
    machine.run("ip", "link", "set", "wg0", "up")
    return machine.run("wg", "show", "wg0", "public-key").decode().strip()


def pinged(machine: Machine, address: str) -> bool:
    return b" 0% packet loss" in machine.run("busybox", "ping", "-c1", "-W1", address, check=False)


def test_two_machines_reach_each_other_through_a_tunnel_and_a_router(lab: Lab) -> None:
    house = lab.site()
    lab.router("door", house)
    inside, outside = lab.machine("hidden", house), lab.machine("open")
    keys = {inside: up(inside, "10.42.0.1"), outside: up(outside, "10.42.0.2")}
    outside.run("wg", "set", "wg0", "peer", keys[inside], "allowed-ips", "10.42.0.1/32")
    peer = ["peer", keys[outside], "allowed-ips", "10.42.0.2/32", "persistent-keepalive", "1"]
    inside.run("wg", "set", "wg0", *peer, "endpoint", f"{outside.address}:51820")

    assert until(lambda: pinged(inside, "10.42.0.2"))
    assert until(lambda: pinged(outside, "10.42.0.1")), "through the router, from outside"
    inside.run("sh", "-c", "kill -9 $(pidof wireguard-go)")
    until(lambda: not inside.run("ip", "link", "show", "wg0", check=False))
