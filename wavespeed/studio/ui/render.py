"""The page's own markup: values in, HTML out."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from wavespeed import MAX_IMAGES
from wavespeed.studio.export.downloads import Link
from wavespeed.studio.media.previews import InputPreview, SentImage, own_thumbnail
from wavespeed.studio.runs.batch import MAX_EDITS, is_batch, progress
from wavespeed.studio.runs.run import STEPS, OutputFile, Run, Step, total_usd
from wavespeed.studio.templating import PHOTOS, file_url, render_template
from wavespeed.studio.text import errors, images, labels

from . import scripts
from .examples import EXAMPLES


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as it is drawn: "done", "run", "left" (unwatched), "stuck" or "todo", and how long
    it has taken so far."""

    name: str
    kind: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class OutputView:
    """What may be seen of a run's result; no files of one that is covered, or gone."""

    index: int
    covered: bool
    preview: Path | None
    original: Path | None
    before: SentImage | None


@dataclass(frozen=True, slots=True)
class Version:
    """A step of the way from the original: its run, what a click on it does, its picture."""

    run: str
    action: str
    file: Path | None
    cover: str


@dataclass(frozen=True, slots=True)
class RunThumbnail:
    """What may be seen of a run in the history."""

    file: Path | None
    covered: bool
    cover: str


def output_key(run: Run, index: int) -> str:
    """Names one picture among all that a page may show."""
    return f"{run.id}/{index}"


def button() -> str:
    """The script that tells the button's label from the fields: its price, or what is missing."""
    said = {
        "edit": labels.EDIT,
        "add": labels.ADD_FIRST,
        "many": labels.TOO_MANY,
        "say": labels.SAY_FIRST,
        "most": MAX_IMAGES,
        "manyEach": labels.TOO_MANY_EACH,
        "mostEach": MAX_EDITS,
        "counted": labels.COUNTED,
    }
    return scripts.call("edit-button", "update", said)


def strip(
    paths: Sequence[Path], seen: Sequence[InputPreview], covered: Sequence[bool], *, each: bool
) -> str:
    """The pictures in their order: what each is for, what will be sent of it, what it offers. With
    `one_edit_per_image` on its own there are more of them, all edited alike."""
    pictures = [
        {"name": path.name, "seen": one, "covered": hidden}
        for path, one, hidden in zip(paths, seen, covered, strict=True)
    ]
    return render_template(
        "strip", pictures=pictures, each=each, most=MAX_EDITS if each else MAX_IMAGES
    )


def status(
    runs: Sequence[Run],
    ages: Sequence[float],
    usual: float | None,
    *,
    parallel: int = 1,
    watching: bool = True,
    note: str = "",
) -> str:
    """Five steps and a sentence; `ages` are the runs' in seconds, from which the browser ticks as
    long as someone is `watching`. A `note` goes before the sentence while it runs. Of several runs
    the steps are those of the one that is least far; a batch, of which `parallel` are edited at
    once, has a bar instead."""
    going = [(run, age) for run, age in zip(runs, ages, strict=True) if not run.is_finished]
    last = min(
        going, key=lambda pair: (pair[0].awaiting_slot, STEPS.index(pair[0].step)), default=None
    )
    run, age = last or ((runs[0], ages[0]) if runs else (None, 0.0))
    how = progress(runs, usual, parallel) if is_batch(runs) else None
    return render_template(
        "status",
        run=run,
        alone=len(runs) == 1,
        ages={run.id: round(age, 1) for run, age in going if watching},
        presses=" ".join({run.press_id: None for run in runs if run.press_id}),
        state=("running" if watching else "left") if going else run.state if run else "empty",
        steps=_steps(run, age, "run" if watching else "left"),
        sentence=labels.of_batch(how) if how else _sentence(runs, usual, watching=watching),
        how=how,
        spent=labels.spent(runs),
        heard=max(0.0, age - run.elapsed)
        if going and watching and run and run.prediction
        else None,
        note=note if going else "",
        waiting=run.waiting if run and watching and not run.is_finished else None,
    )


