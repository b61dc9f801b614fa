"""The policy file: the machine's, /etc/reconciler/policy.yaml, or else the user's own; or what is built in.

It is read as strictly as specs are. Whoever can write it can lift every limit, so one that others may write to is
no policy: then nothing begins. One that can't be read is not "none" either.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.policy import BUILT_IN, TRUSTED_NAME, Policy, PolicyFile, policy_of
from reconciler.errors import SpecError, Unusable
from reconciler.kinds.base import Fault
from reconciler.usual_places import policy_files

if TYPE_CHECKING:
    from reconciler.core.yaml12 import Node

MAX_BYTES = 1 << 20


def load(environ: Mapping[str, str]) -> Policy:
    """What is in force. Raises Unusable for a file that nobody should trust, SpecError for one that makes no sense."""
    for path in policy_files(environ):
        content = _content(path)
        if content is not None:
            return _policy(path, content)
    return BUILT_IN


def _content(path: str) -> bytes | None:
    """Of the very file whose owner was looked at; None where there is none."""
    place = Path(path)
    try:
        with place.open("rb") as file:
            folder = place.resolve().parent
            _check_owner(path, os.fstat(file.fileno()))
            _check_owner(str(folder), folder.stat())
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        if place.is_symlink():
            raise Unusable(f"the policy file {path} is a link to nothing", hint="mend it, or remove it") from None
        return None
    except OSError as error:
        raise Unusable(f"the policy file {path} can't be read: {error.strerror}", hint="see who may read it") from error
    if len(content) > MAX_BYTES:
        raise Unusable(f"the policy file {path} is larger than 1 MiB", hint="write a smaller one")
    return content


def _check_owner(path: str, facts: os.stat_result) -> None:
    """Of the file and of its directory: who may write there may put another file in its place, unless it is sticky."""
    is_directory = stat.S_ISDIR(facts.st_mode)
    noun = "directory" if is_directory else "file"
    if facts.st_uid not in {0, os.geteuid()}:
        message = f"the policy {noun} {path} belongs to user {facts.st_uid}, neither to root nor to you"
        raise Unusable(message, hint=f"chown root {path}")
    sticky = is_directory and facts.st_mode & stat.S_ISVTX
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        raise Unusable(f"the policy {noun} {path} may be written by others", hint=f"chmod go-w {path}")


def _policy(path: str, content: bytes) -> Policy:
    from reconciler.core import validate, yaml12  # noqa: PLC0415 -- most people have no such file
    from reconciler.core.fit import Fit  # noqa: PLC0415
    from reconciler.core.sheet import Sheet, locate, show_path  # noqa: PLC0415

    loaded = yaml12.load(content)
    sheet = Sheet(path, loaded.lines)
    sheet.flaws(loaded.flaws)
    for extra in loaded.documents[1:]:
        sheet.complain((extra.line, extra.column), "", "a second document", "one document holds the whole policy")
    node: Node = loaded.documents[0] if loaded.documents else yaml12.Table(1, 1)
    file: PolicyFile | None = validate.build(PolicyFile, node, Fit(sheet, "policy"))
    for fault in _faults(file) if file else ():
        sheet.complain(locate(node, fault.path), show_path(fault.path), fault.message, fault.hint)
    if file is None or sheet.problems:
        raise SpecError(sheet.problems)
    return policy_of(file, path)


def _faults(file: PolicyFile) -> Iterator[Fault]:
    from reconciler.kinds.workload import port_range  # noqa: PLC0415

    known = [*file.profiles, "restricted", TRUSTED_NAME]
    if TRUSTED_NAME in file.profiles:
        hint = "write another profile, and name it in defaults"
        yield Fault(("profiles", TRUSTED_NAME), "trusted always allows everything", hint)
    for origin in ("local", "directory", "git"):
        name = getattr(file.defaults, origin)
        if name not in known:
            yield Fault(("defaults", origin), f"there is no profile called {name!r}", f"there are: {', '.join(known)}")
    for name, profile in file.profiles.items():
        if profile.ports.range and port_range(profile.ports.range) is None:
            message = f"{profile.ports.range!r} is not a range of ports"
            yield Fault(("profiles", name, "ports", "range"), message, 'like "18000-18999", or "" for any')
        for field, roots in (("mounts", "bindRoots"), ("files", "roots")):
            places = profile.mounts.bind_roots if field == "mounts" else profile.files.roots
            for i, place in enumerate(places):
                if not place.startswith("/"):
                    at = ("profiles", name, field, roots, i)
                    yield Fault(at, f"{place!r} is no absolute path", "write it from the root: /srv/apps")
        yield from _address_faults(("profiles", name, "ports", "bind"), profile.ports.bind)
        yield from _address_faults(("profiles", name, "networks", "subnets"), profile.networks.subnets)


def _address_faults(path: tuple[str, ...], given: tuple[str, ...]) -> Iterator[Fault]:
    from ipaddress import ip_network  # noqa: PLC0415

    for i, text in enumerate(given):
        try:
            if text != "*" or path[-1] != "bind":
                ip_network(text, strict=False)
        except ValueError:
            yield Fault((*path, i), f"{text!r} is no address, nor a network", "like 127.0.0.1, or 10.0.0.0/8")
