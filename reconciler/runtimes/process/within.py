"""A command inside a running instance of another workload, as a native process of ours: `reconciler exec`, detached.

So it has all that a native process has: a log, an exit code that is kept, a lock that proves that it lives, and a life
that does not depend on who began it. Whichever runtime the other one has, `exec` knows how to get in.

Its variables come by one variable of ours, not by arguments, which everybody may read, and not as themselves: they are
meant for the command, and `PATH` or `LD_PRELOAD` among them would change the interpreter that is to bring them there.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

from reconciler.model.desired import Desired, ProcessPayload, Sealed
from reconciler.model.key import Key

PASSED = "RECONCILER_PASSED"
"""A JSON object: the variables of the command. `reconciler.cli.within` reads it."""
NEEDED = (
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR",
    "PYTHONPATH", "PYTHONHOME", "HOME", "SSH_AUTH_SOCK",
)  # fmt: skip
"""Of our own environment, what `exec` needs to find the engine, ssh its keys, and the interpreter us."""


def entering(desired: Desired, payload: ProcessPayload, home: str) -> Desired:
    """What is really run. Where our interpreter lies is no part of what was wanted, and so of no fingerprint."""
    target = Key.parse(payload.inside)
    index = ["--index", str(target.index)] if target.index is not None else []
    command = [
        sys.executable, "-m", "reconciler.cli.within", "--home", home, "-n", target.namespace,
        "exec", *index, target.short, "--", *payload.command,
    ]  # fmt: skip
    told = {name: value.text() if isinstance(value, Sealed) else value for name, value in payload.env.items()}
    env: dict[str, str | Sealed] = {name: os.environ[name] for name in NEEDED if name in os.environ}
    env[PASSED] = Sealed("", json.dumps(told).encode())
    return replace(desired, payload=replace(payload, command=tuple(command), working_dir="/", env=env))