def _sentence(runs: Sequence[Run], usual: float | None, *, watching: bool) -> str:
    if len(runs) > 1:
        said = (
            []
            if all(run.is_finished for run in runs)
            else [labels.while_they_run(usual, watching=watching)]
        )
        return " ".join([labels.status_of_many(runs), *said])
    return labels.status(runs[0] if runs else None, usual, watching=watching)


def results(
    runs: Sequence[Run],
    shots: Sequence[Sequence[OutputView]],
    versions: Sequence[Version],
    pending: Sequence[RunThumbnail],
    requests: Sequence[Mapping[str, str]],
    *,
    offers: Mapping[str, float | None] = MappingProxyType({}),
    beside: int = 0,
    hides: bool,
) -> str:
    """The pictures of runs, their facts and where their time went; or errors, or an invitation.

    A covered picture is a blurred thumbnail: its own bytes, and its address, don't reach the
    browser; with `hides` nor does anything ask to. `pending` stands in the place of each result
    until it is there: an older one, or the thumbnail of what is edited; with one alone, its
    group has `beside` of them. `offers` says of each run by its id what it costs to send it anew.
    """
    tiles = [
        {
            "run": run,
            "problem": errors.error_message(run) if run.error else None,
            "actions": errors.error_actions(run, offers.get(run.id)),
            "offer": offers.get(run.id),
            "items": [_item(run, shot) for shot in of_run],
            "times": _times(run) if run.is_finished else [],
            "request": request,
            "pending": waiting,
        }
        for run, of_run, waiting, request in zip(runs, shots, pending, requests, strict=True)
    ]
    strip = [{"version": one, "address": file_url(one.file) or one.cover} for one in versions]
    return render_template(
        "results", tiles=tiles, versions=strip, examples=_examples(), beside=beside, hides=hides
    )


def _item(run: Run, shot: OutputView) -> dict[str, object]:
    result, before = run.results[shot.index], shot.before
    output = run.prediction.outputs[shot.index] if run.prediction else None
    shape = images.shape_changed(before.width, before.height, result) if before else ""
    return {
        "index": shot.index,
        "result": result,
        "covered": shot.covered,
        "address": result.blur_placeholder if shot.covered else file_url(shot.preview),
        "original": file_url(shot.original),
        "before": file_url(before.file) if before and not shot.covered else "",
        "shape": shape,
        "ratio": f"{_ratio(result, before):.4f}",
        "link": output.url if output and not shot.covered else None,
        "name": result.name,
    }


def _ratio(result: OutputFile, before: SentImage | None) -> float:
    """Width by height of the box in which the result and what it was made of are equally high."""
    ratio = result.width / result.height
    return max(ratio, before.width / before.height) if before else ratio


def batch(
    runs: Sequence[Run],
    shots: Mapping[str, RunThumbnail],
    pack: Link | None,
    offers: Mapping[str, float | None] = MappingProxyType({}),
) -> str:
    """The pictures of a batch, small, each with its state; what can be done about the rest, which
    costs what the `offers` say of each run; and `pack`, the archive, where one was just asked
    for."""
    tiles = []
    for run in runs:
        card = shots.get(run.id, RunThumbnail(None, False, ""))
        tiles.append({"run": run, "file": card.file, "covered": card.covered, "cover": card.cover})
    # What failed alike is told once.
    told: dict[errors.ErrorMessage, list[str]] = {}
    for problem in [errors.error_message(run) for run in runs if run.error]:
        told.setdefault(replace(problem, details=""), []).append(problem.details)
    said = [
        replace(
            one, what=f"{len(all_)} × {one.what}" if all_[1:] else one.what, details="\n".join(all_)
        )
        for one, all_ in told.items()
    ]
    return render_template(
        "batch", tiles=tiles, offers=_offers(runs, offers), pack=pack, problems_told=said
    )


