"""The folder with what the runs brought: runs.jsonl, runs.csv, campaign.json, and the logs. All of it made anew from
the manifest after each run, so that nothing in it can stand there twice or be half written.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from reconciler.campaigns.records import write
from reconciler.core.campaign import tell
from reconciler.core.campaign.manifest import Manifest
from reconciler.errors import ReconcilerError
from reconciler.kinds.matrix import Scalar

OURS = ("runs.jsonl", "runs.csv", "campaign.json", "logs")
LONGEST_LINE = 1 << 20
"""Bytes of a line that is looked at for a result."""


class Results:
    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def prepare(self, manifest: Manifest, *, anew: bool) -> None:
        """What an earlier campaign left is moved into a folder of its own, never written over."""
        self._refuse_others(manifest)
        try:
            (self.folder / "logs").mkdir(parents=True, exist_ok=True)
            if anew:
                self._set_aside()
        except OSError as error:
            raise ReconcilerError(
                f"results can't be written to {self.folder}: {error.strerror}", hint="choose another directory: results"
            ) from error

    def write(self, manifest: Manifest) -> None:
        write(self.folder / "runs.jsonl", tell.json_lines(manifest.runs).encode())
        write(self.folder / "runs.csv", tell.table(manifest.runs).encode())
        state = tell.status(manifest, attended=manifest.finished_at is None)
        write(self.folder / "campaign.json", (json.dumps(state, indent=1, ensure_ascii=False) + "\n").encode())

    def keep_log(self, run_id: str, chunks: Iterable[bytes]) -> tuple[str, Mapping[str, Scalar | None]]:
        """The path of the whole log, and the result that stands in it."""
        file = self.folder / "logs" / f"{run_id}.log"
        draft = file.with_name(f".{file.name}")
        with draft.open("wb") as stream:
            result = tell.result_of(_lines(_written(chunks, stream.write)))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
        return str(file), result

    def _set_aside(self) -> None:
        old = [self.folder / name for name in OURS if name != "logs" and (self.folder / name).exists()]
        if not old:
            return
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(old[0].stat().st_mtime))
        aside = self.folder / f"before-{stamp}"
        number = 1
        while aside.exists():
            number += 1
            aside = self.folder / f"before-{stamp}-{number}"
        aside.mkdir()
        for path in [*old, self.folder / "logs"]:
            path.rename(aside / path.name)
        (self.folder / "logs").mkdir()

    def _refuse_others(self, manifest: Manifest) -> None:
        """Two campaigns in one folder would take turns at writing over each other."""
        try:
            there = json.loads((self.folder / "campaign.json").read_bytes())
            whose = (there["namespace"], there["name"])
        except (OSError, ValueError, KeyError, TypeError):  # whoever can't write there is told so in a moment
            return
        if whose != (manifest.namespace, manifest.name):
            message = f"{self.folder} holds the results of campaign {whose[1]} in namespace {whose[0]}"
            raise ReconcilerError(message, hint="give each campaign a folder of its own: results: ./results/NAME")


def _written(chunks: Iterable[bytes], put: object) -> Iterator[bytes]:
    for chunk in chunks:
        put(chunk)  # type: ignore[operator]
        yield chunk


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, however the chunks are cut; of what is no line for too long nothing is expected."""
    rest: deque[bytes] = deque()
    size = 0
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for part in whole:
            yield b"".join((*rest, part))
            rest.clear()
            size = 0
        size += len(last)
        if size <= LONGEST_LINE:
            rest.append(last)
    yield b"".join(rest)
