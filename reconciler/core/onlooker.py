"""What passes do about a service that is attached to what others run: they tell how it stands, and touch nothing."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.instances import Decision, take_down
from reconciler.core.standing import Stands
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.model.key import Key
from reconciler.model.plan import Reason, Wait

LOOK_SECONDS = 5.0
"""So often a loop looks at them in any case: nobody tells us what happens to what is not ours."""


def decide(world: World, key: Key, spec: ServiceSpec) -> Iterator[Decision]:
    """What is still there of a service that was run here before, goes. Of what others run, it is only told."""
    for old in world.replaced(key):
        yield take_down(key, old, f"it is attached to {spec.attach_to} now", spec), None
    view, seen = world.snapshot.view(spec.place), world.seen(key, spec.place)
    if not view.reachable:
        yield (), Wait(key, Reason.UNREACHABLE, view.problem)
    elif seen is None or not seen.attached:
        why = world.snapshot.unattached.get(key, f"{spec.attach_to} was not found")
        yield (), Wait(key, Reason.NOT_THERE, why)
    else:
        yield (), _trouble(world, key, spec)


def _trouble(world: World, key: Key, spec: ServiceSpec) -> Wait | None:
    stands = world.standing(key, spec)
    match stands.stands:
        case Stands.READY | Stands.COMPLETED:
            return None
        case Stands.STARTING | Stands.SICK:
            return Wait(key, Reason.NOT_READY, stands.message, stands.until)
        case _:
            told = f"{spec.attach_to} does not run: {stands.message}; whoever runs it has to start it"
            return Wait(key, Reason.NOT_THERE, told)
