from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reconciler.cli.checks.finding import Finding, Level
from reconciler.cli.context import Context
from reconciler.errors import Unreachable

if TYPE_CHECKING:
    from reconciler.runtimes.docker.endpoint import Endpoint

GROUP = "containers"
PATIENCE = 5.0
OLDEST = (1, 40)
"""Of the engine's API versions, the oldest that is known to work."""
BOUNDED_LOGS = frozenset({"json-file", "k8s-file", "local", "journald"})
"""Logging drivers whose logs can be read back."""


def engine(context: Context) -> Iterator[Finding]:
    """Asked over the bare socket, as everything that only looks is."""
    from reconciler.runtimes.docker.endpoint import resolve

    try:
        endpoint = resolve(context.invocation.environ)
        facts = _ask(endpoint)
    except Unreachable as error:
        yield _silent(error, context)
        return
    yield _version(endpoint, facts)
    yield _live_restore(facts)
    yield _cgroups(facts)
    yield _logging(facts)


def _ask(endpoint: Endpoint) -> dict[str, Any]:
    from reconciler.runtimes.docker.errors import garbled
    from reconciler.runtimes.docker.wire import Request, ask_all

    replies = ask_all(endpoint, [Request("/version"), Request("/info")], seconds=PATIENCE)
    for reply in replies:
        if reply.status != 200:
            raise garbled(endpoint, f"status {reply.status}: {reply.message}")
    version, info = (reply.json() for reply in replies)
    if not (isinstance(version, dict) and isinstance(info, dict)):
        raise garbled(endpoint, "something that is no engine's")
    return {**info, **version}


def _silent(error: Unreachable, context: Context) -> Finding:
    """On a machine without an engine, native processes work all the same: only a broken one is a failure."""
    chosen = context.invocation.environ.get("DOCKER_HOST") or context.invocation.environ.get("DOCKER_CONTEXT")
    missing = isinstance(error.__cause__, FileNotFoundError) and not chosen
    message = f"{error.message}; only native processes can run" if missing else error.message
    return Finding(GROUP, "engine", Level.WARNING if missing else Level.FAILED, message, error.hint)


def _version(endpoint: Endpoint, facts: dict[str, Any]) -> Finding:
    api = str(facts.get("ApiVersion", ""))
    shown = f"{named(facts)} (API {api or 'unknown'}) at {endpoint}"
    numbers = tuple(int(part) for part in api.split(".") if part.isdecimal())
    if numbers and numbers < OLDEST:
        return Finding(GROUP, "engine", Level.WARNING, shown, f"older than API {OLDEST[0]}.{OLDEST[1]}; update it")
    rootless = any("rootless" in str(option) for option in facts.get("SecurityOptions") or ())
    return Finding(GROUP, "engine", Level.OK, f"{shown}, rootless" if rootless else shown)


def named(version: dict[str, Any]) -> str:
    """`docker 27.5.1`, `podman 4.3.1`: by its own account."""
    from reconciler.runtimes.docker.dialect import engine_name

    return f"{engine_name(version)} {version.get('Version', 'unknown')}"


def _live_restore(facts: dict[str, Any]) -> Finding:
    if named(facts).startswith("podman"):
        return Finding(GROUP, "restore", Level.OK, "containers don't depend on the engine's service")
    if facts.get("LiveRestoreEnabled"):
        return Finding(GROUP, "restore", Level.OK, "containers outlive a restart of the engine")
    hint = 'set "live-restore": true in /etc/docker/daemon.json if that matters'
    return Finding(GROUP, "restore", Level.INFO, "containers end when the engine restarts", hint)


def _cgroups(facts: dict[str, Any]) -> Finding:
    from reconciler.runtimes.docker.dialect import ignores_limits

    version, driver = facts.get("CgroupVersion", "1"), facts.get("CgroupDriver", "unknown")
    if driver == "none" or ignores_limits(facts):
        hint = "limits of containers have no effect; a rootless engine needs cgroup v2 with delegation"
        shown = "no driver" if driver == "none" else "rootless"
        return Finding(GROUP, "cgroups", Level.WARNING, f"v{version}, {shown}", hint)
    return Finding(GROUP, "cgroups", Level.OK, f"v{version}, driver {driver}")


def _logging(facts: dict[str, Any]) -> Finding:
    driver = str(facts.get("LoggingDriver", "unknown"))
    if not driver and named(facts).startswith("podman"):  # it does not tell, and takes the one that it is asked for
        driver = "k8s-file"
    if driver in BOUNDED_LOGS:
        return Finding(GROUP, "logging", Level.OK, f"driver {driver}")
    hint = "the engine can't give these logs back: `logs` and log probes will see nothing"
    return Finding(GROUP, "logging", Level.WARNING, f"driver {driver}", hint)
