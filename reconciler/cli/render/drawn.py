"""Who calls whom as a picture: for Graphviz, and as SVG."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape

from reconciler.core.calling import Call

COLORS = {"mesh": "#b3261e", "lan": "#1a5fb4", "engine": "#26734d", "same host": "#5e5c64", "unknown": "#986a00"}
WIDTH, ROW, GAP, TOP = 180, 34, 140, 60
"""Of a host's box, of a service in it, between boxes, and above the first service."""


def dot(places: Mapping[str, str], calls: Iterable[Call]) -> str:
    """A cluster for each host, an arrow for each call."""
    lines = ["digraph topology {", "  rankdir=LR; node [shape=box, style=rounded]; edge [fontsize=10];"]
    for number, (host, names) in enumerate(_by_host(places).items()):
        inside = " ".join(f"{_quoted(name)};" for name in names)
        lines.append(f"  subgraph cluster_{number} {{ label={_quoted(host)}; {inside} }}")
    for one in calls:
        color = COLORS.get(one.how, "black")
        ends = f"{_quoted(one.caller)} -> {_quoted(one.callee)}"
        lines.append(f"  {ends} [label={_quoted(one.how)}, color={_quoted(color)}];")
    return "\n".join([*lines, "}", ""])


def svg(places: Mapping[str, str], calls: Iterable[Call]) -> str:
    """A box for each host, side by side; each call a line from one service to another."""
    hosts = _by_host(places)
    spots = {
        name: (20 + column * (WIDTH + GAP), TOP + row * ROW)
        for column, names in enumerate(hosts.values())
        for row, name in enumerate(names)
    }
    width = 40 + len(hosts) * (WIDTH + GAP) - GAP
    height = TOP + max(map(len, hosts.values()), default=1) * ROW + 60
    body = [_box(column, host, len(names)) for column, (host, names) in enumerate(hosts.items())]
    body += [_service(name, *spot) for name, spot in spots.items()]
    body += [_line(one, spots) for one in calls if one.caller in spots and one.callee in spots]
    body += [_legend(i, how, height) for i, how in enumerate(COLORS)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">'
    arrow = '<marker id="end" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
    marker = f'<defs>{arrow}<path d="M0,0 L8,4 L0,8 z"/></marker></defs>'
    return "\n".join([head, marker, *body, "</svg>", ""])


def _by_host(places: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(places):
        found.setdefault(places[name], []).append(name)
    return dict(sorted(found.items()))


def _quoted(text: str) -> str:
    return json.dumps(text)


def _box(column: int, host: str, rows: int) -> str:
    x, height = 20 + column * (WIDTH + GAP) - 10, rows * ROW + 40
    frame = f'<rect x="{x}" y="20" width="{WIDTH + 20}" height="{height}" rx="8" fill="#f6f5f4" stroke="#c0bfbc"/>'
    return f'{frame}<text x="{x + 12}" y="44" font-size="14" font-weight="bold">{escape(host)}</text>'


def _service(name: str, x: int, y: int) -> str:
    frame = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{ROW - 8}" rx="5" fill="white" stroke="#77767b"/>'
    return f'{frame}<text x="{x + 10}" y="{y + 18}" font-size="13">{escape(name)}</text>'


def _line(one: Call, spots: Mapping[str, tuple[int, int]]) -> str:
    """On one host around the outside; else from side to side."""
    (x1, y1), (x2, y2) = spots[one.caller], spots[one.callee]
    middle = (ROW - 8) // 2
    start = x1 + WIDTH if x2 >= x1 else x1
    end = x2 + WIDTH if x1 == x2 else x2 if x2 > x1 else x2 + WIDTH
    bend = 50 if x2 >= x1 else -50
    back = bend if x1 == x2 else -bend
    path = f"M{start},{y1 + middle} C{start + bend},{y1 + middle} {end + back},{y2 + middle} {end},{y2 + middle}"
    told = escape(f"{one.caller} calls {one.callee}: {one.how} {one.address}".strip())
    color = COLORS.get(one.how, "black")
    style = f'fill="none" stroke="{color}" stroke-width="1.5" marker-end="url(#end)"'
    return f'<path d="{path}" {style}><title>{told}</title></path>'


def _legend(number: int, how: str, height: int) -> str:
    x, y = 20 + number * 110, height - 16
    return f'<text x="{x}" y="{y}" font-size="12" fill="{COLORS[how]}">— {escape(how)}</text>'
