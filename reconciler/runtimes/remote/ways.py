"""What is run on a host to get into a service: its log, commands beside it, its files."""

from __future__ import annotations

from reconciler.runtimes.remote.scripts import COMMON

NOT_RUNNING = 74
NOTHING_THERE = 75
MARK = "RECONCILER_RUN"
"""Variable by which all that a command has started is known."""

SURROUNDINGS = r"""
directory=$state/processes/$2
ours "$directory" "$3" && lives "$directory" || { echo "x: it does not run" >&2; exit 74; }
read -r pid rest < "$directory/pid"
"""
"""74: it does not run."""

PREPARE = (
    COMMON
    + SURROUNDINGS
    + r"""
[ -z "$4" ] || cat > "$directory/$4"
"""
)

ENTER = (
    COMMON
    + SURROUNDINGS
    + r"""
mark=$4 given=$5 place=$6
shift 6
told=$(tr '\0\n' '\n\1' < "/proc/$pid/environ" | sed -n "
  /^\(UID\|EUID\|PPID\|BASHOPTS\|SHELLOPTS\|IFS\)=/d
  s/'/'\\\\''/g
  s/^\([A-Za-z_][A-Za-z0-9_]*\)=\(.*\)\$/export \1='\2'/p" | tr '\1' '\n')
[ -z "$given" ] || { more=$(cat "$directory/$given"); rm -f "$directory/$given"; told="$told
$more"; }
cd -P "/proc/$pid/cwd" || exit 1
unset LC_ALL
eval "$told"
export RECONCILER_RUN="$mark"
[ -z "$place" ] || cd "$place" || exit 1
trap : HUP INT QUIT TERM
exec 3>&2 2>/dev/null
(exec 2>&3 3>&-; exec "$@")
exit $?
"""
)
"""With the service's environment, in its directory. What would end the command ends not us before it: we are to tell
how it ended, by our exit code alone.
"""

SIGNAL = r"""
tries=0
while :; do
  all=' ' first= rest=
  for one in /proc/[0-9]*; do
    if grep -q "RECONCILER_RUN=$1" "$one/environ" 2>/dev/null; then all="$all${one#/proc/} "; fi
  done
  for one in $all; do
    above=
    while read -r word above; do [ "$word" = PPid: ] && break; done 2>/dev/null < "/proc/$one/status"
    case $all in *" $above "*) rest="$rest $one" ;; *) first="$first $one" ;; esac
  done
  [ -z "$first$rest" ] || { kill "-$2" $first $rest 2>/dev/null; [ "$2" = KILL ] || exit 0; }
  [ "$2" != KILL ] || [ -n "$first$rest" ] || exit 0
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || exit 1
  sleep 0.1 2>/dev/null || sleep 1
done
"""
"""First to the command itself: it is not to go on because its children have ended. What was only just begun may not be
there yet, and what is to be killed is looked for until nobody is left.
"""

TAIL = (
    COMMON
    + r"""
log=$state/processes/$2/log
[ -e "$log" ] || exit 0
if [ -n "$4" ]; then
  changed=$(stat -c %Y "$log" 2>/dev/null || date -r "$log" +%s 2>/dev/null) || changed=
  [ -z "$changed" ] || [ "$changed" -ge "$4" ] || exit 0
fi
size=$(wc -c < "$log") || exit 1
echo "$size"
if [ "$3" = all ]; then head -c "$size" "$log"; else head -c "$size" "$log" | tail -n "$3"; fi
"""
)
"""As much as it was when it was asked for, and how much that is: from there one may go on."""

MORE = (
    COMMON
    + r"""
directory=$state/processes/$2
if lives "$directory"; then read -r pid start rest < "$directory/pid"; echo "lives $pid $start"; else echo over; fi
[ ! -e "$directory/log" ] || tail -c "+$3" "$directory/log" | dd bs=32768 count=1 2>/dev/null
:
"""
)

EARLIER = (
    COMMON
    + r"""
log=$state/processes/$2/previous.log
[ -e "$log" ] || exit 75
if [ "$3" = all ]; then cat "$log"; else tail -n "$3" "$log"; fi
"""
)

ENTRY = r"""
[ -e "$1" ] || [ -L "$1" ] || exit 75
[ -d "$1" ] && [ ! -L "$1" ] && echo directory || echo file
[ ! -L "$1" ] || readlink -f "$1"
"""

PACK = r"""
cd "$1" || exit 1
command -v tar >/dev/null || { echo "x: there is no tar" >&2; exit 1; }
tar -cf - -- "$2"
status=$?
[ "$status" -le 1 ]
"""
"""1 is for what was changed while it was read."""

TAKE = (
    COMMON
    + r"""
cat >> "$state/processes/$2/$3"
"""
)

UNPACK = (
    COMMON
    + r"""
draft=$state/processes/$2/$3
trap 'rm -f "$draft"' EXIT
[ -n "$4" ] || exit 0
umask 022
cd "$4" || exit 1
tar -xof "$draft"
"""
)
"""Whoever unpacks it owns it. With nowhere to unpack it, it is thrown away."""
