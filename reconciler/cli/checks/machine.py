from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator

from reconciler.cli.checks.finding import Finding, Level
from reconciler.cli.context import Context

GROUP = "machine"
EARLIEST = 1735689600.0
"""2025: a clock before that was never set."""
EPHEMERAL = "/proc/sys/net/ipv4/ip_local_port_range"


def python(_context: Context) -> Iterator[Finding]:
    good = sys.version_info >= (3, 11)
    yield Finding(
        GROUP, "python", Level.OK if good else Level.FAILED, f"Python {platform.python_version()} at {sys.executable}",
        "" if good else "Python 3.11 or newer is needed",
    )  # fmt: skip


def clock(_context: Context) -> Iterator[Finding]:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < EARLIEST:
        yield Finding(
            GROUP, "clock", Level.WARNING, f"it says {shown}", "set it; ages, certificates and back-offs go by it"
        )
    else:
        yield Finding(GROUP, "clock", Level.OK, shown)


def ports(context: Context) -> Iterator[Finding]:
    """Ports of our own choice must not be those that the kernel hands to outgoing connections."""
    low, high = context.port_range
    try:
        with open(EPHEMERAL, encoding="ascii") as file:
            first, last = map(int, file.read().split())
    except (OSError, ValueError):
        yield Finding(
            GROUP, "ports", Level.INFO, f"auto ports come from {low}-{high}; the kernel's own range is unknown"
        )
        return
    message = f"auto ports come from {low}-{high}, the kernel's own from {first}-{last}"
    if low <= last and first <= high:
        hint = "an outgoing connection may sit on a service's port: choose another portRange in the config file"
        yield Finding(GROUP, "ports", Level.WARNING, message, hint)
    else:
        yield Finding(GROUP, "ports", Level.OK, message)
