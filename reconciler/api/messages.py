"""Values of ours as JSON, and back. What is not of that form raises ValueError: the other side is another version."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reconciler.engine.news import News
from reconciler.engine.report import Report, Trouble
from reconciler.model.key import Key
from reconciler.model.plan import Action, Reason, Verb, Wait
from reconciler.model.status import Status

Tree = dict[str, Any]


def action_tree(action: Action) -> Tree:
    """As much of it as anybody is told."""
    return {"key": str(action.key), "verb": str(action.verb), "cause": action.cause}


def action_of(tree: Tree) -> Action:
    return Action(Verb(tree["verb"]), Key.parse(tree["key"]), tree["cause"])


def news_tree(news: News) -> Tree:
    return {
        "namespace": news.namespace,
        "notes": _pairs(news.notes),
        "undone": _pairs(news.undone),
        "waits": [_wait_tree(wait) for wait in news.waits],
        "statuses": _statuses_tree(news.statuses),
        "acting": news.acting,
    }


def news_of(tree: Tree) -> News:
    return News(
        namespace=tree["namespace"],
        notes=_pairs_of(tree["notes"]),
        undone=_pairs_of(tree["undone"]),
        waits=tuple(_wait_of(wait) for wait in tree["waits"]),
        statuses=_statuses_of(tree["statuses"]),
        acting=tree["acting"],
    )


def report_tree(report: Report) -> Tree:
    return {
        "settled": report.settled,
        "actions": [action_tree(action) for action in report.actions],
        "waits": [_wait_tree(wait) for wait in report.waits],
        "results": {str(key): word for key, word in report.results.items()},
        "troubles": [{**asdict(trouble), "key": str(trouble.key)} for trouble in report.troubles],
        "statuses": _statuses_tree(report.statuses),
        "timed_out": report.timed_out,
        "notes": list(report.notes),
        "pending": [str(key) for key in report.pending],
    }


def report_of(tree: Tree) -> Report:
    return Report(
        settled=tree["settled"],
        actions=tuple(action_of(action) for action in tree["actions"]),
        waits=tuple(_wait_of(wait) for wait in tree["waits"]),
        results={Key.parse(key): word for key, word in tree["results"].items()},
        troubles=tuple(
            Trouble(**{**item, "key": Key.parse(item["key"]), "log": tuple(item["log"])}) for item in tree["troubles"]
        ),
        statuses=_statuses_of(tree["statuses"]),
        timed_out=tree["timed_out"],
        notes=tuple(tree["notes"]),
        pending=frozenset(Key.parse(key) for key in tree["pending"]),
    )


def _wait_tree(wait: Wait) -> Tree:
    return {"key": str(wait.key), "reason": str(wait.reason), "message": wait.message, "until": wait.until}


def _wait_of(tree: Tree) -> Wait:
    return Wait(Key.parse(tree["key"]), Reason(tree["reason"]), tree["message"], tree["until"])


def _statuses_tree(statuses: Any) -> Tree:
    return {str(key): asdict(status) for key, status in statuses.items()}


def _statuses_of(tree: Tree) -> dict[Key, Status]:
    return {Key.parse(key): Status.of_tree(status) for key, status in tree.items()}


def _pairs(pairs: Any) -> list[list[str]]:
    return [[str(key), text] for key, text in pairs]


def _pairs_of(pairs: Any) -> tuple[tuple[Key, str], ...]:
    return tuple((Key.parse(key), text) for key, text in pairs)
