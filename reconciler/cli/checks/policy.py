from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.checks.finding import Finding, Level
from reconciler.cli.context import Context
from reconciler.errors import SpecError, Unusable

GROUP = "state"


def in_force(context: Context) -> Iterator[Finding]:
    """Which file, and which profile for whom. With one that can't be used nothing begins."""
    from reconciler.sources.policyfile import load

    try:
        policy = load(context.invocation.environ)
    except SpecError as error:
        for problem in error.problems:
            message = f"{problem.place}: {problem.path}: {problem.message}"
            yield Finding(GROUP, "policy", Level.FAILED, message, problem.hint)
    except Unusable as error:
        yield Finding(GROUP, "policy", Level.FAILED, error.message, error.hint)
    else:
        held = policy.defaults
        shown = f"specs of yours are {held.local}, of directories {held.directory}, of Git {held.git}"
        yield Finding(GROUP, "policy", Level.OK, f"{policy.path or 'built in'}: {shown}")
