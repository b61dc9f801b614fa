"""For an engine that answers everything but what it is asked about one thing: a container whose lock somebody holds is
inspected for ever. Each such question costs one deadline once, and not one at each look.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from reconciler.errors import Unreachable
from reconciler.runtimes.docker.connection import Connection
from reconciler.runtimes.docker.wire import Reply

Answer = Reply | Unreachable


class Hanging:
    """Asks, but for what had no answer when it was asked last. Of that the same is told again, at once, while a thread
    goes on asking; as soon as there is an answer, whatever it says, the next look asks for itself.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._hung: dict[str, Unreachable] = {}
        self._lock = threading.Lock()

    def get_each(self, paths: Sequence[str]) -> list[Answer]:
        answers: dict[str, Answer] = {**self._hung}
        asked = [path for path in paths if path not in answers]
        found = dict(zip(asked, self._connection.get_each(asked), strict=True))
        if late := _late(found):
            self._give_up(late)
        answers.update(found)
        return [answers[path] for path in paths]

    def _give_up(self, late: dict[str, Unreachable]) -> None:
        """One thread is enough, however many hang."""
        with self._lock:
            alone = not self._hung
            self._hung = {**self._hung, **late}
        if alone:
            threading.Thread(target=self._go_on_asking, name="asking for what hangs", daemon=True).start()

    def _go_on_asking(self) -> None:
        """Each round ends at its own deadline, so there is no need to pause between them."""
        try:
            while self._ask_again():
                continue
        except BaseException:
            self._hung = {}  # nobody asks any more, so nobody may be spoken for
            raise

    def _ask_again(self) -> bool:
        hung = [*self._hung]
        late = _late(dict(zip(hung, self._connection.get_each(hung), strict=True)))
        with self._lock:
            self._hung = {path: why for path, why in self._hung.items() if path in late or path not in hung}
            return bool(self._hung)


def _late(answers: dict[str, Answer]) -> dict[str, Unreachable]:
    """Who says no, or is not there, says it soon, and may be asked at each look."""
    return {
        path: answer
        for path, answer in answers.items()
        if isinstance(answer, Unreachable) and isinstance(answer.__cause__, TimeoutError)
    }
