"""What is run on a host: one script for each verb, and one that tells everything in a single round trip.

A service directory has, as on this machine, `labels.json`, `pid` (the service's pid, its start time, the boot, since
when), `exit` (code, when) and `log`. Words come as arguments, and whatever may be secret on standard input.
"""

from __future__ import annotations

NOT_THERE, ANOTHER_ONES, AT_WORK, LEASED = 71, 73, 75, 76
"""How a script ends that found no such thing; somebody else's; one that runs, or is being started; another's lease."""

COMMON = r"""
export LC_ALL=C
umask 077
state=$1
[ -n "$state" ] || state=${XDG_STATE_HOME:-$HOME/.local/state}/reconciler-hosted
read -r boot 2>/dev/null < /proc/sys/kernel/random/boot_id || boot=-
learn() {
  stat= tick= does=
  while read -r line; do stat="$stat $line"; done < "/proc/$1/stat" || return
  set -- ${stat##*) }
  does=$1
  [ "$does" != Z ] && [ "$does" != X ] && tick=${20}
} 2>/dev/null
began() { learn "$1" && echo "$tick"; }
lives() {
  read -r pid start since_boot _ < "$1/pid" || return 1
  [ "$since_boot" = "$boot" ] && learn "$pid" && [ "$tick" = "$start" ]
} 2>/dev/null
ours() {
  read -r first < "$1/labels.json" || return 1
  case $first in *"\"id\": \"$2\""*) ;; *) return 1 ;; esac
} 2>/dev/null
"""
"""`began` says since which tick of the clock a pid has been the one that it is; nothing of who is dead. (A program may
call itself what it likes: that name is told in several lines, if it has some.) By default nothing lies where a
reconciler that is at home on that machine would take it for its own.
"""

LIST = (
    COMMON
    + r"""
echo "state $state"
echo "boot $boot"
show() {
  told=$told/${2##*/}/
  echo "= $1 ${2##*/}"
  [ -z "$3" ] || printf 'labels %s\n' "$3"
  [ -s "$2/pid" ] && IFS= read -r line < "$2/pid" && printf 'pid %s\n' "$line"
  if lives "$2"; then
    echo lives
    case $does in T|t) echo halted ;; esac
  elif [ -s "$2/pid" ]; then
    [ -s "$2/exit" ] || [ "$since_boot" != "$boot" ] || sleep 0.2 || sleep 1
    [ -s "$2/exit" ] && IFS= read -r line < "$2/exit" && printf 'exit %s\n' "$line"
  fi
} 2>/dev/null
tell() {
  for directory in "$state" "$state/$1"; do
    [ ! -e "$directory" ] || { [ -r "$directory" ] && [ -x "$directory" ]; } || exit
  done
  [ -e "$state/$1" ] || return
  told= found=$(grep -sH '' "$state/$1"/*/labels.json)
  set -f
  IFS='
'
  for line in $found; do
    set +f
    unset IFS
    directory=${line%%/labels.json:*}
    case $line in "$state/$1/"*/labels.json:*) ;; *) continue ;; esac
    case $told in *"/${directory##*/}/"*) ;; *) show "$1" "$directory" "${line#"$directory"/labels.json:}" ;; esac
  done
  set +f
  unset IFS
  for directory in "$state/$1"/*/; do
    directory=${directory%/} line=
    [ -e "$directory/labels.json" ] || continue
    case $told in *"/${directory##*/}/"*) continue ;; esac
    IFS= read -r line < "$directory/labels.json"
    show "$1" "$directory" "$line"
  done
} 2>/dev/null
tell processes
tell volumes
echo end
"""
)
"""The last word proves that nothing is missing. What can't be read is not empty: of that it says nothing. Labels are
long, and a shell reads a byte at a time: so one program reads them all, and the shell only what that has left out.
How one ended is written down a moment after: that is waited for, once.
"""

START = (
    COMMON
    + r"""
directory=$state/processes/$2
mkdir -p "$directory" || exit 1
trap 'rm -f "$directory"/*.$$' EXIT
trap 'exit 1' HUP INT TERM
ahead=$(($(date +%s) - $5))
[ "$ahead" -gt 5 ] || [ "$ahead" -lt -5 ] || ahead=0
IFS= read -r labels || exit 1
cat > "$directory/run.$$" || exit 1
printf '%s\n' "$labels" > "$directory/labels.$$" || exit 1
alone=
command -v setsid >/dev/null && alone=setsid
said=$($alone sh -c "$4" parent "$1" "$2" "$3" "$$" "$alone" "$ahead" 2>&1 </dev/null &)
case $said in
  *started) ;;
  *taken) exit 73 ;;
  *busy) exit 75 ;;
  *) echo "x: ${said:-it ended before it began}" >&2; exit 1 ;;
esac
"""
)
"""Until PARENT is there nothing has happened but drafts; from
then on no lost connection stops it half-way. What is written down is by the caller's clock.
"""

