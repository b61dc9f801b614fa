from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import get, hosting, line, names
from reconciler.cli.asking import agreed
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.progress import progress
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb, verbs
from reconciler.core.advice import command_line
from reconciler.errors import HostKeyUnknown, ReconcilerError, Unreachable, UsageError

if TYPE_CHECKING:
    from reconciler.hosts.ssh import Ssh
    from reconciler.kinds.host import HostSpec
    from reconciler.model.resource import Resource

EXAMPLES = """
reconciler host add nas admin@192.168.1.20
reconciler host check
reconciler host trust nas
reconciler host list
"""
ADD = """
reconciler host add nas admin@192.168.1.20
reconciler host add pi pi@pi.local:2222 --identity ~/.ssh/pi --engine none
reconciler host add web deploy@web.example.org --key-from-known-hosts -n shop
"""
CHECK = """
reconciler host check
reconciler host check nas pi -o json
"""
TRUST = """
reconciler host trust nas
reconciler host trust nas --fingerprint SHA256:3jX0n4bC1mE7o2V9aVt4q8S1yqg0i5cZfE6oYcOa0aU
"""
FORGET = """
reconciler delete host nas && reconciler host forget nas
"""
ROTATE = """
reconciler host rotate nas
reconciler host rotate local -n shop
"""
LIST = """
reconciler host list
reconciler host list -A -o wide
"""


@verb("add", examples=ADD, outputs=line.OUTPUTS)
@click.argument("name")
@click.argument("where", metavar="[USER@]HOST[:PORT]")
@click.option("--identity", metavar="FILE", default="", help="The private key to use, and no other.")
@click.option("--address", metavar="ADDRESS", default="", help="Where other machines reach what it publishes [HOST].")
@click.option("--engine", metavar="SOCKET", default="", help="The socket of its engine; none, if it has none.")
@click.option("--host-key", metavar="KEY", default="", help="Type and key, as in known_hosts: pinned in the spec.")
@click.option("--key-from-known-hosts", is_flag=True, help="Pin the key that your own known_hosts has.")
@click.option("-y", "--yes", is_flag=True, help="Believe the key that it shows now; don't ask.")
@line.waiting_options
def add(
    context: Context, name: str, where: str, *, identity: str, address: str, engine: str, host_key: str,
    key_from_known_hosts: bool, yes: bool, wait: bool, timeout: float | None,
) -> int:  # fmt: skip
    """Declare another machine, as `apply` would.

    A key that nobody knows yet is shown, and believed if you say so.
    """
    if host_key and key_from_known_hosts:
        raise UsageError("--host-key and --key-from-known-hosts are two answers to one question", hint="give one")
    given = hosting.Given(where=where, identity=identity, address=address, engine=engine, host_key=host_key)
    resource = hosting.declared(context.scope, name, given)
    controller = line.open_controller(context, acts=True)
    controller.parts.home.identity(make=True)
    if key_from_known_hosts:
        resource = _pinned_from_known(context, resource)
    _get_acquainted(context, resource, yes=yes)
    with progress(context) as lines:
        limit = context.timeout if timeout is None else timeout
        bridge = line.Bridge(lines, [resource.key])
        report = controller.apply([resource], wait=wait, timeout=limit, progress=bridge)
    return line.print_report(context, report)


def _pinned_from_known(context: Context, resource: Resource) -> Resource:
    known = _way(context, resource).known()
    if not known:
        hint = "connect to it once with ssh, or give the key with --host-key"
        raise ReconcilerError(f"{resource.key.short}: your known_hosts has no key of it", hint=hint)
    return hosting.pinned(resource, known[0])


def _get_acquainted(context: Context, resource: Resource, *, yes: bool) -> None:
    """Whatever else is the matter with it, its status tells."""
    from reconciler.hosts.sshsaid import fingerprint

    way = _way(context, resource)
    try:
        way.run(["true"])
    except HostKeyUnknown:
        shown = way.offered()
        question = f"{resource.key.short} shows the key {fingerprint(shown)}. Is it that machine's?" if shown else ""
        if shown and (yes or agreed(context, question)):
            way.trust(shown)
    except ReconcilerError:
        return


@verb("check", examples=CHECK, outputs=TREES)
@click.argument("words", nargs=-1, metavar="[NAME]…", shell_complete=names.hosts)
def check(context: Context, words: tuple[str, ...]) -> int:
    """Look at hosts closely: one line for each fact; 1 if one is wrong."""
    controller = line.open_controller(context)
    chosen = hosting.chosen(controller, context.scope, words)
    found = hosting.checked(controller, chosen)
    tree = {"hosts": [hosting.tree(name, facts) for name, facts in found.items()]}
    if not show_tree(context, tree):
        hosting.show(context, found)
    return 1 if any(fact.level == "failed" for facts in found.values() for fact in facts) else 0


