"""The page's own markup: values in, HTML out, everything from outside escaped.

The markup is made here and not in `gr.HTML`'s template: that one renders Handlebars first and then
evaluates the outcome as a JavaScript template literal, so a prompt with `${…}` in it would run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2

from . import problems, words
from .recipe import Recipe
from .run import STEPS, Run, Step

ASSETS = Path(__file__).parent / "assets"

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(ASSETS),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals["words"] = words


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as it is drawn: "done", "run", "left" (unwatched), "stuck" or "todo", and how long
    it has taken so far."""

    name: str
    kind: str
    seconds: float | None


def header(engine: str, *, sandbox: bool) -> str:
    """The title and which engine answers."""
    return _templates.get_template("header.html").render(engine=engine, sandbox=sandbox)


def heading(title: str, hint: str = "") -> str:
    """The page's own label of a field."""
    return _templates.get_template("heading.html").render(title=title, hint=hint)


def note(text: str) -> str:
    """A word beside the field it is about; empty text draws nothing."""
    return _templates.get_template("note.html").render(text=text)


def keys() -> str:
    """The shortcut, for those who look."""
    return _templates.get_template("keys.html").render()


def asset(name: str) -> str:
    """A script or a style sheet of ours, as text."""
    return (ASSETS / name).read_text(encoding="utf-8")


def status(run: Run | None, now: float = 0.0, *, watching: bool = True, note: str = "") -> str:
    """Five steps and a sentence; `now` is the run's age in seconds, from which the browser ticks
    as long as someone is `watching`. A `note` goes before the sentence while it runs."""
    return _templates.get_template("status.html").render(
        run=run,
        steps=_steps(run, now, "run" if watching else "left"),
        sentence=words.status(run, watching=watching),
        note=note if run and not run.is_over else "",
        waiting=run.waiting if run and watching else None,
    )


def results(run: Run | None, files: dict[Path, Path], *, shown: frozenset[int]) -> str:
    """The pictures of a run, its facts and where its time went; or its error, or an invitation.

    `files` says under which path in Gradio's cache a result is served. A flagged picture that is
    not in `shown` is a blurred thumbnail: its own bytes, and its address, don't reach the browser.
    """
    over = run is not None and run.is_over
    return _templates.get_template("results.html").render(
        run=run,
        items=[_item(run, index, files, shown) for index in range(len(run.results))] if run else [],
        problem=problems.problem(run) if run and run.error else None,
        actions=problems.actions(run) if run else [],
        times=_times(run) if run and over else [],
    )


def recipes(found: dict[int, Recipe]) -> str:
    """The offer to take up what is known of pictures that were made here, by their place."""
    return _templates.get_template("recipes.html").render(found=found)


def tally(edits: int, spent: float, balance: float | None) -> str:
    """What the session came to, and what the account holds where that may be seen."""
    return _templates.get_template("tally.html").render(edits=edits, spent=spent, balance=balance)


def history(
    runs: list[Run], files: dict[Path, Path], *, skip: int, more: bool, spent: float, said: str
) -> str:
    """A page of a visitor's runs, newest first; `skip` runs are on the pages before it, `spent`
    USD are the visitor's of today, and `said` is a word on what was just asked."""
    cards = [
        {
            "run": run,
            "items": [_item(run, n, files, frozenset()) for n in range(len(run.results))],
            "said": words.card(run),
        }
        for run in runs
    ]
    return _templates.get_template("history.html").render(
        cards=cards, skip=skip, more=more, spent=spent, said=said
    )


def _steps(run: Run | None, now: float, current: str) -> list[StepView]:
    if run is None:
        return [StepView(words.STEP_NAMES[step], "todo", None) for step in STEPS]
    began = dict(run.began)
    told: dict[Step, float | None] = {
        "queue": run.timings.queue,
        "process": run.timings.inference,
    }
    views = []
    for number, step in enumerate(STEPS):
        start = began.get(step)
        ends = [began[later] for later in STEPS[number + 1 :] if later in began]
        if start is None:
            views.append(StepView(words.STEP_NAMES[step], "todo", None))
        elif ends:
            spent = told.get(step)
            views.append(
                StepView(
                    words.STEP_NAMES[step], "done", ends[0] - start if spent is None else spent
                )
            )
        elif run.is_over:
            kind = "done" if run.state == "done" else "stuck"
            views.append(StepView(words.STEP_NAMES[step], kind, run.at - start))
        else:
            views.append(StepView(words.STEP_NAMES[step], current, max(now - start, 0.0)))
    return views


def _times(run: Run) -> list[dict[str, object]]:
    parts = words.times(run.timings)
    whole = sum(value for _, _, value in parts) or 1.0
    return [
        {"kind": kind, "name": name, "seconds": value, "share": 100 * value / whole}
        for kind, name, value in parts
    ]


def _item(
    run: Run, index: int, files: dict[Path, Path], shown: frozenset[int]
) -> dict[str, object]:
    result = run.results[index]
    covered = bool(result.nsfw) and index not in shown
    return {
        "index": index,
        "result": result,
        "covered": covered,
        # Relative, so that it holds under whatever path the page is served.
        "address": result.cover if covered else _address(files.get(result.path)),
        "name": result.path.name,
    }


def _address(file: Path | None) -> str:
    """Empty where the file is gone."""
    return f"gradio_api/file={quote(str(file))}" if file else ""
