"""The status of runs: five steps and a sentence, or of a batch a bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wavespeed.studio.runs.batch import is_batch, progress
from wavespeed.studio.runs.run import STEPS, Run, Step
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import labels, status


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as it is drawn: "done", "run", "left" (unwatched), "stuck" or "todo", and how long
    it has taken so far."""

    name: str
    kind: str
    seconds: float | None


def render_status(
    runs: Sequence[Run],
    ages: Sequence[float],
    median_duration: float | None,
    *,
    parallel: int = 1,
    is_watched: bool = True,
    note: str = "",
) -> str:
    """Five steps and a sentence; `ages` are the runs' in seconds, from which the browser ticks as
    long as someone watches. A `note` goes before the sentence while it runs. Of several runs the
    steps are those of the one that is least far; a batch, of which `parallel` are edited at once,
    has a bar instead."""
    going = [(run, age) for run, age in zip(runs, ages, strict=True) if not run.is_finished]
    run, age = _least_far(going) or ((runs[0], ages[0]) if runs else (None, 0.0))
    batch = progress(runs, median_duration, parallel) if is_batch(runs) else None
    is_ticking = bool(going) and is_watched
    sentence = _sentence(runs, median_duration, is_watched=is_watched)
    return render_template(
        "status",
        run=run,
        alone=len(runs) == 1,
        ages={run.id: round(age, 1) for run, age in going if is_watched},
        presses=" ".join({run.press_id: None for run in runs if run.press_id}),
        state=_state(run, is_going=bool(going), is_watched=is_watched),
        steps=_steps(run, age, "run" if is_watched else "left"),
        sentence=status.batch_status(batch) if batch else sentence,
        batch=batch,
        spent=status.spent_note(runs),
        silent_seconds=max(0.0, age - run.elapsed)
        if is_ticking and run and run.prediction
        else None,
        note=note if going else "",
        waiting=run.waiting if run and is_watched and not run.is_finished else None,
    )


def _least_far(going: Sequence[tuple[Run, float]]) -> tuple[Run, float] | None:
    def progress_of(pair: tuple[Run, float]) -> tuple[bool, int]:
        run, _ = pair
        return run.awaiting_slot, STEPS.index(run.step)

    return min(going, key=progress_of, default=None)


def _state(run: Run | None, *, is_going: bool, is_watched: bool) -> str:
    if is_going:
        return "running" if is_watched else "left"
    return run.state if run else "empty"


def _sentence(runs: Sequence[Run], median_duration: float | None, *, is_watched: bool) -> str:
    if len(runs) <= 1:
        run = runs[0] if runs else None
        return status.run_status(run, median_duration, is_watched=is_watched)
    sentence = status.group_status(runs)
    if all(run.is_finished for run in runs):
        return sentence
    return f"{sentence} {status.group_note(median_duration, is_watched=is_watched)}"


def _steps(run: Run | None, now: float, current: str) -> list[StepView]:
    if run is None:
        return [StepView(labels.STEP_NAMES[step], "todo", None) for step in STEPS]
    return [_step(run, step, now, current) for step in STEPS]


def _step(run: Run, step: Step, now: float, current: str) -> StepView:
    started = dict(run.step_started)
    start, name = started.get(step), labels.STEP_NAMES[step]
    if start is None:
        return StepView(name, "todo", None)
    later = [started[other] for other in STEPS[STEPS.index(step) + 1 :] if other in started]
    if later:
        measured = {"queue": run.timings.queue, "process": run.timings.inference}.get(step)
        return StepView(name, "done", later[0] - start if measured is None else measured)
    if run.is_finished:
        kind = "done" if run.state == "done" else "stuck"
        return StepView(name, kind, run.elapsed - start)
    return StepView(name, current, max(now - start, 0.0))
