"""What is drawn: whatever a prompt, a file's name or the service says stays text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wavespeed import Edit
from wavespeed.errors import EditFailed
from wavespeed.studio.media.previews import InputPreview
from wavespeed.studio.runs.run import Failed, OutputFile, Run
from wavespeed.studio.templating import render_template
from wavespeed.studio.ui.render.batch import render_batch
from wavespeed.studio.ui.render.history import RunThumbnail, render_history
from wavespeed.studio.ui.render.inputs import render_strip
from wavespeed.studio.ui.render.results import OutputView, Tile, render_results
from wavespeed.studio.ui.render.status import render_status

HOSTILE = "<b onclick=x>'\" ${hit} {{hit}} <!-- </p></script>&lt;i&gt;"
# Of one length, so that no caption is cut at another place.
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40)


class Markup(HTMLParser):
    """Its tags with the names of their attributes; and all that is text, values included."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.said = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.said += " ".join(value or "" for _, value in attrs)

    def handle_data(self, data: str) -> None:
        self.said += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment",))


def drawn(piece: str, text: str) -> Markup:
    """The piece where everything that comes from outside says `text`."""
    name = text.replace("/", "_").strip(". ") or "x"
    result = OutputFile(Path(name), "PNG", 6, 4, 100, "data:image/png;base64,", nsfw=False)
    edit = Edit(f"x {text} x", (Path(f"{name}.jpg"),))
    run = Run(id="r1", visitor_id="v1", edit=edit, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    failed = run.apply(Failed(1.0, EditFailed(f"x {text} x", service_code=1, prediction_id="p")))
    done = replace(run, state="done", results=(result,))
    output = OutputView(
        index=0,
        is_covered=False,
        preview=Path("seen.jpg"),
        original=Path("all.png"),
        before=None,
    )
    tile = Tile(run=done, outputs=[output])
    return Markup(
        {
            "strip": lambda: render_strip(
                [Path(f"{name}.jpg"), Path("b.jpg")],
                [
                    InputPreview(thumbnail="data:,", note=f"x {text} x"),
                    InputPreview(error=f"x {text} x"),
                ],
                [False, False],
                each=False,
            ),
            "results": lambda: render_results([tile], hides=False),
            "problem": lambda: render_results([Tile(run=failed)], hides=False),
            "status": lambda: render_status([failed], [1.0], None, note=f"x {text} x"),
            "batch": lambda: render_batch([done, failed], {}, None),
            "history": lambda: render_history(
                [done], {"r1": RunThumbnail()}, skip=0, has_more=False, spent_usd=0, note=text
            ),
            "header": lambda: render_template("header", engine=text, sandbox=False, home=text),
            "note": lambda: render_template("note", text=f"x {text} x"),
            "hint": lambda: render_template("hint", text=f"x {text} x"),
        }[piece]()
    )


@pytest.mark.parametrize(
    "piece",
    ["strip", "results", "problem", "status", "batch", "history", "header", "note", "hint"],
)
@given(text=TEXT)
@example(text=HOSTILE)
def test_whatever_is_said_it_adds_no_markup(piece: str, text: str) -> None:
    assert drawn(piece, text).tags == drawn(piece, "harmless").tags


@pytest.mark.parametrize("piece", ["strip", "results", "problem", "batch", "history", "note"])
def test_what_is_hostile_can_be_read_as_it_was_written(piece: str) -> None:
    hostile = HOSTILE.replace("/", "_")  # As a file's name has it.
    assert hostile in drawn(piece, hostile).said
