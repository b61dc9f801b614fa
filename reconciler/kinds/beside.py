"""Paths in the spec of a workload: from where they count, and what of them is read."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from reconciler.kinds.base import Tree
from reconciler.kinds.workload import Container, Workload
from reconciler.model.place import LOCAL


def anchor(spec: Any, absolute: Callable[[str], str]) -> Any:
    """The same spec with its relative paths made absolute."""
    env_from = tuple(replace(e, file=absolute(e.file)) if e.file else e for e in spec.env_from)
    here = getattr(spec, "run_on", LOCAL) == LOCAL  # the directory of a spec is on no other host
    volumes = tuple(replace(v, host_path=absolute(v.host_path)) if v.host_path and here else v for v in spec.volumes)
    process = spec.process
    if process and process.package:
        package = process.package
        process = replace(process, package=replace(package, path=absolute(package.path or ".")))
    elif process and here:
        process = replace(process, working_dir=absolute(process.working_dir or "."))
    container = spec.container and _anchored(spec.container, absolute, here=here)
    return replace(spec, env_from=env_from, volumes=volumes, process=process, container=container)


def _anchored(container: Container, absolute: Callable[[str], str], *, here: bool) -> Container:
    build = container.build
    if build:
        build = replace(build, context=absolute(build.context or "."), dockerfile=posixpath.normpath(build.dockerfile))
    workspace = absolute(container.workspace) if container.workspace and here else container.workspace
    return replace(container, build=build, workspace=workspace) if build or workspace else container


def paths(spec: Workload) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for i, source in enumerate(spec.env_from):
        if source.file:
            yield ("envFrom", i, "file"), source.file


def trees(spec: Workload) -> Iterator[tuple[tuple[str | int, ...], Tree]]:
    build = spec.container.build if spec.container else None
    if build:
        tree = Tree(build.context, build.dockerfile, whole=build.rebuild_on == "Context")
        yield ("container", "build", "context"), tree
    package = spec.process.package if spec.process else None
    if package:
        yield ("process", "package", "path"), Tree(package.path, "", include=package.include, exclude=package.exclude)