@verb("trust", examples=TRUST)
@click.argument("name", shell_complete=names.hosts)
@click.option("--fingerprint", "wanted", metavar="SHA256:…", help="Only if it is just this one.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@line.waiting_options
def trust(context: Context, name: str, *, wanted: str | None, yes: bool, wait: bool, timeout: float | None) -> int:
    """Believe the key that a host shows now, in place of the one before."""
    from reconciler.hosts.sshsaid import fingerprint

    controller = line.open_controller(context, acts=True)
    resource = hosting.resource_of(controller, context.scope, name)
    way = _way(context, resource)
    shown = way.offered()
    if not shown:
        raise Unreachable(f"{resource.key.short}: it shows no key", hint=f"see: reconciler host check {name}")
    before = way.known()
    known = [fingerprint(one) for one in before]
    if fingerprint(shown) in known:
        print(f"{resource.key.short} unchanged: {fingerprint(shown)} is known already", file=context.stdout)
        return 0
    _agree(context, resource, known, fingerprint(shown), wanted, yes=yes)
    if not resource.spec.ssh.host_key:
        way.trust(shown)
        way.close()
    limit = context.timeout if timeout is None else timeout  # what had to wait for this need not any longer
    controller.edit([resource.key], lambda old: _known_by(old, shown), wait=wait, timeout=limit)
    print(f"{resource.key.short} trusted: {fingerprint(shown)}", file=context.stdout)
    return 0


def _known_by(resource: Resource, line: str) -> Resource:
    return hosting.pinned(resource, line) if resource.spec.ssh.host_key else resource


def _agree(
    context: Context, resource: Resource, known: list[str], shown: str, wanted: str | None, *, yes: bool
) -> None:
    print(f"known: {clean(', '.join(known)) or 'none'}\nshown: {clean(shown)}", file=context.stderr)
    if wanted is not None and wanted != shown.partition(" ")[2]:
        hint = "it is another machine, or somebody is in between: ask the machine itself"
        raise ReconcilerError(f"{resource.key.short}: it shows {shown}, not {wanted}", hint=hint)
    if not (yes or wanted or agreed(context, "Is that the machine's own key?")):
        hint = "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says there; then say --yes"
        raise ReconcilerError(f"{resource.key.short}: nothing was changed", hint=hint)


def _way(context: Context, resource: Resource) -> Ssh:
    from reconciler import wiring
    from reconciler.kinds.host import host_id

    spec: HostSpec = resource.spec
    return wiring.ssh(context.home, host_id(resource.key.namespace, resource.key.name), spec)


@verb("list", examples=LIST, outputs=(*TREES, "wide", "name"))
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@click.option("--no-headers", is_flag=True, help="Leave the header line out.")
def list_(context: Context, *, everywhere: bool, no_headers: bool) -> None:
    """List hosts, with what they are: `get hosts`."""
    assert get.command.callback is not None, "a verb has one"
    get.command.callback(
        replace(context), ("hosts",), selector=None, everywhere=everywhere, watch=False, no_headers=no_headers,
        ignore_not_found=False,
    )  # fmt: skip


@verb("rotate", examples=ROTATE)
@click.argument("name", shell_complete=names.hosts)
@line.waiting_options
def rotate(context: Context, name: str, *, wait: bool, timeout: float | None) -> int:
    """Give a host another key in the mesh; `local` is this machine.

    It is made there, and taken once all others know it, so that no connection breaks.
    """
    from reconciler.core.topology import member, part, view_of
    from reconciler.model.place import LOCAL, Place

    controller = line.open_controller(context, acts=True)
    parts = controller.parts
    graph = parts.source.graph(context.scope, parts.home.identity(make=False))
    host = LOCAL if name == LOCAL else graph.host_id(name)
    snapshot = parts.observer.look(graph, parts.clock.now())
    seen, view = part(graph, snapshot, host), view_of(snapshot, host)
    if view is not None and not view.reachable:
        raise Unreachable(view.problem, hint=view.hint)
    if seen is None:
        raise ReconcilerError(f"{name} is in no mesh of namespace {context.scope}", hint="see: reconciler topology")
    runtime: Any = parts.runtimes[Place("mesh", host)]
    runtime.rotate(seen)
    with progress(context) as lines:
        limit = context.timeout if timeout is None else timeout
        bridge = line.Bridge(lines, [seen.key] if seen.key else [])
        report = controller.settle(context.scope, {member(graph, host)}, wait=wait, timeout=limit, progress=bridge)
    return line.print_report(context, report.telling({member(graph, host): "rotated"} if report.settled else {}))


@verb("forget", examples=FORGET)
@click.argument("name", shell_complete=names.hosts)
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
def forget(context: Context, name: str, *, yes: bool) -> None:
    """Give up a deleted host that never comes back, with all that was deleted there."""
    from reconciler.engine.places.given_up import give_up, to_be_given_up

    controller = line.open_controller(context, acts=True)
    host, left = to_be_given_up(controller.parts, context.scope, name)
    question = f"What is left of {len(left)} there is looked for no more. Is {host.key.short} gone for good?"
    _require_silence(context, host)
    if not (yes or agreed(context, question)):
        raise ReconcilerError(f"{host.key.short}: nothing was changed", hint="say --yes if it is gone for good")
    for key in give_up(controller.parts, context.scope, name, patience=context.timeout):
        print(f"{key.short} forgotten", file=context.stdout)


def _require_silence(context: Context, host: Resource) -> None:
    """Whoever answers can have taken down what is there."""
    try:
        _way(context, host).run(["true"])
    except ReconcilerError:
        return
    hint = f"what is there can be taken down: {command_line(host.key, 'delete')}"
    raise ReconcilerError(f"{host.key.short} answers, so nothing was forgotten", hint=hint)


command = verbs("host", "Add other machines, and see what they are.", examples=EXAMPLES,
                commands=[add, check, trust, rotate, forget, list_])  # fmt: skip
