"""Images: there already, or pulled, or told apart why not."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from reconciler.errors import Denied, Gone, ImageUnavailable, ReconcilerError, Refused
from reconciler.failpoints import failpoint
from reconciler.model.place import LOCAL
from reconciler.runtimes.docker.connection import Connection
from reconciler.runtimes.docker.wire import Request

LOST_LAYER = "layer not known"
"""Podman's words when somebody removes an image with the same layers just then; the next try fetches them anew."""
PULL_SECONDS = 600.0
ASK_SECONDS = 5
FRESH_SECONDS = 30.0
"""So long a registry's answer counts: a loop is not to ask it in every pass."""
ASKERS = 32
"""Questions to registries at once; what is left over is asked at the next look."""

Progress = Callable[[str, str], None]
"""Called with the image and what is happening to it, from any thread: pulling, whatever the engine says, pulled."""

LOOK = "`docker images` shows what is here"
LOOK_THERE = "`docker images` on {host} shows what is there; `docker save IMAGE | ssh … docker load` brings one"


class Images:
    def __init__(self, connection: Connection, progress: Progress | None = None, host: str = LOCAL) -> None:
        self._look = LOOK if host == LOCAL else LOOK_THERE.format(host=host)
        self._connection = connection
        self._progress = progress
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._pulled: dict[str, float] = {}
        self._digests: dict[str, tuple[float, str]] = {}
        self._answered = threading.Condition()
        self._under_way: set[str] = set()

    def prepare(self, image: str, policy: str) -> None:
        if policy != "Always" and self._is_here(image):
            return
        if policy == "Never":
            raise ImageUnavailable(
                f"image {image} is not here, and pullPolicy Never forbids to pull it",
                hint=f"build or pull it yourself, or set pullPolicy: IfNotPresent; {self._look}",
            )
        asked = time.monotonic()
        with self._locks[image]:  # a hundred instances of one image pull it once
            if self._pulled.get(image, 0.0) < asked:
                self._pull(image)
                failpoint("docker.image.pulled")
                self._pulled[image] = time.monotonic()

    def ask_registries(self, images: Iterable[str]) -> None:
        """What they publish under these names now, for `newer` to know. All are asked at once, and waited for no longer
        than for one: a pass holds up all others. What comes later counts later.
        """
        with self._answered:
            new = [image for image in sorted(set(images)) if self._is_due(image)][
                : max(0, ASKERS - len(self._under_way))
            ]
            self._under_way.update(new)
            for image in new:
                threading.Thread(target=self._learn, args=(image,), name="registry", daemon=True).start()
            self._answered.wait_for(lambda: self._under_way.isdisjoint(new), timeout=ASK_SECONDS)

    def newer(self, image: str, runs: Mapping[str, Any]) -> str:
        """Whether the name means another image than the one that `runs`, as a sentence; empty if not, and when
        nobody can say. By what the registry has told lately; nothing is pulled.
        """
        if "@" in image:
            return ""
        digests = [str(text).partition("@")[2] for text in runs.get("RepoDigests") or []]
        if current := self._digests.get(image, (0.0, ""))[1]:
            return "" if current in digests else f"image {image} is {_short(current)} in its registry now"
        here = self._connection.ask_gently(f"/images/{quote(image, safe='/:@')}/json")
        if here is None or here["Id"] == runs["Id"]:
            return ""
        return f"image {image} is {_short(here['Id'])} here now, and it runs {_short(runs['Id'])}"

    def _is_due(self, image: str) -> bool:
        asked, _ = self._digests.get(image, (-math.inf, ""))
        return "@" not in image and image not in self._under_way and time.monotonic() - asked > FRESH_SECONDS

    def _learn(self, image: str) -> None:
        """In a thread of its own. Empty if it can't be had."""
        digest = ""
        try:
            digest = self._ask_registry(image)
        finally:
            with self._answered:
                self._digests[image] = time.monotonic(), digest
                self._under_way.discard(image)
                self._answered.notify_all()

    def _ask_registry(self, image: str) -> str:
        try:
            with self._connection.client(f"asking for image {image}", seconds=ASK_SECONDS) as client:
                told = client.inspect_distribution(image)  # type: ignore[no-untyped-call]
                return str(told["Descriptor"]["digest"])
        except (ReconcilerError, LookupError, TypeError):
            return ""  # what runs is as good as ever; a pull would say why

    def _is_here(self, image: str) -> bool:
        try:
            self._connection.ask(Request(f"/images/{quote(image, safe='/:@')}/json"), f"image {image}")
        except (Gone, ImageUnavailable):
            return False
        return True

    def _pull(self, image: str) -> None:
        deadline = time.monotonic() + PULL_SECONDS
        self._tell(image, "pulling")
        try:
            self._fetch(image, deadline)
        except ImageUnavailable as error:
            if LOST_LAYER not in error.message:
                raise
            self._fetch(image, deadline)
        self._tell(image, "pulled")

    def _fetch(self, image: str, deadline: float) -> None:
        doing = f"pulling image {image}"
        try:
            with self._connection.client(doing) as client:
                for step in client.pull(image, stream=True, decode=True):
                    self._judge(image, step, deadline)
        except (Gone, Denied, Refused) as error:
            if isinstance(error, ImageUnavailable):
                raise
            raise unavailable(image, error.message.removeprefix(f"{doing}: "), self._look) from error

    def _judge(self, image: str, step: dict[str, str], deadline: float) -> None:
        """The engine says 200 first and fails later, in the stream."""
        if words := step.get("error"):
            raise unavailable(image, words, self._look)
        if time.monotonic() > deadline:
            raise ImageUnavailable(f"image {image}: not pulled within {PULL_SECONDS:g} s", hint="the registry is slow")
        self._tell(image, " ".join(filter(None, (step.get("status"), step.get("progress")))))

    def _tell(self, image: str, words: str) -> None:
        if self._progress:
            self._progress(image, words)


def _short(digest: str) -> str:
    return digest[:19]  # sha256: and twelve digits


def unavailable(image: str, words: str, look: str = LOOK) -> ImageUnavailable:
    """Why a pull failed: a registry says 'denied' for what does not exist, so as not to tell what does."""
    lower = words.lower()
    if any(sign in lower for sign in ("not found", "manifest unknown", "does not exist", "pull access denied")):
        cause, hint = "there is no such image, or it is private", f"check the name; `docker login` if private; {look}"
    elif any(sign in lower for sign in ("unauthorized", "denied", "authentication required")):
        cause, hint = "the registry refuses", "run `docker login`"
    elif any(sign in lower for sign in ("toomanyrequests", "429")):
        cause, hint = "the registry limits how often one may pull", "wait, or run `docker login`"
    elif any(sign in lower for sign in ("dial", "lookup", "timeout", "no such host", "refused", "unreachable", "eof")):
        cause, hint = "the registry can't be reached", f"check the network, or load the image by other means; {look}"
    else:
        cause, hint = "it could not be pulled", look
    return ImageUnavailable(f"image {image}: {cause} ({words})", hint=hint)
