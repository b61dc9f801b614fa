"""What a process runs that is to be inside of another workload: `exec`, with variables that no argument list shows."""

from __future__ import annotations

import json
import os
import sys

PASSED = "RECONCILER_PASSED"


def main() -> None:
    from reconciler import cli

    told = json.loads(os.environ.pop(PASSED, "{}"))
    at = sys.argv.index("exec") + 1
    # Whoever is begun once more may have been killed with no time to end what is inside: there is to be one only.
    who = "/".join(os.environ.get(name, "") for name in ("RECONCILER_OWNER", "RECONCILER_KEY"))
    variables = [word for name in sorted(told) for word in ("-e", f"{name}={told[name]}")]
    sys.argv[at:at] = ["--alone", who, *variables]
    cli.main()


if __name__ == "__main__":
    main()
