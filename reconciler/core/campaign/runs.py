"""From a campaign's spec to its runs: names that stay, parameters put in, and what makes it another campaign. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.core.campaign.manifest import Run
from reconciler.core.campaign.order import ordered
from reconciler.core.references import PATTERN, mapped, references, strings
from reconciler.core.unparse import spec_tree
from reconciler.kinds.base import Fault
from reconciler.kinds.campaign import CampaignSpec, as_service
from reconciler.kinds.matrix import Params, written
from reconciler.kinds.service import ServiceSpec
from reconciler.model.resource import Resource

MATRIX, RUN = "matrix", "run"
OF_RUN = ("id", "cycle", "index")
SHOWN = 48
"""Characters of a run's parameters that its id shows: it is part of file names."""


def runs(spec: CampaignSpec) -> tuple[Run, ...]:
    """All of them, in the order in which they are to be done."""
    configurations = spec.params
    turns = ordered(spec.order, len(configurations), spec.cycles, spec.seed)
    return tuple(
        Run(id=run_id(cycle, configurations[one]), index=index, cycle=cycle, params=configurations[one])
        for index, (cycle, one) in enumerate(turns, 1)
    )


def run_id(cycle: int, params: Params) -> str:
    """`c1-batch-8-model-a-3f2a81`: the same parameters in the same cycle, the same id, whatever comes before it."""
    text = "-".join(f"{name}-{written(value)}" for name, value in params.items())
    slug = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:SHOWN].strip("-.")
    digest = hashlib.sha256(json.dumps([cycle, params], sort_keys=True).encode()).hexdigest()[:6]
    return "-".join(filter(None, (f"c{cycle}", slug, digest)))


DECIDE = (
    "container", "process", "env", "env_from", "ports", "volumes", "resources", "depends_on",
)  # fmt: skip
"""Fields by which it is another campaign, besides its runs and their order. How long anything may take, who is told and
where results lie is none.
"""


def fingerprint(spec: CampaignSpec, strategy: str) -> str:
    """Of what runs, and how."""
    tree = {name: spec_tree(getattr(spec, name)) for name in DECIDE}
    tree |= {"strategy": strategy, "runs": [run.id for run in runs(spec)]}
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def changes(resource: Resource, run: Run) -> Resource:
    """The campaign as it is rendered for one run: a service's shape, with the parameters put in, and our marks."""
    given = values(run)
    spec: ServiceSpec = mapped(as_service(resource.spec), lambda text: put_in(text, given))
    marks = {"RECONCILER_CAMPAIGN": resource.key.name, "RECONCILER_RUN": run.id, "RECONCILER_CYCLE": str(run.cycle)}
    return replace(resource, spec=replace(spec, env={**spec.env, **marks}))


def of_first(spec: CampaignSpec) -> ServiceSpec:
    """For who looks at what does not depend on parameters. Those that are missing are complained of elsewhere."""
    given = values(Run(id="x", index=1, cycle=1, params=next(iter(spec.params), {})))

    def filled(text: str) -> str:
        return put_in(text, {**dict.fromkeys(mine(text), "x"), **given}) if "$" in text else text

    found: ServiceSpec = mapped(as_service(spec), filled)
    return found


def warm(resource: Resource, run: Run) -> Resource:
    """What is kept up while runs come and go: of the variables only those that are the same for all of them, for the
    others reach each run by itself.
    """
    bare = replace(changes(resource, run).spec, env={})
    same = {name: text for name, text in resource.spec.env.items() if not any(mine(text))}
    return replace(resource, spec=replace(bare, env=same))


def values(run: Run) -> Mapping[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {(MATRIX, name): written(value) for name, value in run.params.items()}
    return {**found, (RUN, "id"): run.id, (RUN, "cycle"): str(run.cycle), (RUN, "index"): str(run.index)}


def put_in(text: str, given: Mapping[tuple[str, ...], str]) -> str:
    """References to parameters only; whatever else there is is left for whoever renders it. A value is data: each
    dollar in it is doubled.
    """

    def replaced(found: re.Match[str]) -> str:
        value = given.get(tuple(found[1].split("."))) if found[1] is not None else None
        return found[0] if value is None else value.replace("$", "$$")

    return PATTERN.sub(replaced, text) if "$" in text else text


def mine(text: str) -> Iterator[tuple[str, ...]]:
    """References of a text that only a campaign has."""
    return (reference for reference in references(text) if reference[0] in (MATRIX, RUN))


def parameter_faults(spec: CampaignSpec) -> Iterator[Fault]:
    """References to parameters that a run does not have."""
    known = [set(params) for params in spec.params]
    everywhere = set.intersection(*known) if known else set()
    for path, text in strings(as_service(spec)):
        for reference in mine(text):
            yield from _fault(path, reference, everywhere, set().union(*known))


def _fault(
    path: tuple[str | int, ...], reference: tuple[str, ...], everywhere: set[str], somewhere: set[str]
) -> Iterator[Fault]:
    shown = "${" + ".".join(reference) + "}"
    match reference:
        case ("run", part) if part in OF_RUN:
            return
        case ("run", *_):
            yield Fault(path, f"{shown} is nothing that a run has", "there are: ${run.id}, ${run.cycle}, ${run.index}")
        case (_, name) if name in everywhere:
            return
        case (_, name) if name in somewhere:
            yield Fault(path, f"{shown}: not every run has a parameter {name!r}", "give it to all of them")
        case _:
            names = ", ".join(sorted(somewhere)) or "none"
            yield Fault(path, f"{shown}: no parameter is called {'.'.join(reference[1:])!r}", f"there are: {names}")
