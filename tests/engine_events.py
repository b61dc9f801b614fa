"""What an engine tells as it happens. Asked for afterwards it knows the last 256 events alone, whoever's they are."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.engine_api import Engine
from tests.waiting import PATIENCE


class Recording:
    """Follows the stream until a sign comes by that was made for it."""

    def __init__(self, engine: Engine, mark: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._engine = engine
        self._sign = f"{mark}-sign-{time.monotonic_ns()}"
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def begin(self) -> None:
        self._thread.start()
        assert self._open.wait(PATIENCE), "the engine's event stream did not begin"

    def end(self) -> None:
        self._engine.post("/volumes/create", {"Name": self._sign})
        self._engine.delete(f"/volumes/{self._sign}")
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the engine's event stream lost our sign"

    def _follow(self) -> None:
        connection = http.client.HTTPConnection("engine", timeout=PATIENCE * 4)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(PATIENCE * 4)
        connection.sock.connect(self._engine.address.removeprefix("unix://"))
        with contextlib.closing(connection):
            connection.request("GET", "/events")
            response = connection.getresponse()
            self._open.set()
            for line in response:
                event = json.loads(line)
                actor = event["Actor"]
                if self._sign in {actor["ID"], actor["Attributes"].get("name")}:  # Podman has no ids of volumes
                    return
                if (event["Type"], event["Action"]) == ("container", "remove"):
                    event["Action"] = "destroy"  # Podman's word for it
                self.events.append(event)


@contextlib.contextmanager
def recorded(engine: Engine, mark: str) -> Iterator[Recording]:
    """All events of the block, complete once it has ended."""
    recording = Recording(engine, mark)
    recording.begin()
    yield recording
    recording.end()
