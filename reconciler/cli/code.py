from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.reach import editor, entering, inside, surroundings, workspace
from reconciler.cli.verb import verb
from reconciler.core.advice import command_line
from reconciler.engine.places.grounds import place_of
from reconciler.model.place import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.engine.reconcile import Parts
    from reconciler.kinds.host import HostSpec
    from reconciler.model.key import Key
    from reconciler.model.observed import Observed

EXAMPLES = """
reconciler code box
reconciler code box /workspaces/shop
reconciler code web --index 1 --print
"""
PROGRAM = "code"


@verb("code", examples=EXAMPLES)
@click.argument("word", metavar="NAME", shell_complete=names.services)
@click.argument("path", required=False, default="", metavar="[PATH]")
@click.option("--index", type=click.IntRange(0), metavar="N", help="Of this instance; by default the first that runs.")
@click.option("--print", "only_print", is_flag=True, help="Print the address that would be opened, and do nothing.")
def command(context: Context, word: str, path: str, *, index: int | None, only_print: bool) -> int:
    """Open VS Code inside; what is stopped is started first.

    In the workload's own directory, unless PATH names another one. Closing the window leaves it running.
    On another host the editor finds its way by your own ssh configuration.
    """
    from reconciler.model.key import Key

    (kind, name), *_ = picking.workloads(picking.spelled(context, (word,))).names
    key = Key(kind, context.scope, name)
    parts = line.open_controller(context).parts
    if only_print:
        print(_address(context, parts, key, _to_show(parts, key, index), path, index or 0), file=context.stdout)
        return 0
    thing = entering.one_to_enter(context, parts, key, index)
    return _open(context, parts, key, thing, _address(context, parts, key, thing, path, index or 0))


def _to_show(parts: Parts, key: Key, index: int | None) -> Observed | None:
    """It need not run to have an address: it goes by the same name when it is up again."""
    found = inside.instances(parts, key)
    return next(iter(inside.of_index(key, found, index)), None) if found else None


def _address(context: Context, parts: Parts, key: Key, thing: Observed | None, path: str, index: int) -> str:
    spec = next((r.spec for r in parts.source.resources(key.namespace) if r.key == key and not r.deleting), None)
    far = _host(parts, key, thing)
    runtime = thing.runtime if thing else str(spec.runtime) if spec else "docker"
    if runtime == "process":
        process = spec.process if spec else None  # where a package lies only who runs in it can tell
        own = (process.working_dir if process and not process.package else "") or _directory(parts, thing)
        return editor.on_machine(os.path.normpath(os.path.join(own, path)), far.ssh if far else None)
    own = workspace.of(spec) or (_made_with(parts, key, thing) if thing else "") or "/"
    name = thing.name if thing else key.instance(index).engine_name
    engine = _engine_of(far) if far else _engine(context)
    return editor.in_container(name, posixpath.normpath(posixpath.join(own, path)), **engine)


def _host(parts: Parts, key: Key, thing: Observed | None) -> HostSpec | None:
    """Another machine that it runs on, or would run on."""
    resource = next((r for r in parts.source.resources(key.namespace) if r.key == key and not r.deleting), None)
    host = thing.host if thing else place_of(parts, resource).host if resource else LOCAL
    if host == LOCAL:
        return None
    return parts.source.graph(key.namespace, parts.home.identity(make=False)).hosts.get(host)


def _engine_of(far: HostSpec) -> Mapping[str, str]:
    from reconciler.runtimes.docker.endpoint import SYSTEM_SOCKET

    assert far.ssh, "another machine has a way to it"
    return {"host": editor.engine_of(far.ssh, "" if far.engine == SYSTEM_SOCKET else far.engine)}


def _directory(parts: Parts, thing: Observed | None) -> str:
    return (inside.directory(parts.reach[thing.place], thing) if thing else "") or "/"


def _made_with(parts: Parts, key: Key, thing: Observed) -> str:
    """The image's own directory is told by a closer look alone."""
    closer = next((one for one in inside.instances(parts, key, deep=True) if one.id == thing.id), thing)
    return str(closer.facts.fields.get("working_dir", "")) if closer.facts else ""


def _engine(context: Context) -> Mapping[str, str]:
    """The editor looks for the usual one only, unless it is told of another."""
    from reconciler.runtimes.docker.endpoint import SYSTEM_SOCKET, resolve

    endpoint = resolve(context.invocation.environ)
    named = endpoint.source.removeprefix("docker context ")
    if named != endpoint.source:
        return {"context": named}
    if endpoint.source == "DOCKER_HOST" and endpoint.path != SYSTEM_SOCKET:
        return {"host": context.invocation.environ["DOCKER_HOST"]}
    return {}


def _open(context: Context, parts: Parts, key: Key, thing: Observed, address: str) -> int:
    import shutil
    import subprocess

    program = shutil.which(PROGRAM, path=context.invocation.environ.get("PATH"))
    if program:
        return subprocess.run([program, "--folder-uri", address], check=False).returncode
    print(address, file=context.stdout, flush=True)
    print(f"note: there is no `{PROGRAM}` on PATH, so nothing was opened; this is the address", file=context.stderr)
    if surroundings.has_terminal(context):
        from reconciler.cli.attach import enter

        print("note: here is a shell instead", file=context.stderr)
        return enter(context, parts, key, thing)
    print(
        f"hint: install it, open the address by hand, or take a shell: {command_line(key, 'attach')}",
        file=context.stderr,
    )
    return 1
