"""Log lines: constant messages with keys on stderr; nothing is loaded for what is not said, and no secret is."""

from __future__ import annotations

import json
import subprocess
import sys

SECRET = "hunter2"
PROGRAM = f"""
import sys
from reconciler.telemetry import Say, configure, get_logger

form, verbosity, color = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "color"
configure(form, verbosity, color)
log = get_logger(namespace="shop").bind(key="service/shop/web")
log.debug(Say.PROBE_ANSWERED, ok=True)
log.info(Say.ACTION_ENDED, verb="Create")
print("structlog" in sys.modules)
log.warning(Say.DIARY, note="red \\x1b[31m \\u202e")
try:
    password = {SECRET!r}
    raise ValueError("oh")
except ValueError:
    log.error(Say.NOT_RECONCILED, exc_info=True)
"""


def say(form: str, verbosity: int, color: str = "plain") -> tuple[str, list[str]]:
    argv = [sys.executable, "-c", PROGRAM, form, str(verbosity), color]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    return ran.stdout.strip(), ran.stderr.splitlines()


def test_what_is_not_said_loads_nothing() -> None:
    loaded, lines = say("json", 0)

    assert loaded == "False"
    assert [json.loads(line)["event"] for line in lines] == ["diary", "not reconciled"]


def test_verbosity_adds_what_is_done_and_then_everything() -> None:
    events = [[json.loads(line)["event"] for line in say("json", verbosity)[1]] for verbosity in (1, 2, 9)]

    assert [len(told) for told in events] == [3, 4, 4]
    assert events[2] == ["probe answered", "action ended", "diary", "not reconciled"]


def test_json_lines_carry_what_was_bound() -> None:
    line = json.loads(say("json", 0)[1][0])

    assert line["level"] == "warning"
    assert (line["namespace"], line["key"]) == ("shop", "service/shop/web")
    assert line["timestamp"].endswith("Z")


def test_tracebacks_show_no_local_variables() -> None:
    for form in ("json", "console"):
        text = "\n".join(say(form, 2)[1])
        assert "ValueError: oh" in text
        assert SECRET not in text


def test_a_terminal_is_given_nothing_to_obey_but_our_own_colours() -> None:
    plain = "\n".join(say("console", 2)[1])
    coloured = "\n".join(say("console", 2, "color")[1])

    assert "\x1b" not in plain
    assert "\x1b" in coloured
    assert "\x1b[31m \u202e" not in coloured
