from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.checks.finding import Finding, Level
from reconciler.cli.context import Context

GROUP = "state"
START = "reconciler daemon start"


def running(context: Context) -> Iterator[Finding]:
    """Without one nothing heals by itself, which is as good as anything for who applies by hand."""
    from reconciler.api.call import health
    from reconciler.daemon import lock

    if answer := health(context.home):
        pid = answer["pid"]
        if answer["healthy"]:
            yield Finding(GROUP, "daemon", Level.OK, f"runs (pid {pid}) and is healthy")
            return
        troubles = "; ".join(answer["troubles"]) or "it does not say why"
        message = f"runs (pid {pid}) and is not healthy: {troubles}"
        yield Finding(GROUP, "daemon", Level.WARNING, message, "see: reconciler daemon logs")
        return
    pid = lock.holder(context.home)
    if pid is None:
        yield Finding(GROUP, "daemon", Level.INFO, f"not running: nothing heals by itself; to have it so: {START}")
        return
    message = f"runs (pid {pid}) and does not answer; commands work without it"
    yield Finding(GROUP, "daemon", Level.WARNING, message, "reconciler daemon restart")
