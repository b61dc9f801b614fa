"""An engine room that follows Sources: the stage of values, with real directories and repositories beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.engine.controller import Controller
from reconciler.engine.gitops.sync import Synced, sync
from reconciler.engine.settle import settle
from reconciler.kinds.source import SourceSpec
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.sources.feeds import Followed
from tests.engine.stage import Stage

KEY = Key("source", "shop", "specs")


def service(name: str, image: str = "web:1", more: str = "", *, namespace: str = "", wave: str = "") -> str:
    space = f", namespace: {namespace}" if namespace else ""
    notes = f', annotations: {{reconciler/wave: "{wave}"}}' if wave else ""
    return (
        f"apiVersion: reconciler/v1\nkind: Service\nmetadata: {{name: {name}{space}{notes}}}\n"
        f"spec: {{container: {{image: '{image}'}}{more}}}\n"
    )


class Following(Stage):
    """A Stage with one Source, shop/specs."""

    def __init__(self, path: Path, **spec: Any) -> None:
        super().__init__(path)
        self.set_by = 0.0
        """By how many seconds somebody has set the clock."""
        self.begin_anew()
        self.folder = path / "specs"
        self.declare(**({"directory": str(self.folder)} | spec))

    def declare(self, name: str = KEY.name, **spec: Any) -> Resource:
        key = KEY._replace(name=name)
        before = next((r for r in self.source.resources("shop") if r.key == key and not r.deleting), None)
        resource = Resource(key, SourceSpec(**spec), generation=before.generation + 1 if before else 1)
        self.source.keep([resource])
        return resource

    def begin_anew(self) -> None:
        """As a new process does, which remembers what is written down."""
        self.feeds = Followed(self.home, lambda: self.clock.now() - self.set_by)
        self.parts = replace(self.parts, feeds=self.feeds)
        self.controller = Controller(self.parts)

    def set_clock(self, by: float) -> None:
        self.clock.time += by
        self.set_by += by

    def write(self, **files: str | None) -> None:
        """Files of the directory by name, without the suffix; None takes one away."""
        self.folder.mkdir(exist_ok=True)
        for name, text in files.items():
            file = self.folder / f"{name}.yaml"
            file.unlink(missing_ok=True) if text is None else file.write_text(text)

    def sync(self, key: Key = KEY) -> Synced:
        return sync(self.parts, key, now=self.clock.now())

    def follow(self, key: Key = KEY, seconds: float = 60) -> str:
        """Syncs and passes until nothing more comes of it, or the time is up; the reason it ended with."""
        until = self.clock.now() + seconds
        while True:
            ended = self.sync(key)
            for namespace in ended.namespaces:
                settle(self.parts, namespace, deadline=self.clock.now() + 30, wait=True, concerns=lambda _: True)
            if ended.settled or self.clock.now() >= until:
                return self.reason(key)
            self.clock.sleep(ended.due or 1)

    def reason(self, key: Key = KEY) -> str:
        return self.ready(key).reason

    def message(self, key: Key = KEY) -> str:
        return self.ready(key).message

    def ready(self, key: Key = KEY) -> Any:
        condition = self.store.statuses("shop")[key].condition("Ready")
        assert condition is not None
        return condition

    def confirm(self, key: Key = KEY) -> None:
        held = self.feeds.known(key).held
        assert held is not None, "nothing is held"
        self.feeds.confirm(key, held.plan)

    def declared(self, namespace: str = "shop") -> list[str]:
        """Names of what is kept there, Sources aside."""
        found = self.source.resources(namespace)
        return [r.key.name for r in found if r.key.kind != "source" and not r.deleting]
