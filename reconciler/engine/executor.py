"""Does what a plan says, and tells what came of it. Decides nothing.

Sequences run beside one another, the actions inside one in order, but for neighbours that do the same to different
things: those run at once. The first that is not done ends its sequence, for the next pass will look again. Whatever a
runtime raises becomes an Outcome: one broken thing never keeps the others from being reconciled.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from reconciler.errors import OutcomeUnknown, PortInUse, ReconcilerError, Refused, Unreachable
from reconciler.failpoints import failpoint
from reconciler.model.desired import Desired, Stop
from reconciler.model.place import Place
from reconciler.model.plan import Action, Outcome, Plan, Result, Verb
from reconciler.ports import Runtime
from reconciler.values import replace

WORKERS = 8
"""The engine's own processor time is the limit from here on."""
WORKERS_OF = {"process": 16}
"""Where nobody else's work is the limit: a process that starts is mostly waited for, until its exec."""
STOPPERS = 32
"""To stop is to wait, most of the time."""

Tell = Callable[[Action], None]
Now = Callable[[], float]


def perform(
    plan: Plan, runtimes: Mapping[str, Runtime], tell: Tell = lambda _: None, now: Now = time.monotonic
) -> tuple[Outcome, ...]:
    """Every sequence, to its end or its first failure."""
    if len(plan.sequences) <= 1:
        return tuple(outcome for sequence in plan.sequences for outcome in _sequence(sequence, runtimes, tell, now))
    with ExitStack() as stack:
        pools = {
            place: stack.enter_context(ThreadPoolExecutor(WORKERS_OF.get(place.runtime, WORKERS), "perform"))
            for place in {_place(sequence[0]) for sequence in plan.sequences}
        }
        begun = [pools[_place(one[0])].submit(_sequence, one, runtimes, tell, now) for one in plan.sequences]
        return tuple(outcome for future in begun for outcome in future.result())


def _sequence(sequence: Sequence[Action], runtimes: Mapping[str, Runtime], tell: Tell, now: Now) -> list[Outcome]:
    outcomes: list[Outcome] = []
    began = now()
    refused = _prepare(sequence, runtimes)
    fetching = now() - began
    if refused:
        return [replace(refused, fetching=fetching)]
    for group in _groups(sequence):
        outcomes += _at_once(group, runtimes, tell)
        if any(outcome.result is not Result.DONE for outcome in outcomes):
            break
    return [replace(outcome, fetching=fetching) for outcome in outcomes]


def _groups(sequence: Sequence[Action]) -> Iterator[list[Action]]:
    """Neighbours with one verb and different keys."""
    group: list[Action] = []
    for action in sequence:
        if group and (action.verb is not group[0].verb or action.key in {one.key for one in group}):
            yield group
            group = []
        group.append(action)
    if group:
        yield group


def _at_once(group: Sequence[Action], runtimes: Mapping[str, Runtime], tell: Tell) -> list[Outcome]:
    def act(action: Action) -> Outcome:
        tell(action)
        return _outcome(action, lambda: _do(action, runtimes))

    if len(group) == 1:
        return [act(group[0])]
    most = STOPPERS if group[0].verb is Verb.STOP else WORKERS
    with ThreadPoolExecutor(min(most, len(group)), "perform") as pool:
        return list(pool.map(act, group))


def _prepare(sequence: Sequence[Action], runtimes: Mapping[str, Runtime]) -> Outcome | None:
    """What a Create needs is fetched before anything that still runs is touched."""
    for action in sequence:
        desired = action.desired
        if action.verb is Verb.CREATE and desired:
            outcome = _outcome(action, lambda desired=desired: _fetch(desired, runtimes[desired.place]))  # type: ignore[misc]
            if outcome.result is not Result.DONE:
                return outcome
    return None


def _fetch(desired: Desired, runtime: Runtime) -> None:
    failpoint(desired.runtime, "prepare", "before")
    runtime.prepare(desired)
    failpoint(desired.runtime, "prepare", "after")


def _do(action: Action, runtimes: Mapping[str, Runtime]) -> None:
    desired, seen, runtime = action.desired, action.seen, _place(action).runtime
    if seen and seen.attached:
        raise Refused(f"{seen.title} is run by others, and is only looked at")
    failpoint(runtime, action.verb, "before")
    match action.verb:
        case Verb.CREATE if desired:
            runtimes[desired.place].create(desired)
        case Verb.ADJUST if desired and seen:
            runtimes[seen.place].adjust(seen, desired, action.changes)
        case Verb.START if desired and seen:
            runtimes[seen.place].start(seen, desired)
        case Verb.STOP if seen:
            runtimes[seen.place].stop(seen, action.stop or Stop())
        case Verb.REMOVE if seen:
            runtimes[seen.place].remove(seen)
        case _:
            raise AssertionError(f"not an action: {action}")
    failpoint(runtime, action.verb, "after")


def _place(action: Action) -> Place:
    """Where it is done."""
    thing = action.seen or action.desired
    assert thing is not None, "an action concerns something"
    return thing.place


def _outcome(action: Action, effect: Callable[[], None]) -> Outcome:
    try:
        effect()
    except PortInUse as error:
        return Outcome(action, Result.REFUSED, error.reason, error.message, error.hint, error.port)
    except Refused as error:
        return Outcome(action, Result.REFUSED, error.reason, error.message, error.hint)
    except (OutcomeUnknown, Unreachable) as error:
        return Outcome(action, Result.UNKNOWN, error.reason, error.message, error.hint)
    except ReconcilerError as error:
        return Outcome(action, Result.FAILED, error.reason, error.message, error.hint)
    except OSError as error:
        said = ": ".join(filter(None, (str(action.key), error.filename, error.strerror or str(error))))
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        return Outcome(action, Result.FAILED, Refused.reason, said, "make room, then try again" if full else "")
    except Exception as error:  # noqa: BLE001 -- a bug in one runtime is told, and stops nobody else
        return Outcome(action, Result.FAILED, "Internal", f"{type(error).__name__}: {error}", "this is a bug: see -vv")
    return Outcome(action, Result.DONE)