PARENT = (
    COMMON
    + r"""
directory=$state/processes/$2 wanted=$3 draft=$4 alone=$5 ahead=$6
trap '' HUP INT
turn=$directory/turn mine=$$.$(began $$).$boot
held() { held=$(ls -ld "$turn" 2>/dev/null) && held=${held##*-> }; }
release() { held && [ "$held" = "$mine" ] && rm -f "$turn"; }
alive() {
  pid=${1%%.*} rest=${1#*.}
  [ "${rest#*.}" = "$boot" ] && [ "$(began "$pid")" = "${rest%%.*}" ]
}
tries=0
until said=$(ln -s "$mine" "$turn" 2>&1); do
  if held && ! alive "$held"; then mv -f "$turn" "$turn.$$" && rm -f "$turn.$$"; continue; fi
  if [ $((tries += 1)) -ge 50 ]; then held && said=busy; echo "$said"; exit; fi
  sleep 0.1 2>/dev/null || sleep 1
done
trap release EXIT
for stray in "$directory"/*.[0-9]*; do [ -e "/proc/${stray##*.}" ] || rm -f "$stray"; done
if [ -e "$directory/labels.json" ] && ! ours "$directory" "$wanted"; then echo taken; exit; fi
if lives "$directory"; then echo started; exit; fi
mv -f "$directory/run.$draft" "$directory/run" || exit
rm -f "$directory/pid" "$directory/exit"
[ ! -e "$directory/log" ] || mv -f "$directory/log" "$directory/previous.log"
mv -f "$directory/labels.$draft" "$directory/labels.json" || exit
$alone sh "$directory/run" "$directory" "$boot" "$ahead" 3>&1 </dev/null >>"$directory/log" 2>&1 &
pid=$!
exec >/dev/null 2>&1
wait "$pid"
code=$?
printf '%s %s\n' "$code" "$(($(date +%s) - ahead))" > "$directory/exit.new" || exit
mv -f "$directory/exit.new" "$directory/exit"
"""
)
"""One at a time, and only where nobody else's thing is: a turn is a link that says whose it is, so that nobody waits
for the dead. It stays for as long as the service does, to write down how that ended.
"""

RUN = """\
rm -f "$1/run"
directory=$1 boot=$2 ahead=$3
read -r stat < /proc/$$/stat && set -- ${stat##*) }
{ printf '%s %s %s %s\\n' "$$" "${20}" "$boot" "$(($(date +%s) - ahead))" > "$directory/pid.new"; } 2>&3 || exit 125
mv -f "$directory/pid.new" "$directory/pid" 2>&3 || exit 125
rm -f "$directory/turn"
echo started >&3
exec 3>&-
unset directory boot ahead stat LC_ALL SSH_CLIENT SSH_CONNECTION SSH_TTY
umask 022
set --
"""
"""What the service begins with. Its environment, which may hold secrets, is gone from the disk before it is used. And
it is written down that it runs before it does: whatever is cut off when, it is never begun twice. Of how we came it
knows nothing; what it makes, others may read, as on this machine.
"""

STOP = (
    COMMON
    + r"""
directory=$state/processes/$2
ours "$directory" "$3" || exit 71
lives "$directory" || exit 0
read -r pid rest < "$directory/pid"
send() { kill "-$1" "-$pid" 2>/dev/null || kill "-$1" "$pid" 2>/dev/null; }
nap() { sleep 0.1 2>/dev/null || sleep 1; }
clock() { read -r up rest < /proc/uptime && up=${up%.*}${up#*.} || up=$(date +%s)00; } 2>/dev/null
before() { clock; [ "$up" -lt "$1" ]; }
in_a_while() { clock; ends=$((up + $1)); }
send "$4"
[ "$4" = STOP ] || send CONT
in_a_while "$5"
while lives "$directory" && before "$ends"; do nap; done
lives "$directory" && send KILL
in_a_while 500
while { lives "$directory" || [ ! -s "$directory/exit" ]; } && before "$ends"; do nap; done
[ -n "$(began "$pid")" ] || kill -KILL "-$pid" 2>/dev/null
! lives "$directory"
"""
)
"""In hundredths of a second of the host's uptime, for clocks are set. 71: it is not there any more. Who was halted goes
on, to hear of it. Last of all whoever it left behind in its group: as long as there is somebody, nobody else gets that
number. But if all are gone, another one may have it by then.
"""

UNPAUSE = (
    COMMON
    + r"""
directory=$state/processes/$2
ours "$directory" "$3" || exit 71
lives "$directory" || exit 0
kill -CONT "-$pid" 2>/dev/null || kill -CONT "$pid"
"""
)

REMOVE = (
    COMMON
    + r"""
directory=$state/$2/$3
ours "$directory" "$4" || exit 0
[ "$2" = volumes ] || ! lives "$directory" || exit 75
[ ! -e "$directory/data" ] || rm -rf "$directory/data" || exit 1
[ ! -e "$directory/files" ] || rm -rf "$directory/files" || exit 1
mv "$directory" "$state/$2/.gone.$4" && rm -rf "$state/$2"/.gone.*
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
[ -z "$2" ] || cd "$state/packages/$2/tree" || exit 71
cd "$3" || exit 71
program=$4
[ -z "$5" ] || PATH=$5
found=$(command -v "$program") || exit 72
case $found in */*) [ -x "$found" ] && [ ! -d "$found" ] || exit 72 ;; *) exit 0 ;; esac
first=
IFS= read -r first < "$found"
set -f
case $first in '#!'*) set -- ${first#??} ;; *) exit 0 ;; esac
[ -x "$1" ] || { echo "interpreter $1"; exit 78; }
case $1 in */env) ;; *) exit 0 ;; esac
case $2 in ''|-*|*=*) ;; *) command -v "$2" >/dev/null || { echo "$2"; exit 78; } ;; esac
:
"""
"""As far as that can be known before: the launch has the last word. 78: a script's interpreter is missing."""
