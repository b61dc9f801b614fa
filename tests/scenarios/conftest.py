"""A stage for each test: its own home, namespace and ports on the engine that all share."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine_api import Engine
from tests.scenarios.stage import Stage

FIRST_PORT, PORTS_EACH = 10000, 600
"""Below the automatic range and the kernel's own; each xdist worker has a part of it to itself."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
_ports = itertools.cycle(range(FIRST_PORT + _worker * PORTS_EACH, FIRST_PORT + (_worker + 1) * PORTS_EACH))


@pytest.fixture
def stage(engine: Engine, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    it = Stage(engine, namespace, tmp_path)
    try:
        yield it
    finally:
        it.clear()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A number that nobody listens on, and no other test is given."""
    return lambda: next(number for number in _ports if _free(number))


@pytest.fixture
def busy_port(free_port: Callable[[], int]) -> Iterator[int]:
    """A number on which this very test process listens."""
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        yield listener.getsockname()[1]


def _free(number: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("0.0.0.0", number))
        return True
    return False
