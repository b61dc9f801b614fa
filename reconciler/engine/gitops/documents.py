"""From a checkout to resources that may be kept: parsed, marked, pinned, permitted. All of them, or an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from reconciler.core.graph import seen_as_service
from reconciler.core.references import literal
from reconciler.core.waves import wave_fault
from reconciler.engine.gitops.brought import mark_of
from reconciler.engine.reconcile import Parts
from reconciler.errors import ReconcilerError, Refused, SpecError
from reconciler.kinds import find
from reconciler.kinds.base import Fault
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.job import JobSpec
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.source import SourceSpec
from reconciler.kinds.workload import Container
from reconciler.model.key import Key
from reconciler.model.resource import PROFILE, ROOT, SOURCE, Resource
from reconciler.ports import Checkout, Feeds
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.parse import Document


MOST_CONTENT = 16 << 20
"""Bytes of all files together that documents of one revision take content from. Who names one twice has it twice."""


class Forbidden(SpecError):
    """Right as specs, but more than their author may ask for."""

    reason = "Denied"


@dataclass(frozen=True, slots=True)
class Arriving:
    """What a revision declares."""

    revision: str
    resources: tuple[Resource, ...]
    documents: Mapping[Key, Document]
    profile: str
    author: str = ""
    subject: str = ""

    @property
    def namespaces(self) -> list[str]:
        return sorted({resource.key.namespace for resource in self.resources})


def documents_of(parts: Parts, feeds: Feeds, source: Resource, checkout: Checkout) -> Arriving:
    """Raises SpecError with all that is wrong in it. Parsed once for as long as neither it nor the Source changes."""
    profile = parts.rules.profile(source.spec)
    environment = parts.rules.environment(profile)
    mark = (checkout.revision, source.spec, profile, tuple(sorted(environment.items())))
    remembered = feeds.parsed.get(source.key)
    if remembered is None or remembered[0] != mark:
        documents = _parsed(source, checkout, environment)
        remembered = feeds.parsed[source.key] = (mark, documents)
    documents = remembered[1]
    problems = parts.rules.check(documents, profile, root=checkout.root)  # each time: a path may lead elsewhere now
    if problems:
        raise Forbidden(problems)
    notes = {SOURCE: mark_of(source.key), PROFILE: profile}
    if checkout.on_disk:
        notes[ROOT] = checkout.root
    marked = tuple(replace(d.resource, annotations={**d.resource.annotations, **notes}) for d in documents)
    by_key = {document.resource.key: document for document in documents}
    return Arriving(checkout.revision, marked, by_key, profile, checkout.author, checkout.subject)


def _parsed(source: Resource, checkout: Checkout, environment: Mapping[str, str]) -> list[Document]:
    from reconciler.core.parse import parse  # noqa: PLC0415 -- for who has something to parse

    spec: SourceSpec = source.spec
    namespace = spec.namespace or source.key.namespace
    documents = parse(checkout.texts, environment=environment, namespace=namespace)
    problems = [d.problem(fault) for d in documents for fault in _faults(source, d.resource, checkout)]
    if problems:
        raise SpecError(problems)
    return documents if checkout.on_disk else _filled(documents, checkout)


def _faults(source: Resource, resource: Resource, checkout: Checkout) -> Iterator[Fault]:
    pinned = source.spec.namespace
    if pinned and resource.key.namespace != pinned:
        message = (
            f"it says namespace {resource.key.namespace}, but {source.key.short} may only bring what is in {pinned}"
        )
        yield Fault((), message, "leave the namespace out")
    if resource.key == source.key:
        yield Fault((), "it is the very Source that brings it", "declare it where you apply it by hand")
    wrong = wave_fault(resource)
    if wrong:
        yield wrong
    spec = seen_as_service(resource)
    if not checkout.on_disk and spec:
        yield from _homeless(spec, checkout.root, _own_directory(resource, checkout))


def _own_directory(resource: Resource, checkout: Checkout) -> str:
    """Where its file would lie."""
    return f"{checkout.root}/{resource.origin.file}".rpartition("/")[0]


def _homeless(spec: ServiceSpec, root: str, own: str) -> Iterator[Fault]:
    """Paths into a repository: it lies nowhere on this machine, so that nothing of it can be run or mounted."""
    hint = "use a Config or a Secret with files: their content is read from the repository"
    for i, source in enumerate(spec.env_from):
        if _beneath(source.file, root):
            yield Fault(("envFrom", i, "file"), "a file of a repository can't be named here", hint)
    for i, mount in enumerate(spec.volumes):
        if _beneath(mount.host_path, root):
            yield Fault(("volumes", i, "hostPath"), "a file of a repository can't be mounted by its path", hint)
    if spec.container:
        yield from _unbuildable(spec.container, root)
    if spec.process and spec.process.package and _beneath(spec.process.package.path, root):
        message = "a repository lies nowhere on this machine, so nothing of it can be delivered"
        yield Fault(("process", "package", "path"), message, "follow a directory that holds a clone of it")
    if spec.process and _beneath(spec.process.working_dir, root) and spec.process.working_dir != own:
        path = ("process", "workingDir")
        yield Fault(
            path, "a repository lies nowhere on this machine, so nothing can run in it", "name an absolute path"
        )


def _unbuildable(container: Container, root: str) -> Iterator[Fault]:
    hint = "follow a directory that holds a clone of it, or build the image elsewhere"
    if container.build and _beneath(container.build.context, root):
        yield Fault(("container", "build", "context"), "a repository can't be built from: it lies nowhere here", hint)
    if _beneath(container.workspace, root):
        yield Fault(("container", "workspace"), "a repository can't be worked in: it lies nowhere here", hint)


def _beneath(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def _filled(documents: Sequence[Document], checkout: Checkout) -> list[Document]:
    """Files that documents take content from are put in: their content is part of the revision."""
    problems = []
    filled = []
    contents = _Contents(checkout)
    for document in documents:
        spec, faults = _with_content(document.resource.spec, contents)
        problems += [document.problem(fault) for fault in faults]
        filled.append(replace(document, resource=replace(document.resource, spec=spec)))
        if contents.too_much:
            break
    if problems:
        raise SpecError(problems)
    return filled


@dataclass(slots=True)
class _Contents:
    """Each file is read once; each reference to it is a copy, and counts."""

    checkout: Checkout
    read: dict[str, bytes] = field(default_factory=dict)
    total: int = 0

    @property
    def too_much(self) -> bool:
        return self.total > MOST_CONTENT

    def of(self, file: str) -> bytes:
        if file not in self.read:
            self.read[file] = self.checkout.content(file)
        self.total += len(self.read[file])
        if self.too_much:
            message = f"with it, the files that are named have more than {MOST_CONTENT:,} bytes together"
            raise Refused(message, hint="name fewer or smaller ones: each is kept whole for each that names it")
        return self.read[file]


def _with_content(spec: Any, contents: _Contents) -> tuple[Any, list[Fault]]:
    match spec:
        case ConfigSpec() | SecretSpec():
            return _with_files(spec, contents)
        case ServiceSpec(process=process) | JobSpec(process=process) if process and _beneath(
            process.working_dir, contents.checkout.root
        ):
            return replace(spec, process=replace(process, working_dir="/")), []  # it named none, and its own is nowhere
        case _:
            return spec, []


def _with_files(spec: ConfigSpec | SecretSpec, contents: _Contents) -> tuple[Any, list[Fault]]:
    kind = find("config" if isinstance(spec, ConfigSpec) else "secret")
    assert kind is not None, "there is that kind"
    data, files, faults = dict(spec.data), dict(spec.files), []
    for path, file in kind.paths(spec):
        if contents.too_much:
            break
        if not _beneath(file, contents.checkout.root):
            continue
        name = str(path[-1])
        try:
            text = contents.of(literal(file)).decode()
        except UnicodeDecodeError:
            faults.append(Fault(path, "it is not text in UTF-8", "files of a repository have to be"))
        except ReconcilerError as error:
            faults.append(Fault(path, error.message, error.hint))
        else:
            data[name] = text.replace("$", "$$") if isinstance(spec, ConfigSpec) else text
            del files[name]
    return replace(spec, data=data, files=files), faults
