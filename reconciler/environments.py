"""Places to develop in: what a directory, or a branch of a repository, declares; or what is made up where it declares
nothing. An environment is nothing but resources that wear its name, and so all verbs know it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import loading
from reconciler.errors import Problem, UsageError
from reconciler.kinds.source import REF, url_complaint
from reconciler.kinds.workload import VolumeMount
from reconciler.kinds.workspace import mounts
from reconciler.model.resource import Resource
from reconciler.sources.compositions import Disk
from reconciler.sources.worktrees import Repository, Worktree, label
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.parse import Document

NAMESPACE = "env"
NAME, DIRECTORY, BRANCH = "reconciler/env", "reconciler/env-directory", "reconciler/env-branch"
"""Annotations: which environment it is of, where a person works in it, and of which branch that is."""
SPECS = (
    "reconciler.yaml", ".reconciler.yaml", "compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml",
)  # fmt: skip
DOCKERFILE = "Dockerfile"
SHORT = re.compile(r"(?P<owner>\w[\w.-]*)/(?P<name>\w[\w.-]*?)(?:\.git)?(?:@(?P<branch>[^#]+))?(?:#(?P<sub>.+))?")
LONG = re.compile(r"(?P<url>.+?\.git|[^#]+?)/?(?:(?<=\.git)@(?P<branch>[^#]+)|@(?P<last>[^@#/:]+))?(?:#(?P<sub>.+))?")
LOCAL = re.compile(r"(?P<url>(?:/|\.|~|file:///).*)@(?P<last>[^#]+)(?:#(?P<sub>.+))?")
"""A branch of a repository on this disk: what is before the @ is there, so the branch may have slashes."""


@dataclass(frozen=True, slots=True)
class Named:
    """What was named on the command line: a directory, or else a repository."""

    directory: str = ""
    repository: Repository | None = None
    branch: str = ""
    sub: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an environment is to be made of."""

    directory: str
    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    usual_image: str = ""
    worktree: Worktree | None = None
    namespace: str = ""
    """Of a person's choice; empty for the usual one."""


@dataclass(frozen=True, slots=True)
class Environment:
    name: str
    documents: tuple[Document, ...]
    main: Resource
    """The one to be entered."""
    notes: tuple[str, ...] = ()
    """What is written down to no effect."""
    missing: tuple[str, ...] = ()
    """Directories that are mounted, and that Compose would make."""


def named(target: str, *, server: str, url: str = "") -> Named:
    """A directory that is there is meant, unless it is a bare repository, or a branch of it is asked for."""
    place = _absolute(target)
    if not url and place.is_dir() and not _is_bare(place):
        return Named(directory=str(place))
    found = SHORT.fullmatch(target)
    if found and not target.startswith(("/", ".", "~")):
        where = url or server
        repository = Repository(found["owner"], found["name"], _url(where, found["owner"], found["name"]))
        return _checked(Named(repository=repository, branch=found["branch"] or "", sub=found["sub"] or ""))
    return _checked(_long(target))


def plan(wanted: Wanted, environ: Mapping[str, str]) -> Environment:
    """The resources, each with its marks. Raises SpecError for what is wrong with those that are written down."""
    spec = next((path for name in SPECS if (path := Path(wanted.directory, name)).is_file()), None)
    notes: list[Problem] = []
    disk = Disk()
    if spec:
        documents = loading.load([spec], scope=NAMESPACE, environment=environ, notes=notes, disk=disk)
    else:
        documents = _made_up(wanted, environ)
    main = _main(documents, wanted)
    name = wanted.name or (_branch_name(wanted.worktree) if wanted.worktree else _own_name(documents, main, wanted))
    placed = [_placed(document, main, documents, name, wanted) for document in documents]
    entered = next(new.resource for old, new in zip(documents, placed, strict=True) if old.resource is main)
    return Environment(name, tuple(placed), entered, tuple(map(str, notes)), tuple(disk.missing))


def of(resource: Resource) -> str:
    """The environment that a resource belongs to; empty if none."""
    return resource.annotations.get(NAME, "")


# -- what was named


