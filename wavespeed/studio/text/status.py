"""How runs go on, in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from wavespeed.errors import (
    AmbiguousSubmit,
    FileUnavailable,
    InvalidResponse,
    MissingOutputs,
    PredictionNotFound,
    RateLimited,
    ServerError,
)
from wavespeed.studio.runs.batch import BatchProgress
from wavespeed.studio.runs.run import Run, RunError, Step, total_usd

from .formatting import dollars, seconds
from .labels import MAY_CLOSE, NOTHING_SPENT, STEP_NAMES, STOPPED_WATCHING, TITLE


def tab_title(state: str) -> str:
    """The tab tells how it is going while one looks elsewhere."""
    words = {"running": "Editing…", "done": "Done", "failed": "Failed", "unknown": "Not known"}
    return f"{words[state]} · {TITLE}" if state in words else TITLE


def tile_text(run: Run) -> str:
    """In the place of a picture that is not there yet, or will not be."""
    if run.state == "stopped":
        return f"Stopped. {NOTHING_SPENT}"
    return "Waiting for its turn" if run.awaiting_slot else STEP_NAMES[run.step]


def batch_tile_text(run: Run) -> str:
    """The same in few words, over a small picture."""
    words: dict[str, str] = {"stopped": "Paused", "failed": "Failed", "unknown": "Not known"}
    return words.get(run.state) or ("Waiting" if run.awaiting_slot else STEP_NAMES[run.step])


def group_status(runs: Sequence[Run]) -> str:
    """ "2 running, 1 waiting, 1 done."."""
    kinds = Counter("waiting" if run.awaiting_slot else run.state for run in runs)
    order = ("running", "waiting", "done", "failed", "stopped", "unknown")
    return ", ".join(f"{kinds[kind]} {kind}" for kind in order if kinds[kind]) + "."


def group_note(median_duration: float | None, *, is_watched: bool) -> str:
    """Goes on from there as long as not all are over."""
    if not is_watched:
        return STOPPED_WATCHING
    return (
        f"Each{_usually(median_duration).replace(',', '', 1)}. {MAY_CLOSE}"
        if median_duration
        else MAY_CLOSE
    )


def batch_status(batch: BatchProgress) -> str:
    """ "12 of 50 done, 2 running, 35 waiting, 1 failed. About 3 min left."."""
    kinds = ("running", "waiting", "failed", "stopped")
    counts = [f"{count} {kind}" for kind in kinds if (count := getattr(batch, kind))]
    counted = ", ".join([f"{batch.done} of {batch.total} done", *counts]).replace(
        "stopped", "paused"
    )
    if batch.left is None:
        return f"{counted}." + (f" {NOTHING_SPENT}" if batch.stopped == batch.total else "")
    about = (
        f"{round(batch.left / 60)} min" if batch.left >= 90 else f"{max(1, round(batch.left))} s"
    )
    return f"{counted}. About {about} left. You may close this page; they go on."


def run_status(
    run: Run | None, median_duration: float | None = None, *, is_watched: bool = True
) -> str:
    """The one sentence under the steps; `median_duration` is what an edit takes here, in
    seconds."""
    if run is None:
        return "Ready."
    if not is_watched and not run.is_finished:
        return STOPPED_WATCHING
    match run.state:
        case "running":
            return _running(run, median_duration)
        case "done":
            return f"{'Done' if run.edit else 'Fetched'} in {seconds(run.elapsed)}."
        case "stopped":
            return f"Stopped before anything was sent. {NOTHING_SPENT}"
        case "failed":  # The problem itself says how it came.
            return f"Failed after {seconds(run.elapsed)}."
        case "unknown":
            return "What became of it is not known."
        case _:
            assert_never(run.state)


def spent_note(runs: Sequence[Run]) -> str:
    """What finished edits have cost, for the end of that sentence."""
    done = [run for run in runs if run.state == "done"]
    if not done or not all(run.is_finished for run in runs):
        return ""
    usd = total_usd(run.cost_usd for run in done)
    if usd is None:
        return "What was spent is not known here."
    return f"{dollars(usd)} was spent." if usd else "That cost nothing."


def resumed_note(run: Run) -> str:
    """Said to who comes back while an edit is under way."""
    age = (datetime.now(UTC) - run.started_at).total_seconds()
    return f"Picked up your edit where it was, {age:.0f} s in."


def card_text(run: Run) -> str:
    """A run of the history in a few words: how it went, or how long it took."""
    match run.state:
        case "running":
            return "Under way"
        case "done":
            return seconds(run.elapsed)
        case "stopped":
            return "Stopped"
        case "failed":
            return "Failed"
        case "unknown":
            return "Outcome unknown"
        case _:
            assert_never(run.state)


def _running(run: Run, median_duration: float | None) -> str:
    if run.awaiting_slot:
        return f"Waiting for its turn. {NOTHING_SPENT}"
    if run.waiting is not None:
        return _waiting(run.waiting.error, is_accepted=run.in_flight)
    if run.step == "queue" and run.prediction is not None:
        return f"Accepted{_usually(median_duration)}. {MAY_CLOSE}"
    if run.step == "process":
        return f"Working{_usually(median_duration)}. {MAY_CLOSE}"
    if run.step == "prepare" and len(run.pictures) != 1:
        return "Reading the pictures."
    return _IN_STEP[run.step]


_IN_STEP: dict[Step, str] = {
    "prepare": "Reading the picture.",
    "upload": "Uploading.",
    "queue": "Handing the edit over.",
    "save": "Fetching the result.",
}


def _usually(seconds_: float | None) -> str:
    return f", usually about {max(1, round(seconds_))} s" if seconds_ else ""


def _waiting(error: RunError, *, is_accepted: bool) -> str:
    if error.code == AmbiguousSubmit.code:
        return "The answer to the submission was lost. Nothing is sent again; looking for it."
    reason = _WAITS_FOR.get(error.code, "WaveSpeed can't be reached.")
    return f"{reason} {'The edit goes on there.' if is_accepted else 'Nothing was spent so far.'}"


_WAITS_FOR = {
    RateLimited.code: "The account takes only so many pictures a minute, a new one 2.",
    ServerError.code: "WaveSpeed has trouble at the moment.",
    InvalidResponse.code: "WaveSpeed's answer made no sense.",
    MissingOutputs.code: "WaveSpeed says it is done, but names no picture yet.",
    PredictionNotFound.code: "WaveSpeed does not know the new edit everywhere yet.",
    FileUnavailable.code: "The picture is not at its address yet.",
}
