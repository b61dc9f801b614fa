"""Which Sources and files the loop follows. Learned from the passes: what is kept says what is to be followed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

from reconciler.core.graph import Graph
from reconciler.core.references import literal
from reconciler.engine.gitops.sync import sync
from reconciler.engine.loop.loop import Turn, spread
from reconciler.engine.reconcile import Parts, Pass
from reconciler.model.key import Key

SYNC = "sync"


def _watched(graph: Graph) -> Iterator[str]:
    """Directories of which all that they hold matters."""
    return (tree.path if tree.whole else f"{tree.path}/{tree.dockerfile}" for tree in graph.contexts)


class Following:
    """`wake` is to be set before the loop starts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        """Several passes may end at once."""
        self._known: dict[Key, int] = {}
        self._directories: dict[Key, str] = {}
        self._files: dict[str, frozenset[str]] = {}
        self.wake: Callable[[Turn], None] = lambda _: None

    def learn(self, current: Pass) -> None:
        """A Source that is new, or was changed, is looked at now."""
        namespace = current.graph.namespace
        sources = {key: r for key, r in current.graph.resources.items() if key.kind == "source"}
        with self._lock:
            self._files[namespace] = frozenset({*current.graph.contents, *_watched(current.graph)})
            for key in [key for key in self._known if key.namespace == namespace and key not in sources]:
                del self._known[key]
                self._directories.pop(key, None)
            for key, resource in sources.items():
                if self._known.get(key) != resource.generation:
                    self._known[key] = resource.generation
                    self._directories[key] = resource.spec.directory
                    self.wake(Turn(SYNC, str(key)))

    def paths(self) -> dict[str, frozenset[str]]:
        """What is to be watched, and all whom to wake when it changes."""
        woken: defaultdict[str, set[str]] = defaultdict(set)
        with self._lock:
            for namespace, paths in self._files.items():
                for path in paths:
                    woken[path].add(namespace)
            for key, path in self._directories.items():
                if path:
                    woken[path].add(str(key))
        return {path: frozenset(keys) for path, keys in woken.items()}

    def sync(self, of: str) -> float | None:
        """The turn of one Source."""
        synced = sync(self._parts, Key.parse(of), now=self._parts.clock.now())
        for namespace in synced.namespaces:
            self.wake(Turn("pass", namespace))
        return None if synced.due is None else spread(synced.due)

    def watch(self, _tell: Callable[[str], None], stopping: threading.Event) -> None:
        """Tells of nothing. At the end nobody waits for servers any more, or one that hangs would outlive us."""
        stopping.wait()
        if self._parts.feeds:
            self._parts.feeds.abandon()

    def secrets(self, key: Key) -> list[bytes]:
        """With which requests to look at a Source may be signed; none where it takes no requests."""
        kept = {one.key: one for one in self._parts.source.resources(key.namespace) if not one.deleting}
        source = kept.get(key)
        if source is None or source.spec.webhook is None or source.spec.suspend:
            return []
        secret = kept.get(Key("secret", key.namespace, source.spec.webhook.secret))
        if secret is None:
            return []
        # Of it alone: what else the namespace points at is nothing to be read for anybody who knocks.
        graph = self._parts.source.graph(key.namespace, self._parts.home.identity(make=False), [secret])
        if secret.key in graph.unreadable:
            return []
        files = [graph.contents[path] for path in map(literal, secret.spec.files.values()) if path in graph.contents]
        return [value for value in (*(text.encode() for text in secret.spec.data.values()), *files) if value.strip()]
