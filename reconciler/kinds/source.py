"""Source: a directory or a Git repository of specs, which is followed. Made real by syncs, not by a runtime."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Literal

from reconciler.kinds.base import EDGE, Fault, Kind, Need
from reconciler.kinds.limits import Ge, Le
from reconciler.values import dataclass

GIT_SECONDS = 60.0
DIRECTORY_SECONDS = 30.0
DAY = 86400.0
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
SPAN = re.compile("".join(f"(?:(?P<{unit}>[0-9]{{1,6}}){unit})?" for unit in UNITS))
REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
SCP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^-\s][^\s]*")
"""user@host:path, the other spelling of ssh."""
SSH_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9-]+@openssh\.com) [A-Za-z0-9+/=]+( .*)?"
)
GPG_KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """A repository, and what of it is followed."""

    __pydantic_config__ = EDGE

    url: str
    """https://..., ssh://..., user@host:path, or the absolute path of a repository on this machine."""
    ref: str = "main"
    """Branch, tag or full commit id."""
    path: str = "."
    """The directory inside the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Public keys. Each commit has to be signed by one of them."""

    __pydantic_config__ = EDGE

    ssh_keys: tuple[str, ...] = ()
    """As in authorized_keys: ssh-ed25519 AAAA..."""
    gpg_keys: tuple[str, ...] = ()
    """Armoured, as `gpg --export --armor` prints them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A request that makes it look at once, and does nothing else."""

    __pydantic_config__ = EDGE

    secret: str
    """The Secret with which requests are signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """A directory or a Git repository of specs. What it says is applied, as a whole revision or not at all."""

    __pydantic_config__ = EDGE

    directory: str = ""
    """Follow this directory; relative to the spec file. Exactly one of directory and git."""
    git: Git | None = None
    """Follow a Git repository. Exactly one of directory and git."""
    recursive: bool = True
    """Whether subdirectories are read too."""
    namespace: str = ""
    """All documents belong here, and one that says otherwise is an error. By default each says for itself."""
    interval: Annotated[float, Ge(1), Le(86400)] | str | None = None
    """Seconds between looks, or a span like 30s or 5m; by default 60 for git, 30 for a directory."""
    prune: bool = True
    """Whether what vanishes from it is taken down."""
    suspend: bool = False
    """Leave everything as it is, and look no more."""
    verify: Literal["none"] | Keys | None = None
    """Who must have signed each commit: {sshKeys, gpgKeys}, or none. For git the choice has to be made."""
    rollback: bool = False
    """Go back to the last good revision when a new one does not become Ready in timeoutSeconds."""
    timeout_seconds: Annotated[float, Ge(1), Le(86400)] = 300.0
    """So long a new revision may take to become Ready."""
    webhook: Webhook | None = None
    """Where to be told of a push."""
    profile: str = ""
    """The profile of the policy file that its documents have to keep to; by default the one for its kind of source."""

    @property
    def seconds(self) -> float:
        told = span(self.interval) if isinstance(self.interval, str) else self.interval
        return told or (GIT_SECONDS if self.git else DIRECTORY_SECONDS)

    @property
    def title(self) -> str:
        """Where from, for people. A password that stands in the URL is nobody's business."""
        if self.git is None:
            return self.directory
        return f"{re.sub(r'//[^/@]*@', '//', self.git.url)} at {self.git.ref}"


def span(text: str) -> float | None:
    """In seconds; None for what is none, or is shorter or longer than an interval may be."""
    found = SPAN.fullmatch(text)
    seconds = sum(float(found[unit] or 0) * size for unit, size in UNITS.items()) if found else 0.0
    return seconds if 1 <= seconds <= DAY else None


