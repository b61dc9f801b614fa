"""A host that answers every question with the same nonsense: that is told of it, or it is worth nothing, and nobody
else is any the worse for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any

import pytest

from reconciler.engine.finding import processes
from reconciler.errors import ReconcilerError
from reconciler.kinds.attach import RunningProcess
from reconciler.model.desired import Package, Stop
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Observed
from reconciler.ports import Completed
from reconciler.runtimes.mesh.runtime import MeshRuntime
from reconciler.runtimes.remote.packages import RemotePackages
from reconciler.runtimes.remote.runtime import RemoteProcesses

LONG = b"9" * 5000
NONSENSE = [
    b"", b"\n" * 9, b"\xff\xfe\x00" * 99, b"end", b"end\n", LONG, b"boot " + LONG + b"\n0 1 1 1 x\n",
    b"0 1 2 " + LONG + b" x\n" + LONG + b" 1 2 3 x\n", "² ² ² ² x\n".encode(), b"\x1b[2J\x07" * 9999,
    b"state /x\nboot b\n= processes a.b.0\nlabels " + b"[" * 99_999 + b"\nend\n",
    b"who root\n= rcm1\nlabels " + b"{" * 99_999 + b"\nlive x " + LONG + b"\nend\n",
]  # fmt: skip
KEY = Key("service", "shop", "web", 0)
SEEN = Observed("a" * 32, "web", INSTANCE, "process", host="far", key=KEY, owner="me")


class Liar:
    name = "far"

    def __init__(self, answer: bytes, code: int) -> None:
        self._answer = Completed(code, answer, answer)

    def run(self, _argv: Sequence[str], **_how: object) -> Completed:
        return self._answer

    def stream(self, _argv: Sequence[str], **_how: object) -> Iterator[bytes]:
        if self._answer.stdout:
            yield from repeat(self._answer.stdout, 1000)
            raise AssertionError("nobody listens for so long")


class Content:
    def archive(self) -> tuple[int, Iterator[bytes]]:
        return 1, iter([b"x"])


def _deliver(far: Any) -> None:
    package = Package(id="a" * 16, content=Content(), setup=("true",))  # type: ignore[arg-type]
    with RemotePackages(far, "").ready(KEY, package):
        pass


ASKING: dict[str, Callable[[Any], object]] = {
    "what runs there": lambda far: RemoteProcesses(far, "me").observe(),
    "its networks": lambda far: MeshRuntime(far, "me").observe(),
    "who looks after it": lambda far: RemoteProcesses(far, "me").claim(),
    "what others run there": lambda far: processes(far, {KEY: RunningProcess(name="x")}),
    "a log": lambda far: next(RemoteProcesses(far, "me").logs(SEEN)),
    "to stop something": lambda far: RemoteProcesses(far, "me").stop(SEEN, Stop()),
    "to take a file": lambda far: RemoteProcesses(far, "me").deliver(SEEN, "/x", [b"x"]),
    "to take a package": _deliver,
}


@pytest.mark.parametrize("what", ASKING)
def test_H15_whatever_a_host_answers_is_read_or_told_of_it_in_few_words(what: str) -> None:
    for answer in NONSENSE:
        for code in (0, 1, 73, 76, 79, 80):
            with suppress(StopIteration):
                try:
                    ASKING[what](Liar(answer, code))
                except ReconcilerError as error:
                    told = f"{error.message} {error.hint}"
                    assert len(told) < 1500
                    assert "\x1b" not in told
