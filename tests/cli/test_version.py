from __future__ import annotations

import json
import platform

from reconciler import __version__
from tests.cli.conftest import Run


def test_version_says_what_a_bug_report_needs(cli: Run) -> None:
    assert cli("version").stdout.startswith(f"reconciler {__version__} (Python {platform.python_version()}, ")
    facts = json.loads(cli("version", "-o", "json").stdout)
    assert list(facts) == ["version", "python", "platform", "engine"]
    assert facts["version"] == __version__
