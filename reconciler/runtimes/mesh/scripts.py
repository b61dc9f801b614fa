"""What is run on a host: one script for each verb, and one that tells everything in a single round trip.

A part has a directory, named after its device: `key` (which nobody but root there ever reads), `public`, `labels.json`,
and `set`, which is what it was told last. Words that are anybody's come as arguments, or on standard input.
"""

from __future__ import annotations

AS_ROOT = r"""
state=$1 script=$2 how=$3
shift 3
[ -n "$state" ] || state=${XDG_STATE_HOME:-$HOME/.local/state}/reconciler-hosted
umask 077
met=${SSH_CONNECTION:--}
[ "$(id -u)" != 0 ] || exec sh -c "$script" mesh "$state" root "$met" "$@"
who=$(id -un)
if command -v sudo >/dev/null; then
  [ "$how" = look ] || mkdir -p "$state" || exit 1
  if [ "$how" = look ] && [ ! -d "$state/mesh" ]; then who=root
  elif sudo -n true >/dev/null 2>&1; then exec sudo -n sh -c "$script" mesh "$state" root "$met" "$@"
  fi
fi
[ "$how" = look ] || { echo "x: $who may make no network devices; let sudo ask for no password" >&2; exit 1; }
exec sh -c "$script" mesh "$state" "$who" "$met" "$@"
"""
"""Runs the script as root where that needs no password, else as who we are. Who only looks, and has nothing there, does
not ask sudo, which may report the question; it is found out when there is something to make. The directory is its
user's in any case.
"""

COMMON = r"""
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
umask 077
state=$1 who=$2 met=$3
shift 3
"""

LIST = (
    COMMON
    + r"""
echo "who $who"
set -- $met
echo "met ${3:-}"
for tool in ip wg; do command -v $tool >/dev/null && echo "tool $tool"; done
ip -o addr show 2>/dev/null | while read -r _ device family address _; do
  case $family in inet|inet6) echo "leg $device $address" ;; esac
done
for table in udp udp6; do
  [ -r /proc/net/$table ] && while read -r _ at _; do
    case ${at##*:} in 75[3-9A-F]?|7[6-9A-C]??) echo "udp ${at##*:}" ;; esac
  done < /proc/net/$table
done
for directory in "$state"/mesh/*/; do
  directory=${directory%/}
  device=${directory##*/}
  [ -e "$directory/labels.json" ] || continue
  echo "= $device"
  echo "clock $(date +%s)"
  IFS= read -r line < "$directory/labels.json" && printf 'labels %s\n' "$line"
  [ -s "$directory/public" ] && read -r line < "$directory/public" && echo "public $line"
  [ -s "$directory/next.public" ] && read -r line < "$directory/next.public" && echo "next $line"
  [ -s "$directory/set" ] && while read -r line; do echo "set $line"; done < "$directory/set"
  wg show "$device" dump 2>/dev/null | {
    read -r _ public port _ && echo "live $public $port"
    while read -r key _ endpoint reached shook _; do echo "peer $key $endpoint $reached $shook"; done
  }
  ip -o link show dev "$device" up 2>/dev/null | grep -q . && echo up
  ip -o route show dev "$device" 2>/dev/null | while read -r route _; do echo "route $route"; done
done
echo end
"""
)
"""The last word proves that nothing is missing. Of a key only the public half is ever told; of UDP, who has a number
from 30000 to 31999 there, in hexadecimal digits.
"""

