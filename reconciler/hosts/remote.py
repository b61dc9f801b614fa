"""What is said to a shell at the other end. Needed there: a POSIX `sh` with `cat`, `dd`, `kill` and `sleep`.

A shell reads one line of text, so an argument list is made into one here, in `quote`, and nowhere else.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from reconciler.errors import Refused

WRAPPER = r"""
mark=$1 seconds=$2 size=$3
shift 3
exec 3<&0 </dev/null
limit=
command -v timeout >/dev/null && limit="timeout $seconds"
end() { trap '' TERM; kill -TERM 0; sleep 1; kill -KILL 0; }
watch() { exec >/dev/null 2>&1; $limit cat <&3; sleep 1; kill -0 $$ && end; }
feed() {
  dd bs=65536 iflag=fullblock,count_bytes count="$size" <&3 2>/dev/null || return
  read -r last <&3 && [ "$last" = whole ] || end
}
tell() { printf '%s %s\n' "$mark" "$1"; printf '%s %s\n' "$mark" "$1" >&2; }
tell begun
if [ "$size" -eq 0 ]; then
  watch &
  (exec "$@") 3<&-
else
  { feed; watch & } | (exec "$@") 3<&-
fi
status=$?
case $status in
  126) [ ! -e "$1" ] || [ -x "$1" ] && [ ! -d "$1" ] || status=denied ;;
  127) command -v "$1" >/dev/null || status=missing ;;
esac
tell "$status"
"""
"""Runs a command and tells of its beginning and its end on both of its outputs.

The channel is the command's lifeline: sshd puts us into a session and group of our own, and when the channel closes, or
nothing was heard for as long as the command may take, the whole group ends. The channel may close because all is over;
so whoever watches it waits a moment and looks whether we are still there. What the command leaves running on purpose
is then left in peace. (`exec` closes its outputs for good: around a call a shell would keep them open for later.)

A command that reads must not take a cut for the end: it gets to see the end of its input only when the word after it
has come.
"""

WHOLE = b"whole\n"


def quote(words: Sequence[str]) -> str:
    """One line that a shell reads as just these words; fish too, to whom a backslash between quotes means something."""
    if any("\0" in word for word in words):
        raise Refused("an argument with a NUL in it can't be passed to a program")
    return " ".join(shlex.quote(word).replace("\\", "'\\\\'") for word in words)


def wrapped(argv: Sequence[str], *, mark: str, size: int, deadline: float) -> str:
    """The line that runs `argv` so that it ends with us. `size` bytes of input and WHOLE are going to be sent to it."""
    seconds = math.ceil(deadline) + 1
    return f"exec {quote(['sh', '-c', WRAPPER, 'reconciler', mark, str(seconds), str(size), *argv])}"
