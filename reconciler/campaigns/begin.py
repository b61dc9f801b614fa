"""What a campaign leans on is made to stand before its first run: networks, volumes, and the services it depends on."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.engine.controller import Controller
from reconciler.engine.news import Progress
from reconciler.engine.reconcile import Parts
from reconciler.engine.report import Report, joined
from reconciler.model.key import Key
from reconciler.model.resource import Resource


def prepare(
    controller: Controller, given: Sequence[Resource], campaign: Resource, *, timeout: float,
    progress: Progress | None = None,
) -> Report:  # fmt: skip
    """`given` is declared, the campaign among it; without it the campaign is declared already. Of services only those
    that it depends on.
    """
    key = campaign.key
    reports = [controller.apply(given, timeout=timeout, progress=progress)] if given else []
    declared = {resource.key for resource in given}
    needed = [key, *(Key("service", key.namespace, one.service) for one in campaign.spec.dependencies)]
    others = [one for one in needed if one not in declared]
    if others:
        reports.append(controller.edit(others, lambda resource: resource, timeout=timeout, progress=progress))
    return joined(reports)


def kept(parts: Parts, key: Key) -> Resource:
    """As it stands in force."""
    return next(resource for resource in parts.source.resources(key.namespace) if resource.key == key)
