from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from reconciler.cli import looping
from reconciler.cli.context import Context
from reconciler.cli.looping import Ways
from reconciler.cli.verb import verb
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.model.resource import Resource

EXAMPLES = """
reconciler watch specs
reconciler watch specs/shop specs/tools --resync 10s
reconciler watch https://example.org/shop.git --ref main --path deploy --verify none
reconciler watch
"""
URL = re.compile(r"[a-z]+://|[^/]+@[^/]+:")


@verb("watch", examples=EXAMPLES)
@click.argument("places", nargs=-1, metavar="[DIR | URL]…")
@click.option(
    "--ref", default="main", show_default=True, metavar="NAME", help="Of a repository: branch, tag or commit."
)
@click.option("--path", default=".", show_default=True, metavar="DIR", help="Of a repository: the directory inside.")
@click.option("--verify", metavar="none | FILE", help="Of a repository: the public SSH keys that must have signed.")
@looping.options
def command(
    context: Context, places: tuple[str, ...], *, ref: str, path: str, verify: str | None, **ways: Unpack[Ways]
) -> int:
    """Run the loop in the foreground, until Ctrl-C.

    It keeps everything as it was applied, and follows the directories and repositories that are named: what changes
    in them is applied, and what vanishes from them is taken down. What they brought goes on running afterwards.
    """
    daemon = looping.open_daemon(context, ways)
    return daemon.run([_source(context.scope, place, ref, path, verify) for place in places])


def _source(namespace: str, place: str, ref: str, path: str, verify: str | None) -> Resource:
    from reconciler.kinds.source import Git, Keys, SourceSpec, faults
    from reconciler.model.key import Key
    from reconciler.model.resource import Resource

    if not URL.match(place):
        directory = Path(place).absolute()
        if not directory.is_dir():
            raise UsageError(f"{place}: there is no such directory", hint="watch takes directories and URLs")
        spec = SourceSpec(directory=str(directory))
    else:
        keys = verify if verify in {None, "none"} else Keys(ssh_keys=_keys(str(verify)))
        spec = SourceSpec(git=Git(url=place, ref=ref, path=path), verify=keys)  # type: ignore[arg-type]
    for fault in faults(spec):
        raise UsageError(f"{place}: {fault.message}", hint=_option(fault.hint))
    return Resource(Key("source", namespace, _name(spec.directory or place)), spec)


def _keys(file: str) -> tuple[str, ...]:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError as error:
        raise UsageError(f"--verify {file}: {error.strerror}", hint="none, or a file of public SSH keys") from error
    return tuple(line for line in lines if line.strip() and not line.startswith("#"))


def _option(hint: str) -> str:
    return "say --verify none to trust the server, or --verify FILE of public SSH keys" if "verify" in hint else hint


def _name(place: str) -> str:
    """After its last part, as a label may be, and after all of it: other places end alike."""
    last = place.rstrip("/").rpartition("/")[2].removesuffix(".git")
    digest = blake2b(place.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return f"{re.sub(r'[^a-z0-9]+', '-', last.lower()).strip('-')[:50].strip('-') or 'watched'}-{digest}"
