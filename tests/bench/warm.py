"""The work alone, without the start of the interpreter that does it: what a program pays that runs already.

Such a program has done the same before. So both make one process first, of which the clock sees nothing: modules that
are imported when needed are there then, and the diary is open. Ours is deleted again, the bare one stays.

    warm.py ours HOME SPEC
    warm.py bare DIRECTORY COUNT PARENT SERVICE BOOT_ID [GROUP]

Prints the seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tests.bench import spawn


def main(who: str, *words: str) -> None:
    work = {"ours": ours, "bare": bare}[who](*words)
    started = time.perf_counter()
    work()
    print(time.perf_counter() - started)


def ours(home: str, spec: str) -> Callable[[], None]:
    from reconciler import wiring
    from reconciler.loading import load

    controller = wiring.controller(home, acts=True)

    def apply(namespace: str = "", count: int | None = None) -> None:
        given = [document.resource for document in load([spec], namespace=namespace)][:count]
        report = controller.apply(given, wait=False, timeout=300)
        assert report.ok, report

    apply("warming", 1)
    controller.delete([document.resource.key for document in load([spec], namespace="warming")][:1], timeout=300)
    return apply


def bare(directory: str, count: str, parent: str, service: str, boot: str, group: str = "") -> Callable[[], None]:
    first = f"{group}warming-" if group else ""
    spawn.main(f"{directory}/warming", 1, parent, service, boot, first)
    return lambda: spawn.main(directory, int(count), parent, service, boot, group)


if __name__ == "__main__":
    main(*sys.argv[1:])
