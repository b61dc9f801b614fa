"""Results in the form that -o asks for. JSON and YAML keep the order they are given, so that scripts can rely on it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from reconciler.cli.context import Context

TREES = ("json", "yaml", "jsonpath=")
"""What any verb that has a tree to show can offer."""
# Legal in JSON only inside strings, so an escape says the same, and a terminal is not led astray.
TREACHEROUS = re.compile("[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def show_tree(context: Context, tree: Any) -> bool:
    """Writes the tree if -o asks for one; False if it asks for something else."""
    output = context.output
    if output.startswith("jsonpath="):
        from reconciler.cli.render import jsonpath

        text = jsonpath.render(jsonpath.compile_template(output.removeprefix("jsonpath=")), tree)
        # kubectl ends it with no line end, for $(...) and files; a person's prompt should not stick to it.
        context.stdout.write(f"{text}\n" if context.stdout.isatty() and not text.endswith("\n") else text)
    elif output == "json":
        context.stdout.write(json_text(tree))
    elif output == "yaml":
        from reconciler.core.unparse import to_yaml

        context.stdout.write(to_yaml(tree))
    else:
        return False
    return True


def show_names(context: Context, names: Iterable[str]) -> None:
    for name in names:
        print(name, file=context.stdout)


def json_text(tree: Any) -> str:
    text = json.dumps(tree, indent=2, ensure_ascii=False)
    return TREACHEROUS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def json_line(tree: Any) -> str:
    """One line, for streams."""
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    return TREACHEROUS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"
