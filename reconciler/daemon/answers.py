"""What the daemon does when it is asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from reconciler.api import messages
from reconciler.api.serve import Call, Handler, Tell
from reconciler.engine.clocks import SteadyClock
from reconciler.engine.controller import Controller
from reconciler.engine.loop.loop import Loop
from reconciler.engine.news import News
from reconciler.model.key import Key
from reconciler.model.plan import Action

LEFT_SECONDS = 30.0
"""So long a command may take from its announcement to the passes that it asks for. It may have been stopped."""


class Deserted(Exception):
    """Nobody follows any more."""


class Follower:
    """Passes on to the caller what happens."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._there = True

    def started(self, action: Action) -> None:
        self._there = self._tell({"started": messages.action_tree(action)}) and self._there

    def passed(self, news: News) -> None:
        """Between two passes is where one may leave."""
        if not (self._tell({"passed": messages.news_tree(news)}) and self._there):
            raise Deserted


def answers(controller: Controller, loop: Loop, health: Callable[[], dict[str, Any]]) -> dict[str, Handler]:
    """By the word that asks for it. None ends the daemon: a signal does, which reaches one too that does not answer."""

    def leave(asked: dict[str, Any], call: Call) -> dict[str, Any]:
        """What is about to be declared is for the caller to bring about: he wants to tell of all that it took."""
        call.until_it_ends.enter_context(loop.leaving(asked["namespaces"], LEFT_SECONDS))
        return {}

    def settle(asked: dict[str, Any], call: Call) -> dict[str, Any]:
        with loop.leaving([asked["namespace"]]), suppress(Deserted):
            report = _in_steady_time(controller).settle(
                asked["namespace"],
                {Key.parse(key) for key in asked["keys"]},
                wait=asked["wait"],
                timeout=asked["timeout"],
                progress=Follower(call.tell),
            )
            return messages.report_tree(report)
        return {}

    return {"leave": leave, "settle": settle, "health": lambda _asked, _call: health()}


def _in_steady_time(controller: Controller) -> Controller:
    """Who asked has so many seconds, wherever the clock on the wall goes meanwhile."""
    return Controller(replace(controller.parts, clock=SteadyClock()))
