from __future__ import annotations

import json

from reconciler.cli.context import Context
from reconciler.cli.overview import version_facts, version_line
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler version
reconciler version -o json
"""


@verb("version", examples=EXAMPLES, outputs=("json",))
def command(context: Context) -> None:
    """Print the version."""
    if context.output == "json":
        print(json.dumps(version_facts(), indent=2), file=context.stdout)
    else:
        print(version_line(), file=context.stdout)
