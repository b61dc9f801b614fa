from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import specs
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_names, show_tree
from reconciler.cli.render.text import clean, mark, paint
from reconciler.cli.verb import verb
from reconciler.errors import Problem, SpecError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.parse import Document
    from reconciler.kinds.base import Fault
    from reconciler.model.key import Key

EXAMPLES = """
reconciler validate -f web.yaml
reconciler validate -f specs -R --strict
cat web.yaml | reconciler validate -f - -o json
"""
STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


@verb("validate", examples=EXAMPLES, outputs=(*TREES, "name"))
@specs.files_options
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
def command(context: Context, paths: Sequence[str], *, recursive: bool, strict: bool) -> int:
    """Check specs without touching anything.

    Errors are what can't work. Warnings name what is not here, but may be there where it is applied: resources that
    were applied before, variables of secrets.
    """
    report = _report(context, paths, recursive=recursive)
    if context.output == "name":
        show_names(context, (document.resource.key.short for document in report.documents))
    elif not show_tree(context, report.as_json(strict=strict)):
        _print(context, report)
    return 0 if report.valid(strict=strict) else 2


@dataclass(frozen=True, slots=True)
class Report:
    documents: Sequence[Document]
    errors: Sequence[Problem] = ()
    warnings: Sequence[tuple[Key, Problem]] = ()

    def valid(self, *, strict: bool) -> bool:
        return not self.errors and not (strict and self.warnings)

    def of(self, key: Key) -> list[Problem]:
        return [problem for owner, problem in self.warnings if owner == key]

    def as_json(self, *, strict: bool) -> dict[str, Any]:
        return {
            "valid": self.valid(strict=strict),
            "resources": [str(document.resource.key) for document in self.documents],
            "errors": [asdict(problem) for problem in self.errors],
            "warnings": [asdict(problem) for _, problem in self.warnings],
        }


def _report(context: Context, paths: Sequence[str], *, recursive: bool) -> Report:
    try:
        documents = specs.read(context, paths, recursive=recursive, lenient=True)
    except SpecError as error:
        return Report((), errors=error.problems)
    by_key = {document.resource.key: document for document in documents}
    errors: list[Problem] = []
    warnings = list(_unset(documents))
    for key, fault in _linked(documents):
        problem = by_key[key].problem(fault)
        if fault.absent:
            warnings.append((key, problem))
        else:
            errors.append(problem)
    return Report(documents, sorted(set(errors)), warnings)


def _unset(documents: Sequence[Document]) -> Iterator[tuple[Key, Problem]]:
    """Variables of secrets belong to the environment of `apply`, which this need not be."""
    from reconciler.core.parse import unset_faults
    from reconciler.kinds.secret import SecretSpec

    for document in documents:
        if isinstance(document.resource.spec, SecretSpec):
            faults = unset_faults(document.resource.spec.env)
            yield from ((document.resource.key, document.problem(fault)) for fault in faults)


def _linked(documents: Sequence[Document]) -> Iterator[tuple[Key, Fault]]:
    """What is wrong between the documents. What is only absent may have been applied before."""
    from reconciler.core.graph import graph_of
    from reconciler.core.linking import link_faults

    resources = [document.resource for document in documents]
    for namespace in sorted({resource.key.namespace for resource in resources}):
        yield from link_faults(graph_of(namespace, resources))


def _print(context: Context, report: Report) -> None:
    for problem in report.errors:
        _line(context, "failed", str(problem))
    for document in report.documents:
        key = document.resource.key
        if not any(problem.file == document.resource.origin.file for problem in report.errors):
            _line(context, "warning" if report.of(key) else "ok", f"{key.short} valid")
        for problem in report.of(key):
            _line(context, "", f"warning: {problem}")


def _line(context: Context, level: str, text: str) -> None:
    sign = paint(mark(level, context.stdout), STYLES[level], color=context.color) if level else " "
    print(f"{sign} {clean(text, lines=True)}", file=context.stdout)
