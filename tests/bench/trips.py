"""What one other machine takes to be asked: how it is with its processes and its part of a mesh, in one command over an
open connection, and then its engine's three lists, through the socket that is forwarded already.

    trips.py DIRECTORY ID SCRIPT

Standard library alone, and as little of it as can be: run as a program, its start counts as ours does.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.bench.floor import ask

LISTS = ("/containers/json?all=1", "/networks", "/volumes")


def main(directory: str, line: str, script: str) -> None:
    over = ["ssh", "-F", "none", "-T", "-S", f"{directory}/{line}", "-o", "ProxyCommand=false", "--", "there"]
    with open(script, encoding="utf-8") as file:  # noqa: PTH123
        told = subprocess.run([*over, file.read()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    if not told.stdout.endswith(b"end\ntold 0\n"):
        raise SystemExit(f"trips: {line} did not tell all: {told.stdout[-300:]!r}")
    for name in os.listdir(directory):  # noqa: PTH208 -- pathlib would cost as much as a trip
        if name.startswith(f"{line}.") and name.rpartition(".")[2] not in ("lock", "pin"):
            for path in LISTS:
                ask(f"{directory}/{name}", "GET", path)


if __name__ == "__main__":
    main(*sys.argv[1:])
