"""For parts of our own that have something to tell to a loop: they are made before it, and it listens later."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Bell:
    """An Alarm that is rung by a call. Before anybody listens there is nothing to be missed: a loop begins by
    looking at everything.
    """

    def __init__(self) -> None:
        self._tell: Callable[[str], None] = lambda _: None

    def ring(self, of: str = "") -> None:
        self._tell(of)

    def watch(self, tell: Callable[[str], None], stopping: threading.Event) -> None:
        self._tell = tell
        stopping.wait()
