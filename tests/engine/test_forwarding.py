"""A port that leads to another, where that is hard."""

from __future__ import annotations

import subprocess
import sys

CROWDED = """
import os, resource, socket, threading
from reconciler.engine.forwarding import Forward, Server

far, near = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
client, said = socket.socket(), threading.Event()
told = []

def tell(text):
    told.append(text)
    said.set()

Forward(near, lambda: [Server("1", "web", far.getsockname())], tell).begin()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
full = []
try:
    while True:
        full.append(os.dup(0))
except OSError:
    pass
client.connect(near.getsockname())
assert said.wait(10)
for one in full:
    os.close(one)
far.settimeout(10)
served, _ = far.accept()
client.sendall(b"hello")
print(served.recv(5).decode(), *told)
"""


def test_a_connection_that_nobody_has_room_for_is_taken_once_there_is() -> None:
    """Whoever forwards goes on: else a port that is kept would look well, and lead nowhere."""
    done = subprocess.run(
        [sys.executable, "-c", CROWDED],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.startswith("hello a connection was closed: it could not be taken: Too many open files"), done