def _absolute(path: str) -> Path:
    """As it is written: a link to a directory is a name of it like any other."""
    return Path(os.path.normpath(Path(path).expanduser().absolute()))


def _is_bare(place: Path) -> bool:
    return (place / "HEAD").is_file() and (place / "objects").is_dir() and not (place / ".git").exists()


def _long(target: str) -> Named:
    near = LOCAL.fullmatch(target)
    is_near = near and _absolute(near["url"].removeprefix("file://")).is_dir()
    found = near if is_near else LONG.fullmatch(target)
    if found is None or not re.search("[/:]", target):
        raise UsageError(f"{target!a} is neither a directory nor a repository", hint="DIR, OWNER/REPO or a URL")
    url = found["url"]
    if url.startswith(("./", "../", "~")) or url in (".", ".."):
        url = str(_absolute(url))
    if url.startswith("/") and not Path(url).is_dir():
        raise UsageError(f"{target}: there is no such directory", hint="name a directory, OWNER/REPO[@BRANCH] or a URL")
    owner, name = _names(url)
    return Named(
        "", Repository(owner, name, url), found.groupdict().get("branch") or found["last"] or "", found["sub"] or ""
    )


def _names(url: str) -> tuple[str, str]:
    """The last two parts of where it lies."""
    parts = [re.sub(r"[^\w.-]", "-", part) for part in re.split(r"[/:]", url.removesuffix(".git")) if part.strip(".")]
    return (parts[-2] if len(parts) > 1 else "local"), parts[-1]


def _url(server: str, owner: str, name: str) -> str:
    """`server` is what comes before OWNER/REPO, or the whole of it."""
    if server.endswith(".git"):
        return server
    start = server if server.endswith((":", "/")) else f"{server}/"
    local = start.removeprefix("file://")
    if local.startswith(("/", "~", ".")):
        place = _absolute(f"{local}{owner}/{name}")
        return str(place) if place.is_dir() else f"{place}.git"
    return f"{start}{owner}/{name}.git"


def _checked(found: Named) -> Named:
    assert found.repository, "of a repository"
    if complaint := url_complaint(found.repository.url):
        raise UsageError(complaint[0], hint=complaint[1])
    branch = found.branch
    if branch and (not REF.fullmatch(branch) or ".." in branch or branch.endswith((".lock", "/", "."))):
        raise UsageError(f"{branch!a} can't be the name of a branch", hint="like main, or feature/new")
    if found.sub.startswith("/") or ".." in found.sub.split("/"):
        raise UsageError(f"#{found.sub}: no directory inside the repository", hint="like #services/web")
    return found


# -- what it declares


def _made_up(wanted: Wanted, environ: Mapping[str, str]) -> list[Document]:
    from reconciler.core.parse import Text, parse  # noqa: PLC0415 -- for who makes one

    root = str(wanted.worktree.path) if wanted.worktree else wanted.directory
    container: dict[str, Any] = {"workspace": _text(root), "init": True}
    if wanted.image:
        container["image"] = wanted.image
    elif Path(wanted.directory, DOCKERFILE).is_file():
        container["build"] = {"context": _text(wanted.directory), "rebuildOn": "Dockerfile"}
    elif wanted.usual_image:
        container["image"] = wanted.usual_image
    else:
        message = f"{wanted.directory} has neither {SPECS[0]} nor a {DOCKERFILE}, so nobody knows what to run"
        raise UsageError(message, hint="name an image with --image, or set env.image in your config file")
    name = wanted.name or (_branch_name(wanted.worktree) if wanted.worktree else _of_directory(wanted.directory))
    document = {
        "apiVersion": "reconciler/v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"container": {**container, **_inside(wanted, root), "keepAlive": True}, "stop": {"graceSeconds": 3}},
    }  # fmt: skip
    text = Text(wanted.directory, json.dumps(document).encode(), wanted.directory)
    return parse([text], environment=environ, namespace=NAMESPACE)


def _inside(wanted: Wanted, root: str) -> dict[str, str]:
    """Whoever names a directory of the repository begins there."""
    below = os.path.relpath(wanted.directory, root)
    return {} if below == "." else {"workingDir": _text(f"/workspaces/{Path(root).name}/{below}")}


