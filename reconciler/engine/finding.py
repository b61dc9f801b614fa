"""Processes that others run, on any host: one script for all that are looked for there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.attached import Running
from reconciler.kinds.attach import RunningProcess
from reconciler.model.key import Key
from reconciler.model.labels import number
from reconciler.ports import Host

LOOK_SECONDS = 10.0
TICKS = 100
"""Of a second: what the kernel tells its programs on every machine there is."""
MOST = 10**15
LONGEST_NAME = 15
"""Bytes that the kernel keeps of one."""

SCRIPT = r"""
export LC_ALL=C
tell() {
  read -r stat < "/proc/$2/stat" || return
  name=${stat#*(}
  set -- "$1" "$2" ${stat##*) }
  case $3 in Z | X | '') return ;; esac
  echo "$1 $2 $4 ${22} ${name%)*}"
} 2>/dev/null
while read -r word rest; do [ "$word" != btime ] || echo "boot $rest"; done < /proc/stat
while [ $# -ge 3 ]; do
  case $2 in
    pid) tell "$1" "$3" ;;
    file)
      pid=
      [ ! -f "$3" ] || read -r pid rest < "$3"
      case $pid in '' | *[!0-9]*) ;; *) tell "$1" "$pid" ;; esac ;;
    name)
      for directory in /proc/[0-9]*; do
        read -r comm < "$directory/comm" && [ "$comm" = "$3" ] && tell "$1" "${directory#/proc/}"
      done ;;
  esac 2>/dev/null
  shift 3
done
:
"""
"""Given a word for each, how it is called and what that is. Tells word, pid, parent's pid, begin and name."""


def processes(host: Host, wanted: Mapping[Key, RunningProcess]) -> dict[Key, list[Running]]:
    """Raises ReconcilerError if the host can't be asked."""
    keys = sorted(wanted)
    words = [word for i, key in enumerate(keys) for word in (str(i), *_called(wanted[key]))]
    done = host.run(["sh", "-c", SCRIPT, "find", *words], deadline=LOOK_SECONDS)
    found: dict[Key, list[Running]] = {key: [] for key in keys}
    for which, running in _read(done.stdout.decode(errors="replace").splitlines(), len(keys)):
        found[keys[which]].append(running)
    return found


def _called(one: RunningProcess) -> tuple[str, str]:
    if one.pid_file:
        return "file", one.pid_file
    if one.name:
        return "name", one.name.encode()[:LONGEST_NAME].decode(errors="ignore")
    return "pid", str(one.pid)


def _read(lines: Iterable[str], count: int) -> Iterator[tuple[int, Running]]:
    """A name may be anything, a line of ours included: what makes no sense is none."""
    booted = 0.0
    for line in lines:
        words = line.split(" ", 4)
        told = [found for word in words[:4] if (found := number(word, MOST)) is not None]
        if words[0] == "boot" and len(words) == 2 and told:
            booted = float(told[0])
        elif len(words) == 5 and len(told) == 4 and told[0] < count:
            which, pid, parent, began = told
            yield which, Running(pid, parent, str(began), words[4], booted + began / TICKS)
