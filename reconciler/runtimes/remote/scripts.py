"""What is run on a host: one script for each verb, and one that tells everything in a single round trip.

A service directory has, as on this machine, `labels.json`, `pid` (the service's pid, its start time, the boot, since
when), `exit` (code, when) and `log`. Words come as arguments, and whatever may be secret on standard input.
"""

from __future__ import annotations

COMMON = r"""
export LC_ALL=C
umask 077
state=$1
[ -n "$state" ] || state=${XDG_STATE_HOME:-$HOME/.local/state}/reconciler
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) || boot=-
began() {
  read -r stat < "/proc/$1/stat" || return
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "$1" != X ] && echo "${20}"
} 2>/dev/null
lives() {
  read -r pid start since_boot _ < "$1/pid" || return 1
  [ "$since_boot" = "$boot" ] && [ "$(began "$pid")" = "$start" ]
} 2>/dev/null
ours() {
  read -r first < "$1/labels.json" || return 1
  case $first in *"\"id\": \"$2\""*) ;; *) return 1 ;; esac
} 2>/dev/null
"""
"""`began` says since which tick of the clock a pid has been the one that it is; nothing of who is dead."""

LIST = (
    COMMON
    + r"""
echo "state $state"
echo "boot $boot"
tell() {
  for directory in "$state/$1"/*/; do
    directory=${directory%/}
    [ -e "$directory/labels.json" ] || continue
    echo "= $1 ${directory##*/}"
    IFS= read -r line < "$directory/labels.json" && printf 'labels %s\n' "$line"
    [ -s "$directory/pid" ] && IFS= read -r line < "$directory/pid" && printf 'pid %s\n' "$line"
    [ -s "$directory/exit" ] && IFS= read -r line < "$directory/exit" && printf 'exit %s\n' "$line"
    lives "$directory" && echo lives
    [ -e "$directory/log" ] && echo "log $(wc -c < "$directory/log")"
  done
} 2>/dev/null
tell processes
tell volumes
echo end
"""
)
"""The last word proves that nothing is missing."""

START = (
    COMMON
    + r"""
directory=$state/processes/$2 wanted=$3
mkdir -p "$directory" || exit 1
mkdir "$directory/turn" 2>/dev/null || { lives "$directory" && exit 0; rmdir "$directory/turn" 2>/dev/null; exit 75; }
trap 'rmdir "$directory/turn"' EXIT
trap 'exit 1' HUP INT TERM
if [ -e "$directory/labels.json" ] && ! ours "$directory" "$wanted"; then exit 73; fi
IFS= read -r labels || exit 1
lives "$directory" && exit 0
cat > "$directory/run" || exit 1
rm -f "$directory/pid" "$directory/exit"
[ ! -e "$directory/log" ] || mv -f "$directory/log" "$directory/previous.log"
printf '%s\n' "$labels" > "$directory/labels.new" && mv -f "$directory/labels.new" "$directory/labels.json" || exit 1
alone=
command -v setsid >/dev/null && alone=setsid
said=$($alone sh -c "$4" parent "$directory" "$boot" "$alone" 2>&1 </dev/null &)
case $said in *started) ;; *) echo "x: $said" >&2; exit 1 ;; esac
"""
)
"""One at a time, and only where nobody else's thing is. 73: it is somebody else's; 75: somebody else is at it."""

PARENT = r"""
directory=$1 boot=$2 alone=$3
trap '' HUP INT
$alone sh "$directory/run" "$directory/run" </dev/null >>"$directory/log" 2>&1 &
pid=$!
read -r stat < "/proc/$pid/stat" 2>/dev/null && { set -- ${stat##*) }; start=${20}; }
printf '%s %s %s %s\n' "$pid" "${start:-0}" "$boot" "$(date +%s)" > "$directory/pid.new" || exit 1
mv -f "$directory/pid.new" "$directory/pid" || exit 1
echo started
exec >/dev/null 2>&1
wait "$pid"
code=$?
printf '%s %s\n' "$code" "$(date +%s)" > "$directory/exit.new" && mv -f "$directory/exit.new" "$directory/exit"
"""
"""It stays for as long as the service does, to write down how that ended."""

RUN = """\
rm -f "$1"
set --
"""
"""What the service begins with: its environment, which may hold secrets, is gone from the disk before it is used."""

STOP = (
    COMMON
    + r"""
directory=$state/processes/$2
ours "$directory" "$3" || exit 0
lives "$directory" || exit 0
read -r pid rest < "$directory/pid"
send() { kill "-$1" "-$pid" 2>/dev/null || kill "-$1" "$pid" 2>/dev/null; }
nap() { sleep 0.1 2>/dev/null || sleep 1; }
send "$4"
ends=$(($(date +%s) + $5))
while lives "$directory" && [ "$(date +%s)" -lt "$ends" ]; do nap; done
lives "$directory" && send KILL
last=$(($(date +%s) + 5))
while { lives "$directory" || [ ! -s "$directory/exit" ]; } && [ "$(date +%s)" -lt "$last" ]; do nap; done
send KILL
! lives "$directory"
"""
)

REMOVE = (
    COMMON
    + r"""
directory=$state/$2/$3
ours "$directory" "$4" || exit 0
[ "$2" = volumes ] || ! lives "$directory" || exit 1
[ ! -e "$directory/data" ] || rm -rf "$directory/data" || exit 1
[ ! -e "$directory/files" ] || rm -rf "$directory/files" || exit 1
rm -rf "$directory"
"""
)

VOLUME = (
    COMMON
    + r"""
directory=$state/volumes/$2
[ ! -e "$directory/labels.json" ] || exit 0
mkdir -p "$directory/data" || exit 1
cat > "$directory/labels.new" && mv -f "$directory/labels.new" "$directory/labels.json"
"""
)

CHECK = r"""
cd "$1" || exit 71
command -v "$2" >/dev/null || exit 72
"""
"""As far as that can be known before: the launch has the last word."""

TAIL = (
    COMMON
    + r"""
log=$state/processes/$2/log
[ -e "$log" ] || exit 0
if [ "$3" = all ]; then cat "$log"; else tail -n "$3" "$log"; fi
"""
)

MORE = (
    COMMON
    + r"""
directory=$state/processes/$2
lives "$directory" && echo lives || echo over
[ ! -e "$directory/log" ] || tail -c "+$3" "$directory/log" | dd bs=32768 count=1 2>/dev/null
:
"""
)
