"""kubectl apply for your own machines: containers and native processes, declared, diffed and kept.

From a shell, see `reconciler --help`. From Python:

    with reconciler.up("specs/shop.yaml", namespace="t1") as stack:   # Ready on entry, taken down on exit
        stack["db"].addr()
        stack["web"].exec(["env"])
        stack["web"].logs()

    with reconciler.campaign("campaign.yaml") as campaign:            # nothing of it is left on exit
        campaign.run().worked                                         # each run done, and recorded, exactly once

`load` reads specs, `link` makes a Graph of them, and `plan(graph, snapshot, journal, now)` says what may be done now.
All three are pure but for the reading, and need no engine. `reconcile` is one pass over the real world with given
parts, and `Controller` what the verbs of the command line call.
"""

from __future__ import annotations

TYPE_CHECKING = False  # and not from typing: to import that takes a tenth of what the quickest commands take
if TYPE_CHECKING:
    from typing import Any

    from reconciler.core.planner import plan
    from reconciler.engine.controller import Controller
    from reconciler.engine.reconcile import reconcile
    from reconciler.loading import link, load
    from reconciler.model.observed import Snapshot, View
    from reconciler.stack import Stack, up
    from reconciler.sweep import Campaign, campaign

__version__ = "0.1.0"
__all__ = [
    "Campaign", "Controller", "Snapshot", "Stack", "View", "campaign", "link", "load", "plan", "reconcile", "up",
]  # fmt: skip

_HOMES = {
    "Campaign": "sweep",
    "Controller": "engine.controller",
    "Snapshot": "model.observed",
    "Stack": "stack",
    "View": "model.observed",
    "campaign": "sweep",
    "link": "loading",
    "load": "loading",
    "plan": "core.planner",
    "reconcile": "engine.reconcile",
    "up": "stack",
}


def __getattr__(name: str) -> Any:
    """Imported when it is first asked for: the command line can't wait for all of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
