"""What `doctor` looks at. Each check is a function that looks once, changes nothing, and yields its findings."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.checks.finding import Finding
from reconciler.cli.context import Context


def examine(context: Context) -> Iterator[Finding]:
    """Everything, in the order in which it matters."""
    from reconciler.cli.checks import containers, convenience, daemon, machine, policy, processes, state

    for check in (
        machine.python, machine.clock, machine.ports,
        state.home, state.disk, state.adopted,
        policy.in_force,
        daemon.running,
        processes.programs, processes.cgroups,
        containers.engine,
        convenience.programs, convenience.completion,
    ):  # fmt: skip
        yield from check(context)
