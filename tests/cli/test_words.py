"""What words on a command line mean, and what lines are made of: values in, values out."""

from __future__ import annotations

import pytest

from reconciler.cli import durations, lines, picking
from reconciler.core.moments import iso
from reconciler.errors import UsageError
from reconciler.model.key import Key


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("2.5", 2.5), ("30s", 30), ("1m30s", 90), ("2h", 7200), ("1d", 86400), ("500ms", 0.5), ("0", 0)],
)
def test_spans_of_time(text: str, seconds: float) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "1x", "1m 30s", "m30", "1e3", "inf", "nan", "١s"])
def test_what_is_no_span_of_time(text: str) -> None:
    assert durations.seconds(text) is None


def test_moments_are_spans_before_now_or_points_in_time() -> None:
    assert durations.moment("10m", 1000.0) == 400.0
    assert durations.moment("1970-01-01T00:10:00Z", 0.0) == 600.0
    assert durations.moment("1970-01-01T02:10:00+02:00", 0.0) == 600.0
    with pytest.raises(UsageError):
        durations.moment("yesterday", 0.0)


def test_times_are_written_in_utc() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00Z"
    assert iso(1.25, "auto") == "1970-01-01T00:00:01.250000Z"
    assert iso(1.25) == "1970-01-01T00:00:01Z"
    assert iso(None) is None


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["service", "web", "db"], [("service", "web"), ("service", "db")]),
        (["svc/web", "volume/data"], [("service", "web"), ("volume", "data")]),
        (["web"], [("service", "web")]),
        (["web", "config/site"], [("service", "web"), ("config", "site")]),
        (["secrets"], []),
        (["all"], []),
    ],
)
def test_words_name_kinds_and_things(words: list[str], names: list[tuple[str, str]]) -> None:
    assert list(picking.wanted(words, bare="service").names) == names


def test_several_kinds_at_once() -> None:
    assert picking.wanted(["svc,vol"]).kinds == ("service", "volume")
    assert picking.wanted(["all"]).wants(Key("secret", "n", "x"))
    assert not picking.wanted(["svc/web"]).wants(Key("service", "n", "db"))


@pytest.mark.parametrize(
    "words", [[], ["nope"], ["service/"], ["/web"], ["a/b/c"], ["all", "web"], ["svc,vol", "web"], ["nope/web"]]
)
def test_words_that_name_nothing(words: list[str]) -> None:
    with pytest.raises(UsageError):
        picking.wanted(words)


@pytest.mark.parametrize(
    ("word", "guess"),
    [("pods", "did you mean services?"), ("servces", "did you mean services?"), ("nodes", "the kind")],
)
def test_what_others_call_a_kind_is_answered_with_ours_and_a_guess_is_no_wild_one(word: str, guess: str) -> None:
    with pytest.raises(UsageError) as wrong:
        picking.wanted([word])
    assert (wrong.value.hint or "").startswith(guess)


def test_only_services_are_started_and_entered() -> None:
    assert picking.services(["config", "service/web"]).names == (("service", "config"), ("service", "web"))
    with pytest.raises(UsageError, match="network/x is no service"):
        picking.services(["network/x"])


def test_lines_are_put_together_from_chunks() -> None:
    assert list(lines.lines_of([b"on", b"e\ntwo\n\nth", b"ree"])) == [b"one\n", b"two\n", b"\n", b"three"]


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    endless = (b"x" * 65536 for _ in range(100))
    assert max(map(len, lines.lines_of(endless))) <= lines.LONGEST_LINE + 65536 + 1