def _text(path: str) -> str:
    """A path may have dollars in it, which mean nothing."""
    return path.replace("$", "$$")


def _main(documents: Sequence[Document], wanted: Wanted) -> Resource:
    """The only one that runs something; or the one that is called so, or is made to be worked in, or comes first."""
    running = [d.resource for d in documents if d.resource.key.kind == "service"]
    if not running:
        raise UsageError(f"{wanted.directory}: nothing in its spec runs", hint="declare a Service")
    names = {wanted.name, _of_directory(wanted.directory)}
    for fits in (
        lambda one: one.key.name in names,
        lambda one: one.spec.container and (one.spec.container.keep_alive or one.spec.container.workspace),
    ):
        chosen = next((one for one in running if fits(one)), None)
        if chosen:
            return chosen
    return running[0]


def _own_name(documents: Sequence[Document], main: Resource, wanted: Wanted) -> str:
    return main.key.name if _alone(documents) else _of_directory(wanted.directory)


def _alone(documents: Sequence[Document]) -> bool:
    return sum(d.resource.key.kind == "service" for d in documents) == 1


def _of_directory(directory: str) -> str:
    return label(Path(directory).name) or "root"


def _branch_name(worktree: Worktree) -> str:
    return label(f"{worktree.name}-{worktree.branch}")


def _placed(document: Document, main: Resource, documents: Sequence[Document], name: str, wanted: Wanted) -> Document:
    """In its namespace, and with its marks. One that stands alone is called as the environment is, several keep their
    names, and have a namespace of their own.
    """
    resource = document.resource
    alone = _alone(documents)
    namespace = wanted.namespace or (NAMESPACE if alone else name)
    key = resource.key._replace(namespace=namespace)
    if alone and resource is main:
        key = key._replace(name=name)
    marks = {NAME: name, DIRECTORY: str(wanted.worktree.path) if wanted.worktree else wanted.directory}
    if wanted.worktree:
        marks[BRANCH] = wanted.worktree.title
    spec = _for(resource, wanted) if resource is main else resource.spec
    return replace(
        document, resource=replace(resource, key=key, spec=spec, annotations={**resource.annotations, **marks})
    )


def _for(main: Resource, wanted: Wanted) -> Any:
    """The image and the command that a person named, and what a branch needs besides."""
    spec = main.spec
    if wanted.image and spec.container:
        spec = replace(spec, container=replace(spec.container, image=wanted.image, build=None))
    if wanted.command and spec.container:
        spec = replace(spec, container=replace(spec.container, command=wanted.command, keep_alive=False))
    elif wanted.command:
        spec = replace(spec, process=replace(spec.process, command=wanted.command))
    return _of_branch(spec, wanted.worktree) if wanted.worktree and spec.container else spec


def _of_branch(spec: Any, worktree: Worktree) -> Any:
    """The branch's files; and at its own place the repository, without which Git inside knows nothing of them. They are
    somebody else's there, to which Git agrees only when it is told to.
    """
    container = spec.container
    if not container.workspace:
        container = replace(container, workspace=_text(str(worktree.path)))
    trust = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    spec = replace(spec, container=container, env={**trust, **spec.env})
    return replace(spec, volumes=(*spec.volumes, *_repository(spec, worktree)))


def _repository(spec: Any, worktree: Worktree) -> Iterator[VolumeMount]:
    """What Git on the host would take orders from can't be written inside, nor what leads there: each is laid over
    itself, by which it can't be renamed either. Of the other branches nothing can be.
    """
    bare, entry = worktree.repository, worktree.entry
    yield _itself(bare)
    for path in (bare / "config", bare / "hooks", entry.parent):
        yield _itself(path, read_only=True)
    yield _itself(entry)
    yield _itself(entry / "commondir", read_only=True)
    root = _text(str(worktree.path))
    for mount in mounts(spec):
        if mount.host_path == root and not mount.read_only:
            yield VolumeMount(host_path=f"{root}/.git", mount_path=f"{mount.mount_path}/.git", read_only=True)


def _itself(path: Path, *, read_only: bool = False) -> VolumeMount:
    place = _text(str(path))
    return VolumeMount(host_path=place, mount_path=place, read_only=read_only)
