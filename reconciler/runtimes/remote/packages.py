"""Files that processes on another host are delivered with: `<state>/packages/<id>/`, as on this machine. They are sent
in pieces, compared with what was sent by their hash, unpacked beside, and have their name from then on; `ready` is
written once they are set up. One without it is what a cut has left, and is made anew.
"""

from __future__ import annotations

import hashlib
import secrets
import shlex
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from reconciler.core.setup import SETUP_SECONDS, setup_failed
from reconciler.errors import Refused
from reconciler.model.desired import Package
from reconciler.model.key import Key
from reconciler.model.labels import number
from reconciler.ports import Completed, Host
from reconciler.runtimes.remote.scripts import COMMON
from reconciler.runtimes.said import last_line

PIECE = 4 << 20
PIECE_SECONDS = 120.0
UNPACK_SECONDS = 120.0
LAST_LINES = "5"
MISSING = {
    81: ("has no tar to unpack {key}'s package with", "install tar there"),
    82: ("has nothing to check {key}'s package with", "install sha256sum or openssl there"),
}

ASK = (
    COMMON
    + r"""
[ ! -e "$state/packages/$2/ready" ] || exit 0
command -v tar >/dev/null || exit 81
for program in sha256sum openssl shasum; do command -v "$program" >/dev/null && exit 80; done
exit 82
"""
)
"""0: it is there, 80: it is not."""

TAKE = (
    COMMON
    + r"""
mkdir -p "$state/packages" || exit 1
[ "$4" -ne 0 ] || rm -rf "$state/packages/.$2".*
draft=$state/packages/.$2.$3
[ "$4" -eq 0 ] || [ "$(($(wc -c < "$draft")))" -eq "$4" ] || { echo 'x: a piece was lost on its way' >&2; exit 1; }
cat >> "$draft"
"""
)
"""Only behind what came before. What of the same was cut off earlier makes room first."""

UNPACK = (
    COMMON
    + r"""
place=$state/packages/$2 draft=$state/packages/.$2.$3
trap 'rm -rf "$draft" "$draft.d"' EXIT
trap 'exit 1' HUP INT TERM
[ ! -e "$place/ready" ] || exit 0
hash() {
  if command -v sha256sum >/dev/null; then sha256sum
  elif command -v openssl >/dev/null; then openssl dgst -sha256 -r
  else shasum -a 256; fi < "$draft"
}
said=$(hash) || exit 1
[ "${said%% *}" = "$4" ] || { echo 'x: it is not what was sent' >&2; exit 1; }
mkdir -p "$draft.d/tree" && chmod 755 "$draft.d/tree" || exit 1
(umask 022; cd "$draft.d/tree" && tar -xmf - < "$draft") || exit 1
[ "$5" != ready ] || : > "$draft.d/ready" || exit 1
rm -rf "$place" && mv "$draft.d" "$place"
"""
)
"""What was sent was judged here: a plain archive of files and directories. So the same bytes are safe to unpack."""

SET_UP = (
    COMMON
    + r"""
place=$state/packages/$2
[ ! -e "$place/ready" ] || exit 0
cat > "$place/setup.sh" || exit 1
(umask 022; unset LC_ALL SSH_CLIENT SSH_CONNECTION SSH_TTY; cd "$place/tree" && exec sh "$place/setup.sh") \
  </dev/null >"$place/setup.log" 2>&1
code=$?
[ "$code" = 0 ] || { echo "$code"; echo "$place/setup.log"; tail -n "$3" "$place/setup.log"; exit 79; }
: > "$place/ready"
"""
)
"""79: it failed; its code, where its log lies, and the end of that."""

SWEEP = r"""
sweep() {
  [ -d "$state/packages" ] || return 0
  for place in "$state/packages"/*/ "$state/packages"/.[!.]*; do
    place=${place%/} name=${place##*/}
    [ -e "$place" ] || continue
    id=${name#.} id=${id%%.*}
    case " $1 " in *" $id "*) continue ;; esac
    case $name in .*) rm -rf "$place"; continue ;; esac
    grep -qs "\"package\": \"$id\"" "$state"/processes/*/labels.json && continue
    mv "$place" "$state/packages/.$id.gone" && rm -rf "$state/packages/.$id.gone"
  done
  return 0
}
"""
"""Away with what nobody is started from any more, but for those that somebody here is just about to use."""

CLEAR = f'{COMMON}{SWEEP}sweep "$2"\n'


class RemotePackages:
    def __init__(self, host: Host, state: str) -> None:
        self._there, self._state = host, state
        self._mutex = threading.Lock()
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._used: Counter[str] = Counter()

    @property
    def used(self) -> str:
        """Those that are not to be swept away, in one word."""
        with self._mutex:
            return " ".join(sorted(name for name, count in self._used.items() if count))

    @contextmanager
    def ready(self, key: Key, package: Package | None) -> Iterator[None]:
        """It is there, and stays at least until the end."""
        if package is None:
            yield
            return
        with self._mutex:
            self._used[package.id] += 1
            turn = self._turns[package.id]
        try:
            with turn:
                self._furnish(key, package)
            yield
        finally:
            with self._mutex:
                self._used[package.id] -= 1

    def sweep(self) -> None:
        self._act(CLEAR, [self.used])

    def _furnish(self, key: Key, package: Package) -> None:
        asked = self._act(ASK, [package.id]).exit_code
        if asked == 0:
            return
        if asked in MISSING:
            what, hint = MISSING[asked]
            raise Refused(f"host {self._there.name} {what.format(key=key)}", hint=hint)
        self._send(key, package)
        if package.setup:
            self._set_up(key, package)

    def _send(self, key: Key, package: Package) -> None:
        token, sent, digest = secrets.token_hex(6), 0, hashlib.sha256()
        for piece in _gathered(package.content.archive()[1]):
            words = [package.id, token, str(sent)]
            self._done(key, self._act(TAKE, words, stdin=piece, deadline=PIECE_SECONDS))
            digest.update(piece)
            sent += len(piece)
        words = [package.id, token, digest.hexdigest(), "" if package.setup else "ready"]
        self._done(key, self._act(UNPACK, words, deadline=UNPACK_SECONDS))

    def _set_up(self, key: Key, package: Package) -> None:
        exports = [f"export {name}={shlex.quote(package.env[name])}" for name in sorted(package.env)]
        script = "\n".join([*exports, f"exec {' '.join(map(shlex.quote, package.setup))}", ""]).encode()
        done = self._act(SET_UP, [package.id, LAST_LINES], stdin=script, deadline=SETUP_SECONDS)
        if done.exit_code == 79:
            code, _, rest = done.stdout.partition(b"\n")
            log, _, said = rest.partition(b"\n")
            failed = number(code.decode(errors="replace"), 255)
            where = f"{last_line(log)} on {self._there.name}"
            raise setup_failed(key, 1 if failed is None else failed, said, where)
        self._done(key, done)

    def _act(self, script: str, words: Sequence[str], *, stdin: bytes = b"", deadline: float = 30.0) -> Completed:
        return self._there.run(["sh", "-c", script, "package", self._state, *words], stdin=stdin, deadline=deadline)

    def _done(self, key: Key, done: Completed) -> None:
        if done.exit_code:
            said = last_line(done.stderr, f"exit code {done.exit_code}")
            raise Refused(f"{key}: its package can't be delivered to {self._there.name}: {said}", hint="put it right")


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Each as large as one command takes along."""
    held: list[bytes] = []
    for piece in pieces:
        held.append(piece)
        if sum(map(len, held)) >= PIECE:
            yield b"".join(held)
            held = []
    if held:
        yield b"".join(held)
