"""What `apply` was given, kept under the home: one file a resource, tombstones included. A Source like any other.

Documents are closed when they are kept: the environment is filled in and paths are absolute. Files that they
point at are not copied: their content is read on each pass, and what can't be read is said, not guessed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reconciler.core.graph import Graph, graph_of, hosts_of
from reconciler.core.references import literal
from reconciler.durable import sync
from reconciler.errors import ReconcilerError
from reconciler.failpoints import failpoint
from reconciler.kinds import KINDS, find
from reconciler.kinds.base import Tree
from reconciler.kinds.host import HostSpec, host_id
from reconciler.model.history import History as JobHistory
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.ports import Identity, Revision
from reconciler.sources import document
from reconciler.sources.contexts import Contexts
from reconciler.sources.history import History, revision
from reconciler.sources.home import Home
from reconciler.sources.recollection import Known, Recollection, Stamp
from reconciler.sources.tries import Tries

SYNCS = 16
MAX_CONTENT = 1024 * 1024
"""A file that belongs into a workload's environment or configuration is small."""


class Applied:
    """Reads and writes `<home>/applied/<namespace>/<kind>-<name>.yaml`."""

    def __init__(
        self,
        home: Home,
        *,
        port_range: tuple[int, int] = (20000, 29999),
        remembers: bool = False,
        cause: str = "",
        refusal: Callable[[Resource, str], str] = lambda _resource, _real: "",
    ) -> None:
        """`remembers` lets it leave what it has read for the next one, where a mere look is to write nothing.
        `cause` is the command line on whose behalf things are kept. `refusal` says why what a Source brought may
        not take content from a file, told where that really lies.
        """
        self._home = home
        self._refusal = refusal
        self._root = home.path / "applied"
        self._port_range = port_range
        self._lock = threading.RLock()
        """Of what is kept in mind: a daemon's threads share it."""
        self._parsed: defaultdict[str, Known] = defaultdict(dict)
        self._recollection = Recollection(self._root)
        self._remembers = remembers
        self._history = History(home.path / "history")
        self._tries = Tries(home)
        self._cause = cause
        self._recalled: dict[str, dict[Path, Stamp]] = {}
        self._last: dict[str, dict[Path, Stamp]] = {}
        self._contexts = Contexts()
        self._built_from: dict[str, list[Tree]] = {}
        self._pointed_at: dict[str, list[str]] = {}

    def namespaces(self) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self._root) if entry.is_dir())
        except FileNotFoundError:
            return []

    def resources(self, namespace: str) -> list[Resource]:
        """All of a namespace's documents that can be read, tombstones included."""
        return self._survey(namespace)[0]

    def damaged(self, namespace: str) -> dict[Key, str]:
        """Those that can't be read. They cost nobody but themselves, and conclude nothing."""
        return self._survey(namespace)[1]

    def _survey(self, namespace: str) -> tuple[list[Resource], dict[Key, str]]:
        found, damaged = {}, {}
        with self._lock:
            self._recall(namespace)
            for file, key in self._files(namespace):
                try:
                    found[file] = self._resource(file, key)
                except document.Damaged as damage:
                    damaged[key] = f"{damage.message}; {damage.hint}"
                except FileNotFoundError:  # forgotten by another pass since it was listed
                    continue
            self._remember(namespace, found)
        return list(found.values()), damaged

    def _files(self, namespace: str) -> list[tuple[Path, Key]]:
        folder = self._root / namespace
        try:
            return [(file, key) for file in sorted(folder.iterdir()) if (key := document.key_of(file))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ReconcilerError(
                f"what is wanted in namespace {namespace} can't be read: {folder}: {error.strerror}",
                hint="see who owns that directory, and put it right; nothing is concluded from it meanwhile",
            ) from error

    def _recall(self, namespace: str) -> None:
        if namespace not in self._recalled:
            known = self._recollection.recall(namespace)
            self._recalled[namespace] = {file: stamp for file, (stamp, _) in known.items()}
            self._parsed[namespace] = {**known, **self._parsed[namespace]}

    def _remember(self, namespace: str, files: Iterable[Path]) -> None:
        """Where it is not what is remembered already. What is gone is not to be remembered either."""
        known = self._parsed[namespace] = {file: self._parsed[namespace][file] for file in files}
        stamps = self._last[namespace] = {file: stamp for file, (stamp, _) in known.items()}
        if self._remembers and stamps != self._recalled[namespace]:
            self._recalled[namespace] = stamps
            self._recollection.remember(namespace, known)

    def _resource(self, file: Path, key: Key) -> Resource:
        """Parsed once for as long as it does not change."""
        with document.found(file):
            stamp = _stamp(file)
        with self._lock:
            known = self._parsed[key.namespace].get(file)
            if known is None or known[0] != stamp:
                known = self._parsed[key.namespace][file] = (stamp, document.read(file, key))
            return known[1]

    def stamps(self, namespace: str) -> dict[str, list[int]]:
        """Of the files that the last reading of a namespace came from: when written, how long, which inode."""
        return {file.name: list(stamp) for file, stamp in self._last.get(namespace, {}).items()}

    def glance(self) -> str:
        """Of all that is kept, and all files that it points at, as far as they were read: when each was written."""
        kept = [file for namespace in self.namespaces() for file, _ in self._files(namespace)]
        with self._lock:
            pointed = [Path(path) for paths in self._pointed_at.values() for path in paths]
            trees = [tree for known in self._built_from.values() for tree in known]
        seen = repr([(str(file), _stamp_if_there(file)) for file in (*kept, *pointed)])
        return f"{seen}{self._contexts.glance(trees)}"

    def graph(self, namespace: str, identity: Identity, resources: Iterable[Resource] | None = None) -> Graph:
        """The namespace as it is kept, or as it would be with `resources` instead; files read now."""
        kept, damaged = self._survey(namespace)
        everything = kept if resources is None else list(resources)
        given = {resource.key for resource in everything}
        contents, unreadable = _contents(everything, self._refusal)
        contexts, unbuildable = self._contexts.read(everything, self._refusal)
        unreadable = {**unbuildable, **unreadable}
        jobs = [resource.key for resource in everything if resource.key.kind == "job" and not resource.deleting]
        histories, forgotten = self._tries.read(jobs)
        if resources is None:
            with self._lock:
                self._pointed_at[namespace] = sorted(contents)
                self._built_from[namespace] = sorted(contexts, key=repr)
        return graph_of(
            namespace,
            everything,
            owner=identity.owner,
            contents=contents,
            contexts=contexts,
            unreadable={**unreadable, **forgotten},
            histories=histories,
            damaged={key: why for key, why in damaged.items() if key not in given},
            seal=identity.seal,
            port_range=self._port_range,
            hosts={**self.hosts(namespace), **hosts_of(everything, namespace)},
        )

    def hosts(self, namespace: str | None = None) -> dict[str, HostSpec]:
        """By id: a namespace's own, and everybody's; without one, all there are."""
        known = self.namespaces() if namespace is None else [*dict.fromkeys(("default", namespace))]
        found: dict[str, HostSpec] = {}
        for one in known:
            for file, key in self._files(one):
                if key.kind == "host":
                    with suppress(document.Damaged, FileNotFoundError):
                        found[host_id(one, key.name)] = self._resource(file, key).spec
        return found

    def keep(self, resources: Sequence[Resource]) -> None:
        """Durably, and at once: this is the moment from which they are desired."""
        if not resources:
            return
        failpoint("source.keep.before")
        self._home.ensure()
        numbered = [self._numbered(resource) for resource in resources]
        drafts: dict[Path, Path] = {}
        try:
            self._draft(numbered, drafts)
            failpoint("source.keep.drafted")
            _put_in_place(drafts)
        except OSError as error:
            raise ReconcilerError(
                f"{numbered[0].key.short}: what is wanted of it can't be kept in {self._root}: {error.strerror}",
                hint="make room, or see who may write there; then try again",
            ) from error
        finally:
            for draft in drafts.values():
                draft.unlink(missing_ok=True)
        with self._lock:
            for resource in numbered:
                path = self._path(resource.key)
                self._parsed[resource.key.namespace][path] = (_stamp(path), resource)
        failpoint("source.keep.after")

    def _draft(self, resources: Sequence[Resource], drafts: dict[Path, Path]) -> None:
        """All of them safe on disk before the first one counts. `drafts` has them, by path, also where one fails."""
        folders = {self._path(resource.key).parent for resource in resources}
        _discard_drafts(folders | self._history.folders({resource.key.namespace for resource in resources}))
        for resource in resources:
            path = self._path(resource.key)
            for folder in (self._root, path.parent):  # one by one: parents that mkdir makes along have no mode
                folder.mkdir(mode=0o700, exist_ok=True)
            drafts[path] = _draft(path, document.text(resource, self._cause))
        _to_disk({*drafts.values(), *self._archived(resources)})

    def _numbered(self, resource: Resource) -> Resource:
        """Who takes the place of a damaged document can't know which number that one had."""
        try:
            self._resource(self._path(resource.key), resource.key)
        except document.Damaged:
            return replace(resource, generation=max(resource.generation, self._history.latest(resource.key) + 2))
        except FileNotFoundError:
            return resource
        return resource

    def _archived(self, resources: Iterable[Resource]) -> Iterator[Path]:
        """What is about to be replaced stays to be looked back at. The directories that have to reach the disk."""
        for new in resources:
            path = self._path(new.key)
            with suppress(FileNotFoundError, document.Damaged):
                old = self._resource(path, new.key)
                folder = self._history.archive(path, old) if old.generation != new.generation or new.deleting else None
                if folder is not None:
                    yield folder

    def revisions(self, key: Key) -> list[Revision]:
        """Oldest first; the last one is in force, unless the resource is being deleted."""
        found = {item.generation: item for item in self._history.revisions(key)}
        path = self._path(key)
        with suppress(FileNotFoundError, document.Damaged):
            current = self._resource(path, key)
            if not current.deleting:
                found[current.generation] = revision(path, current)
        return [found[generation] for generation in sorted(found)]

    def remember(self, histories: Mapping[Key, JobHistory]) -> None:
        self._tries.remember(histories)

    def forget(self, key: Key) -> None:
        """The end of a tombstone, once nothing of it is left in the world."""
        failpoint("source.forget.before")
        self._history.forget(key)  # first: nobody would come back for it
        if key.kind == "campaign":
            shutil.rmtree(self._home.path / "campaigns" / f"{key.namespace}.{key.name}", ignore_errors=True)
        if key.kind == "job":
            self._tries.forget(key)
        path = self._path(key)
        with self._lock:  # or who is reading it just now would write it into the recollection again
            path.unlink(missing_ok=True)
            self._recollection.forget(key.namespace)  # whoever deletes a secret means it
            self._recalled[key.namespace] = {}
            self._parsed[key.namespace].pop(path, None)
        failpoint("source.forget.after")
        try:
            path.parent.rmdir()
        except OSError:
            return  # others are still there

    def _path(self, key: Key) -> Path:
        return self._root / key.namespace / document.name_of(key)


def _put_in_place(drafts: Mapping[Path, Path]) -> None:
    for path, draft in drafts.items():
        _clear(path)
        draft.replace(path)
        failpoint("source.keep.replaced")
    _to_disk({path.parent for path in drafts})


def _clear(path: Path) -> None:
    """Of what no file can take the place of: that is set aside, under a name that is nobody's."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f".{path.name}.damaged-{secrets.token_hex(4)}"))


def _discard_drafts(folders: Iterable[Path]) -> None:
    """Of who was killed over them: secrets stand in them. It is our turn, so nobody else is at work on one."""
    for left in (draft for folder in folders for draft in folder.glob(f".*.yaml.{'[0-9a-f]' * 8}")):
        left.unlink(missing_ok=True)


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _to_disk(paths: Collection[Path]) -> None:
    """All at once: a file system that is asked for a hundred files together writes its journal a few times only."""
    if len(paths) == 1:
        sync(*paths)
        return
    with ThreadPoolExecutor(SYNCS, "sync") as pool:
        for _ in pool.map(sync, paths):  # raises what one of them raised
            pass


def _stamp(file: Path) -> Stamp:
    facts = file.stat()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _stamp_if_there(file: Path) -> Stamp | None:
    try:
        return _stamp(file)
    except OSError:
        return None


def _contents(
    resources: Iterable[Resource], refusal: Callable[[Resource, str], str]
) -> tuple[dict[str, bytes], dict[Key, str]]:
    """The files that specs point at. What can't be read concerns only those who asked for it."""
    found: dict[str, tuple[bytes, str]] = {}
    unreadable: dict[Key, str] = {}
    for resource in resources:
        for path in () if resource.deleting else _paths(resource):
            try:
                if path not in found:
                    found[path] = _content(path)
            except OSError as error:
                unreadable[resource.key] = f"{path} can't be read: {error.strerror or error}"
            else:
                why = refusal(resource, found[path][1]) if resource.profile else ""
                if why:
                    unreadable[resource.key] = f"{path} may not be read: {why}"
    return {path: content for path, (content, _) in found.items()}, unreadable


def _paths(resource: Resource) -> Iterator[str]:
    kind = find(resource.key.kind)
    assert kind is not None and kind.name in KINDS, "validated"  # noqa: PT018
    for _, path in kind.paths(resource.spec):
        yield literal(path)


def _content(path: str) -> tuple[bytes, str]:
    """Of what can be read again on the next pass: a pipe can't, and nobody is to wait for its other end.

    And where it really lies: asked of what was opened, for the path may lead elsewhere a moment later.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(0, "it is no regular file")
        content = stream.read(MAX_CONTENT + 1)
        real = str(Path(f"/proc/self/fd/{stream.fileno()}").readlink())
    if len(content) > MAX_CONTENT:
        raise OSError(0, "it is larger than 1 MiB")
    return content, real
