"""The pictures of a batch, small, and what can be done about the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from wavespeed.studio.export.downloads import Link
from wavespeed.studio.runs.run import Run, total_usd
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import errors, labels
from wavespeed.studio.ui.actions import Action

from .history import RunThumbnail


def render_batch(
    runs: Sequence[Run],
    thumbnails: Mapping[str, RunThumbnail],
    pack: Link | None,
    prices: Mapping[str, float | None] = MappingProxyType({}),
) -> str:
    """The pictures of a batch, each with its state; what can be done about the rest, which costs
    what the `prices` say of each run; and `pack`, the archive, where one was just asked for."""
    tiles = []
    for run in runs:
        thumbnail = thumbnails.get(run.id, RunThumbnail())
        tiles.append(
            {
                "run": run,
                "file": thumbnail.file,
                "covered": thumbnail.covered,
                "cover": thumbnail.cover,
            }
        )
    return render_template(
        "batch",
        tiles=tiles,
        offers=_offers(runs, prices),
        pack=pack,
        problems_told=_errors(runs),
    )


def _errors(runs: Sequence[Run]) -> list[errors.ErrorMessage]:
    """What failed alike is told once, with all of its details."""
    details: dict[errors.ErrorMessage, list[str]] = {}
    for run in runs:
        if run.error:
            message = errors.error_message(run)
            details.setdefault(replace(message, details=""), []).append(message.details)
    messages = []
    for message, each in details.items():
        what = f"{len(each)} × {message.what}" if len(each) > 1 else message.what
        messages.append(replace(message, what=what, details="\n".join(each)))
    return messages


def _offers(runs: Sequence[Run], prices: Mapping[str, float | None]) -> list[tuple[Action, str]]:
    """What can be done with a batch, and what the button says."""
    stopped = [run for run in runs if run.state == "stopped"]
    free, sent = errors.retryable_runs(runs)
    offers = []
    if stopped:
        usd = total_usd(prices.get(run.id) for run in stopped)
        offers.append((Action.RESUME, labels.resume_label(len(stopped), usd)))
    if free or sent:
        usd = total_usd(prices.get(run.id) for run in sent)
        offers.append((Action.REPEAT, labels.retry_label(len(free) + len(sent), usd)))
    if any(run.results for run in runs) and all(run.is_finished for run in runs):
        offers.append((Action.PACK, labels.ALL_FILES))
    return offers
