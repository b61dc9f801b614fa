"""The limit: the least Python that gets the engine to do the work. Eight threads, bare sockets, one list first.

    floor.py up|down|change|look SOCKET PREFIX COUNT

Standard library alone, and as little of it as can be: run as a program, its start counts as ours does.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable

THREADS = 8
IMAGE = "reconciler-test"
COMMAND = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]
"""Ends at TERM at once, so that no grace is measured."""
GRACE = 10


def ask(path: str, method: str, target: str, body: object = None, *, bearing: bytes = b"\0") -> bytes:
    """One exchange; anything but success ends the program.

    What is borne is that an engine of this age now and then miscounts the endpoints of a network that has none left,
    and then keeps it until it is started anew.
    """
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {target} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    first, _, rest = answer.partition(b"\r\n")
    if first[9:10] not in (b"2", b"3") and bearing not in rest:
        raise SystemExit(f"floor: {method} {target}: {first.decode()} {rest[-300:].decode(errors='replace')}")
    return rest.partition(b"\r\n\r\n")[2]


def together(job: Callable[[str], None], names: Iterable[str]) -> None:
    waiting = list(names)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while True:
                job(waiting.pop())
        except IndexError:
            return
        except BaseException as error:
            failed.append(error)
            raise

    crew = [threading.Thread(target=work) for _ in range(min(THREADS, len(waiting)))]
    for member in crew:
        member.start()
    for member in crew:
        member.join()
    if failed:
        raise SystemExit(1)


def main(verb: str, path: str, prefix: str, count: int) -> None:
    network = f"{prefix}-net"
    names = [f"{prefix}-{index}" for index in range(count)]

    def make(name: str) -> None:
        body = {"Image": IMAGE, "Cmd": COMMAND, "StopTimeout": GRACE, "HostConfig": {"NetworkMode": network}}
        made = json.loads(ask(path, "POST", f"/containers/create?name={name}", body))["Id"]
        ask(path, "POST", f"/containers/{made}/start")

    def take(name: str) -> None:
        ask(path, "POST", f"/containers/{name}/stop?t={GRACE}")
        ask(path, "DELETE", f"/containers/{name}?v=1")

    json.loads(ask(path, "GET", "/containers/json?all=1"))
    match verb:
        case "look":
            return
        case "up":
            ask(path, "POST", "/networks/create", {"Name": network, "CheckDuplicate": True})
            together(make, names)
        case "change":
            take(names[0])
            make(names[0])
        case "down":
            together(take, names)
            ask(path, "DELETE", f"/networks/{network}", bearing=b"has active endpoints")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
