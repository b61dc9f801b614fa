"""Who watches other hosts: posted when one is declared, called back when it is another one, posted anew when lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconciler.engine.loop.elsewhere import AlarmsElsewhere
from reconciler.engine.places.grounds import Ground
from tests.waiting import until


class Post:
    """An alarm that tells its name once, and stays until it is called back, or until it breaks."""

    def __init__(self, name: str, here: list[str], breaks: bool = False) -> None:
        self._name, self._here, self._breaks = name, here, breaks

    def watch(self, tell: Callable[[str], None], stopping: threading.Event) -> None:
        self._here.append(self._name)
        tell(self._name)
        try:
            if self._breaks:
                raise OSError("the line is dead")
            stopping.wait()
        finally:
            self._here.remove(self._name)


def test_H14_hosts_come_and_go_and_each_is_watched_once() -> None:
    here: list[str] = []
    told: list[str] = []

    def ground(*names: str, breaks: bool = False) -> Ground:
        return Ground(None, {}, lambda: {name: Post(name, here, breaks) for name in names})  # type: ignore[arg-type]

    known = {"anna": ground("events", "exits"), "bert": ground("deaths")}
    elsewhere, stopping = AlarmsElsewhere(lambda: dict(known)), threading.Event()
    watching = threading.Thread(target=elsewhere.watch, args=(told.append, stopping), daemon=True)
    watching.start()
    until(lambda: sorted(here) == ["deaths", "events", "exits"])

    known["anna"] = ground("moved")
    del known["bert"]
    elsewhere.look_again()
    until(lambda: here == ["moved"])
    elsewhere.look_again()
    known["carl"] = ground("broken", breaks=True)
    elsewhere.look_again()
    until(lambda: "broken" in told)
    until(lambda: here == ["moved"])
    known["carl"] = ground("mended")
    elsewhere.look_again()
    until(lambda: sorted(here) == ["mended", "moved"])
    assert told.count("moved") == 1, "who stands is left alone"

    stopping.set()
    watching.join(30)
    assert not watching.is_alive()
    assert here == []