UP = (
    COMMON
    + r"""
device=$1 address=$2 port=$3 relays=$4 becomes=$5 anew=$6
directory=$state/mesh/$device
fail() { echo "x: $1" >&2; exit 1; }
[ -z "${SUDO_UID-}" ] || [ -e "$state" ] || sudo -n -u "#$SUDO_UID" mkdir -p "$state" || exit 1
mkdir -p "$directory" || exit 1
IFS= read -r labels || fail 'nothing was said'
[ -e "$directory/labels.json" ] || printf '%s\n' "$labels" > "$directory/labels.json" || exit 1
cat > "$directory/set.new" || exit 1
if [ ! -s "$directory/key" ]; then
  wg genkey > "$directory/key.new" && mv -f "$directory/key.new" "$directory/key" || fail 'no key could be made'
fi
if [ -n "$becomes" ] && [ -s "$directory/next" ] && [ "$(wg pubkey < "$directory/next")" = "$becomes" ]; then
  mv -f "$directory/next" "$directory/key" && rm -f "$directory/next.public" || exit 1
fi
wg pubkey < "$directory/key" > "$directory/public.new" && mv -f "$directory/public.new" "$directory/public" || exit 1
if ! ip link show dev "$device" >/dev/null 2>&1; then
  if ! ip link add dev "$device" type wireguard 2>/dev/null; then
    command -v wireguard-go >/dev/null || fail 'its kernel has no WireGuard, and there is no wireguard-go'
    alone=
    command -v setsid >/dev/null && alone=setsid
    LOG_LEVEL=silent $alone wireguard-go "$device" </dev/null >/dev/null 2>&1 || fail 'wireguard-go can make no device'
  fi
fi
wg set "$device" private-key "$directory/key" listen-port "$port" || exit 1
for key in $anew; do wg set "$device" peer "$key" remove || exit 1; done
wanted= reached=
told() { grep "^peer $1 " "$2" 2>/dev/null | { read -r _ _ _ where _; echo "$where"; }; }
while read -r word key allowed where alive host; do
  [ "$word" = peer ] || continue
  wanted="$wanted $key"
  if [ "$allowed" = - ]; then allowed=; else reached="$reached $(echo "$allowed" | tr , ' ')"; fi
  now=$(wg show "$device" endpoints | { while read -r one at; do [ "$one" = "$key" ] && echo "$at"; done; })
  known=$(told "$key" "$directory/set")
  set -- peer "$key" persistent-keepalive "$alive" allowed-ips "$allowed"
  case $now in ''|'(none)') known= ;; esac
  if [ "$where" != - ] && [ "$where" != "$known" ]; then
    [ -z "$now" ] || wg set "$device" peer "$key" persistent-keepalive 0 || exit 1
    set -- "$@" endpoint "$where"
  fi
  wg set "$device" "$@" || exit 1
done < "$directory/set.new"
for key in $(wg show "$device" peers); do
  case " $wanted " in *" $key "*) ;; *) wg set "$device" peer "$key" remove || exit 1 ;; esac
done
there=
for one in $(ip -o -4 addr show dev "$device" | { while read -r _ _ _ one _; do echo "$one"; done; }); do
  if [ "$one" = "$address/32" ]; then there=yes; else ip addr del "$one" dev "$device" || exit 1; fi
done
[ -n "$there" ] || ip addr add "$address/32" dev "$device" || exit 1
ip link set dev "$device" mtu 1420 up || exit 1
for route in $(ip -o -4 route show dev "$device" | { while read -r route _; do echo "$route"; done; }); do
  case " $reached " in *" $route/32 "*|*" $route "*) ;; *) ip route del "$route" dev "$device" || exit 1 ;; esac
done
for one in $reached; do ip route replace "$one" dev "$device" src "$address" || exit 1; done
forward() { iptables -w "$1" FORWARD -i "$device" -o "$device" -j ACCEPT 2>/dev/null; }
if [ "$relays" = yes ]; then
  echo 1 > "/proc/sys/net/ipv4/conf/$device/forwarding" || fail 'it may not relay'
  ! command -v iptables >/dev/null || forward -C || forward -I || fail 'its firewall does not let others through'
else
  while forward -D; do :; done
fi
printf '%s\n' "$labels" > "$directory/labels.new" && mv -f "$directory/labels.new" "$directory/labels.json" || exit 1
mv -f "$directory/set.new" "$directory/set"
"""
)
"""The directory around it is the user's own, who keeps his processes there, though root makes the device.

Whatever is there already stays as it is: what moves no peer breaks no connection. An endpoint is told only where it
is another one than last time, or was lost: a peer that roams knows better where it is. Then its keepalive is turned
off and on, for who turns it on sends one at once, and by that the peer learns whence it is called now. A peer that has
another device is taken out first: who knows of no session calls at once. Whether the kernel forwards from the device
is left as it is: an engine has seen to it, and its containers need it.
"""

NEXT = (
    COMMON
    + r"""
directory=$state/mesh/$1
[ -s "$directory/key" ] || exit 1
if [ ! -s "$directory/next" ]; then
  wg genkey > "$directory/next.new" && mv -f "$directory/next.new" "$directory/next" || exit 1
fi
wg pubkey < "$directory/next" > "$directory/next.made" && mv -f "$directory/next.made" "$directory/next.public"
"""
)
"""Makes another key, beside the one that it has."""

DOWN = (
    COMMON
    + r"""
device=$1
directory=$state/mesh/$device
while iptables -w -D FORWARD -i "$device" -o "$device" -j ACCEPT 2>/dev/null; do :; done
if ip link show dev "$device" >/dev/null 2>&1; then ip link del dev "$device" || exit 1; fi
nap() { sleep 0.1 2>/dev/null || sleep 1; }
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -S "/var/run/wireguard/$device.sock" ] || break; nap; done
rm -f "/var/run/wireguard/$device.sock"
rm -rf "$directory" || exit 1
rmdir "$state/mesh" 2>/dev/null || :
"""
)
"""Without its device, wireguard-go ends by itself."""
