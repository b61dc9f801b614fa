"""The work alone, without the start of the interpreter that does it: what a program pays that runs already.

    warm.py ours HOME SPEC
    warm.py bare DIRECTORY COUNT PARENT SERVICE BOOT_ID

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
    load([spec])  # the validation library builds its validators on first use

    def work() -> None:
        report = controller.apply([document.resource for document in load([spec])], wait=False, timeout=300)
        assert report.ok, report

    return work


def bare(directory: str, count: str, *rest: str) -> Callable[[], None]:
    return lambda: spawn.main(directory, int(count), *rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