def _offers(runs: Sequence[Run], prices: Mapping[str, float | None]) -> list[tuple[str, str]]:
    """What can be done with a batch, as (action, label)."""
    stopped = [run for run in runs if run.state == "stopped"]
    free, sent = errors.retryable_runs(runs)
    offers = []
    if stopped:
        usd = total_usd(prices.get(run.id) for run in stopped)
        offers.append(("resume", labels.go_on(len(stopped), usd)))
    if free or sent:
        usd = total_usd(prices.get(run.id) for run in sent)
        offers.append(("repeat", labels.once_more(len(free) + len(sent), usd)))
    if any(run.results for run in runs) and all(run.is_finished for run in runs):
        offers.append(("pack", labels.ALL_FILES))
    return offers


def history(
    runs: Sequence[Run],
    cards: Mapping[str, RunThumbnail],
    *,
    skip: int,
    more: bool,
    spent: float,
    said: str,
) -> str:
    """A page of a visitor's runs, newest first; `skip` runs are on the pages before it, `spent_usd`
    USD are the visitor's of today, and `note` is a word on what was just asked."""
    drawn = [{"run": run, "card": cards.get(run.id), "said": labels.card(run)} for run in runs]
    return render_template("history", cards=drawn, skip=skip, more=more, spent=spent, said=said)


def exported(pack: Link, sheet: Link) -> str:
    """Links to what can be taken away."""
    links = [(labels.ARCHIVE, pack), (labels.CONTACT_SHEET, sheet)]
    return render_template("exported", links=links)


def _steps(run: Run | None, now: float, current: str) -> list[StepView]:
    if run is None:
        return [StepView(labels.STEP_NAMES[step], "todo", None) for step in STEPS]
    began = dict(run.step_started)
    told: dict[Step, float | None] = {"queue": run.timings.queue, "process": run.timings.inference}
    views = []
    for number, step in enumerate(STEPS):
        start, name = began.get(step), labels.STEP_NAMES[step]
        ends = [began[later] for later in STEPS[number + 1 :] if later in began]
        if start is None:
            views.append(StepView(name, "todo", None))
        elif ends:
            spent = told.get(step)
            views.append(StepView(name, "done", ends[0] - start if spent is None else spent))
        elif run.is_finished:
            views.append(
                StepView(name, "done" if run.state == "done" else "stuck", run.elapsed - start)
            )
        else:
            views.append(StepView(name, current, max(now - start, 0.0)))
    return views


def _times(run: Run) -> list[dict[str, object]]:
    parts = labels.times(run.timings)
    whole = sum(value for _, _, value in parts) or 1.0
    return [
        {"kind": kind, "name": name, "seconds": value, "share": 100 * value / whole}
        for kind, name, value in parts
    ]


def request(run: Run, api_url: str) -> dict[str, str]:
    """The submission as one would send it oneself, in curl and in Python, without the key."""
    if run.edit is None or not run.urls:
        return {}
    body: dict[str, Any] = {"prompt": run.prompt, "images": list(run.urls)}
    body |= {"enable_sync_mode": run.edit.sync_mode}
    body |= {"enable_base64_output": run.edit.base64_output}
    url = f"{api_url}/api/v3/{run.edit.model}"
    curl = (
        f"curl {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $WAVESPEED_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )
    python = (
        "import os, httpx\n\n"
        f"answer = httpx.post(\n    {url!r},\n"
        '    headers={"Authorization": f"Bearer {os.environ[\'WAVESPEED_API_KEY\']}"},\n'
        f"    json={body!r},\n    timeout=120,\n)\nprint(answer.json())"
    )
    return {"curl": curl, "Python": python}


@lru_cache(maxsize=1)
def _examples() -> list[dict[str, object]]:
    return [
        {"example": example, "thumb": own_thumbnail(PHOTOS / example.photos[0])}
        for example in EXAMPLES
    ]
