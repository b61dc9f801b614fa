from __future__ import annotations

import json
import platform

from reconciler import __version__
from reconciler.cli.context import Context
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler version
reconciler version -o json
"""


@verb("version", examples=EXAMPLES, outputs=("json",))
def command(context: Context) -> None:
    """Print the version."""
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    if context.output == "json":
        print(json.dumps(facts, indent=2), file=context.stdout)
    else:
        print(f"reconciler {__version__} (Python {facts['python']}, {facts['platform']})", file=context.stdout)
