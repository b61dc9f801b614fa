"""Secret values taken out of what others say: a probe's answer, a workload's last words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.core.graph import Graph
from reconciler.core.references import literal
from reconciler.kinds.secret import MASK
from reconciler.values import dataclass

SHORTEST = 4
"""A shorter value stands in too many innocent words; hiding it would only make nonsense of them."""


@dataclass(frozen=True, slots=True)
class Masking:
    """Knows the values that may not be shown. Its print shows none."""

    _values: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Masking({len(self._values)} values)"

    def __call__(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, MASK)
        return self._cut_short(text)

    def _cut_short(self, text: str) -> str:
        """An excerpt may end within a value: its beginning is not shown either."""
        for value in self._values:
            for length in range(min(len(value) - 1, len(text)), SHORTEST - 1, -1):
                if text.endswith(value[:length]):
                    return text[:-length] + MASK
        return text


def masking(graph: Graph) -> Masking:
    """Of all secrets of the namespace: what one service prints may be another one's."""
    values = {line for value in _values(graph) for line in _lines(value) if len(line) >= SHORTEST}
    return Masking(tuple(sorted(values, key=lambda value: (-len(value), value))))


def _values(graph: Graph) -> Iterator[str]:
    for key in sorted(graph.resources):
        if key.kind == "secret":
            spec = graph.resources[key].spec
            yield from spec.data.values()
            for path in spec.files.values():
                yield graph.contents.get(literal(path), b"").decode(errors="replace")


def _lines(value: str) -> Iterable[str]:
    """Excerpts are one line, with their white space folded."""
    return {value.strip(), " ".join(value.split()), *(line.strip() for line in value.splitlines())}