def faults(spec: SourceSpec) -> Iterator[Fault]:
    given = [name for name in ("directory", "git") if getattr(spec, name)]
    if len(given) != 1:
        message = f"exactly one of directory and git is needed, not {' and '.join(given) or 'none'}"
        yield Fault((), message, f"keep {given[0]}, remove the rest" if given else "like directory: ./specs")
    if spec.git:
        yield from _git_faults(spec.git)
        if spec.verify is None:
            message = "verify is missing: nobody said who must have signed the commits of this repository"
            yield Fault((), message, "add verify: {sshKeys: [...]} (or gpgKeys), or verify: none to trust the server")
    elif spec.directory:
        for name, word in (("verify", spec.verify), ("rollback", spec.rollback), ("webhook", spec.webhook)):
            if word:
                yield Fault(
                    (name,), f"a directory has no commits, so {name} has no effect", f"remove {name}, or use git"
                )
    if isinstance(spec.interval, str) and span(spec.interval) is None:
        yield Fault(
            ("interval",), f"{spec.interval!a} is no span between 1 s and a day", "like 30s, 5m, or a number of seconds"
        )
    if isinstance(spec.verify, Keys):
        yield from _key_faults(spec.verify)
    if spec.namespace and not re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", spec.namespace):
        yield Fault(("namespace",), f"{spec.namespace!a} can't be a namespace", "lower-case letters, digits, dashes")


def _git_faults(git: Git) -> Iterator[Fault]:
    complaint = url_complaint(git.url)
    if complaint:
        yield Fault(("git", "url"), *complaint)
    if not REF.fullmatch(git.ref) or ".." in git.ref or git.ref.endswith((".lock", "/", ".")) or "//" in git.ref:
        yield Fault(("git", "ref"), f"{git.ref!a} can't be the name of a branch or tag", "like main, or v1.2")
    parts = git.path.split("/")
    if git.path.startswith(("/", "-", ":")) or ".." in parts or "\0" in git.path or not git.path:
        yield Fault(("git", "path"), f"{git.path!a} is no directory inside a repository", "like deploy/shop, or .")


def url_complaint(url: str) -> tuple[str, str] | None:
    """Git knows schemes that run programs; of those none gets as far as Git."""
    from urllib.parse import urlsplit  # noqa: PLC0415 -- for who declares a repository

    hint = "https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, or an absolute path"
    if re.search(r"[\s\0]", url) or url.startswith("-"):
        return f"{url!a} is no URL of a repository", hint
    if url.startswith("/") or SCP.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        host = "" if parts.netloc.startswith("-") else parts.hostname or ""
    except ValueError:
        return f"{url!a} is no URL of a repository", hint
    match parts.scheme:
        case "https" | "ssh" if host and not host.startswith("-") and "::" not in url.partition("//")[0]:
            return None
        case "file" if not parts.netloc and parts.path.startswith("/"):
            return None
        case "http" if _loopback(host):
            return None
        case "http":
            return "plain http can be read and changed on its way", "use https; http is for this machine alone"
        case _:
            return f"{url!a} is no URL that is followed here", hint


def _loopback(host: str) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415 -- most give a name

    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _key_faults(keys: Keys) -> Iterator[Fault]:
    if not keys.ssh_keys and not keys.gpg_keys:
        yield Fault(("verify",), "there is no key among them", "name sshKeys or gpgKeys, or say verify: none")
    for i, key in enumerate(keys.ssh_keys):
        if not SSH_KEY.fullmatch(key.strip()):
            yield Fault(
                ("verify", "sshKeys", i), "it is no public SSH key", "the content of a .pub file: ssh-ed25519 AAAA..."
            )
    for i, key in enumerate(keys.gpg_keys):
        if GPG_KEY not in key:
            yield Fault(("verify", "gpgKeys", i), "it is no public GPG key", "what gpg --export --armor KEY prints")


def needs(spec: SourceSpec) -> Iterator[Need]:
    if spec.webhook:
        yield Need("secret", spec.webhook.secret, ("webhook", "secret"))


def anchor(spec: SourceSpec, absolute: Callable[[str], str]) -> SourceSpec:
    return replace(spec, directory=absolute(spec.directory)) if spec.directory else spec


KIND = Kind(
    name="Source",
    plural="sources",
    short=("src",),
    spec=SourceSpec,
    summary="A directory or Git repository of specs that is followed.",
    faults=faults,
    needs=needs,
    anchor=anchor,
    example="apiVersion: reconciler/v1\nkind: Source\nmetadata: {name: shop}\nspec: {directory: ./specs}\n",
)
