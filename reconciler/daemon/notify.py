"""What systemd wants to hear of a service of `Type=notify`. Elsewhere nobody listens, and nothing is said."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def tell(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """READY=1, RELOADING=1, STOPPING=1, WATCHDOG=1, STATUS=…"""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line, suppress(OSError):
        line.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often it wants to hear that all is well, if it does."""
    asked, whom = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not asked.isdecimal() or (whom and whom != str(os.getpid())):
        return None
    return int(asked) / 1_000_000
