"""Whether a run has worked, and if not why, in the words of those who have to do something about it. Pure."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.advice import OOM, advice, command_line
from reconciler.core.campaign.manifest import Run, State
from reconciler.errors import ReconcilerError
from reconciler.kinds.service import ServiceSpec
from reconciler.model.key import Key
from reconciler.model.observed import Observed

NO_GPU = "could not select device driver"
"""How an engine says that it can't give away a GPU."""
CODES = {
    126: "the command was found, but could not be run",
    127: "the command was not found",
}


def judged(
    run: Run, key: Key, spec: ServiceSpec, seen: Observed | None, now: float, *, reason: str = "", message: str = ""
) -> Run:
    """How it ended. `reason` and `message` where it did not end by itself."""
    if seen is None:
        gone = "its instance is gone: somebody removed it while it ran"
        hint = f"run it again: {command_line(key, 'run', '--resume')}"
        return _failed(run, now, reason or "Vanished", message or gone, hint)
    began = seen.started_at or run.started_at or now
    # An engine's own two times of a very short life may be the wrong way round.
    ended = replace(run, exit_code=seen.exit_code, started_at=began, finished_at=max(seen.finished_at or now, began))
    if reason:
        return _failed(ended, ended.finished_at or now, reason, message, _hint_of(reason))
    if seen.exit_code == 0:
        return replace(ended, state=State.COMPLETED)
    return _failed(ended, ended.finished_at or now, *_ending(key, spec, seen))


def refused(run: Run, key: Key, spec: ServiceSpec, error: ReconcilerError, now: float) -> Run:
    """It could not even be made."""
    hint = error.hint or advice(key, error.reason, error.message, spec, None)
    if NO_GPU in error.message:
        hint = "the engine has no GPU to give: is the vendor's container toolkit installed?"
    return _failed(run, now, error.reason, error.message, hint)


def _ending(key: Key, spec: ServiceSpec, seen: Observed) -> tuple[str, str, str]:
    if OOM in seen.detail:
        return "OutOfMemory", "it ran out of memory", advice(key, "", "", spec, seen)
    if seen.exit_code is None:
        said = f": {seen.detail}" if seen.detail else ", and its exit code is lost"
        return "Failed", f"it did not run to its end{said}", advice(key, "Failed", seen.detail, spec, seen)
    meaning = CODES.get(seen.exit_code, "")
    detail = meaning or seen.detail
    message = f"it exited with code {seen.exit_code}{f': {detail}' if detail else ''}"
    if meaning:
        return "NoProgram", message, "check the command: it has to be in the image, or in the PATH of the process"
    return "Failed", message, ""


def _hint_of(reason: str) -> str:
    match reason:
        case "Timeout":
            return "give it more time with timeoutSeconds, or look at its log for where it hangs"
        case "Silence":
            return "give it more time with silenceSeconds, or have it say from time to time that it lives"
        case _:
            return ""


def _failed(run: Run, now: float, reason: str, message: str, hint: str = "") -> Run:
    text = f"{reason}: {message}"
    return replace(run, state=State.FAILED, finished_at=run.finished_at or now, reason=reason, error=text, hint=hint)
