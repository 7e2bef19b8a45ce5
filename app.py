"""The page: drop one to four pictures, say what should change, watch it happen.

The sections from top to bottom, then one line for each event. What the events do is in
`wavespeed.studio.ui.handlers`, how the page is served in `wavespeed.studio.server`.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

from wavespeed.studio.settings import Settings, SettingsError, from_environment

if __name__ == "__main__":
    # What is imported and built stays for good: not to look through it for garbage makes the start
    # faster and, frozen by the server, each later look, for which all edits stand still.
    gc.disable()
    # Before Gradio, which reads GRADIO_SERVER_PORT while it is imported and dies of a wrong one.
    try:
        SETTINGS = from_environment(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    SETTINGS.adjust(os.environ)

import gradio as gr
from gradio.blocks import Block
from gradio.events import api

from wavespeed import Pace
from wavespeed.studio import server
from wavespeed.studio.api.edit import EditApi
from wavespeed.studio.media import previews
from wavespeed.studio.templating import render_template, static
from wavespeed.studio.text import labels
from wavespeed.studio.ui.covers import Covers
from wavespeed.studio.ui.events import Events
from wavespeed.studio.ui.examples import CHIPS
from wavespeed.studio.ui.handlers import Handlers
from wavespeed.studio.ui.render.inputs import edit_button_script
from wavespeed.studio.ui.render.results import render_results
from wavespeed.studio.ui.render.status import render_status
from wavespeed.studio.ui.studio import Studio

Components = dict[str, Block]
"""By the names that `PageEvent` and `PageUpdate` give them."""

html = partial(gr.HTML, apply_default_css=False)
"""Markup of our own, without Gradio's styles for prose."""


# --- Sections -----------------------------------------------------------------------------------


def state(studio: Studio) -> Components:
    """What a page knows that nobody sees."""
    return {
        "shown": gr.State(),
        # Changed in place, so that what watches an edit for this page knows of it at once.
        "revealed": gr.State(set()),
        "price_usd": gr.State(studio.account.price_usd),
        # The keys and the secrets are fixed, so that a restart of the server forgets nobody. The id
        # is what lets a browser see its runs, and long enough that nobody guesses another's.
        "visitor_id": gr.BrowserState(storage_key="wavespeed-visitor", secret="wavespeed-visitor"),
        "draft": gr.BrowserState(storage_key="wavespeed-draft", secret="wavespeed-draft"),
        # Made by the browser, kept nowhere.
        "press_id": gr.BrowserState(storage_key="wavespeed-press"),
    }


def header(studio: Studio) -> Components:
    with gr.Row(elem_id="top"):
        html(
            render_template(
                "header", engine=studio.engine, sandbox=studio.is_sandbox, home=studio.home
            ),
            elem_id="header",
        )
        tally = html(elem_id="tally")
        if studio.is_space:
            gr.DuplicateButton(labels.DUPLICATE, variant="secondary", elem_id="duplicate")
    return {"tally": tally}


def inputs() -> Components:
    """The pictures and the words."""
    with gr.Column(elem_classes="ws-card"):
        html(render_template("heading", title=labels.PICTURES, hint=labels.PICTURES_HINT))
        strip = html(elem_id="strip", js_on_load=static("js/actions.js"))
        # Takes pictures in; the strip above shows them, HEIC and flagged ones too. Any file: Gradio
        # goes by names, and for one that it does not know refuses all that are in the field, in
        # each event and after a reload. What a file is, its content says, and the strip says it of
        # each. Gradio's button for the clipboard finds nothing then; what is pasted anywhere on the
        # page comes in all the same.
        files = gr.Gallery(
            elem_id="inputs",
            label=labels.PICTURES,
            show_label=False,
            type="filepath",
            interactive=True,
            file_types=["file"],
            sources=["upload", "webcam"],
            columns=4,
            height=128,
            allow_preview=False,
            buttons=[],
        )
        inputs_note = html(elem_id="inputs-note")
        one_edit_per_image = gr.Checkbox(label=labels.EACH, info=labels.EACH_INFO, elem_id="each")
        html(render_template("heading", title=labels.PROMPT), elem_id="prompt-heading")
        prompt = gr.Textbox(
            elem_id="prompt",
            label=labels.PROMPT,
            show_label=False,
            placeholder=labels.PROMPT_HINT,
            lines=4,
            max_lines=12,
        )
        html(render_template("chips", chips=CHIPS), elem_id="chips")
        prompt_hint = html(elem_id="prompt-hint")
        prompt_note = html(elem_id="prompt-note")
    return {
        "strip": strip,
        "files": files,
        "inputs_note": inputs_note,
        "one_edit_per_image": one_edit_per_image,
        "prompt": prompt,
        "prompt_hint": prompt_hint,
        "prompt_note": prompt_note,
    }


def options(studio: Studio) -> Components:
    """How many, the button, and with whose key."""
    with gr.Column(elem_classes="ws-card"):
        with gr.Row(elem_id="choices"):
            html(render_template("heading", title=labels.VARIANTS))
            variants = gr.Radio(
                ["1", "2", "3", "4"],
                value="1",
                label=labels.VARIANTS,
                show_label=False,
                container=False,
                elem_id="variants",
            )
        with gr.Row(elem_id="buttons"):
            edit = gr.Button(labels.ADD_FIRST, variant="primary", elem_id="edit", interactive=False)
            stop = gr.Button(labels.STOP, elem_id="stop")  # In the place of Edit, by page.css.
        shortcut = html(render_template("keys", price=studio.account.price_usd), elem_id="keys")
        if studio.budget_usd is not None:
            html(render_template("budget", usd=studio.budget_usd), elem_id="budget")
        with gr.Accordion(labels.ADVANCED, open=False):
            sync_mode = gr.Checkbox(label=labels.SYNC, info=labels.SYNC_INFO)
            base64_output = gr.Checkbox(label=labels.BASE64, info=labels.BASE64_INFO)
        asks = studio.key_label in (labels.KEY_ASKED, labels.KEY_OFFERED)
        with gr.Accordion(studio.key_label, open=asks, elem_id="key") as key_panel:
            # In this page's session only: no event hands it back, nothing keeps it.
            api_key = gr.Textbox(
                elem_id="api-key", type="password", label=labels.KEY, info=labels.KEY_INFO
            )
        key_note = html(elem_id="key-note")
    return {
        "variants": variants,
        "edit": edit,
        "stop": stop,
        "shortcut": shortcut,
        "sync_mode": sync_mode,
        "base64_output": base64_output,
        "key_panel": key_panel,
        "api_key": api_key,
        "key_note": key_note,
    }


def answer(covers: Covers) -> Components:
    """How far it is, and what came of it."""
    with gr.Column(elem_id="answer", elem_classes="ws-card"):
        status = html(
            render_status([], [], None),
            elem_id="status",
            js_on_load="window.wavespeed.trigger = trigger;",
        )
        results = html(
            render_results([], hides=covers.hides),
            elem_id="results",
            js_on_load=static("js/actions.js"),
        )
    return {"status": status, "results": results}


def past() -> Components:
    """The history, and results of elsewhere."""
    history = html(elem_id="history", js_on_load=static("js/actions.js"))
    exported = html(elem_id="exported")
    with gr.Accordion(labels.FETCH, open=False, elem_id="fetching"):
        prediction_id = gr.Textbox(
            elem_id="fetch-id", label=labels.FETCH_ID, info=labels.FETCH_INFO
        )
        fetch = gr.Button(labels.FETCH_BUTTON, elem_id="fetch", size="md")
        fetch_note = html(elem_id="fetch-note")
    html(render_template("screen"), elem_id="screen")
    return {
        "history": history,
        "exported": exported,
        "prediction_id": prediction_id,
        "fetch": fetch,
        "fetch_note": fetch_note,
    }


# --- Events -------------------------------------------------------------------------------------

EVENT: dict[str, Any] = {
    "concurrency_limit": None,
    "show_progress": "hidden",
    "api_visibility": "private",
}
EVERY_PRESS = {"trigger_mode": "multiple"}
"""Else a click is passed over while an earlier one is answered, or watched; right for Edit, which
spends. A second press of any other finds done what the first has done."""
STREAMED = {**EVENT, "postprocess": False}
"""What is shown is markup as it is; Gradio would look at each piece in a thread of its own."""
LATEST = {**EVENT, "trigger_mode": "always_last"}
BROWSER_ONLY = {**LATEST, "queue": False}

SESSION = ["visitor_id", "revealed"]
FORM = ["files", "prompt", "one_edit_per_image"]
PAYMENT = ["api_key", "price_usd"]
EDIT = [*FORM, "variants", "sync_mode", "base64_output", *PAYMENT, "shown", *SESSION, "press_id"]
NOTES = ["inputs_note", "prompt_note", "key_note", "fetch_note"]
SHOWN = ["shown", "status", "results", "stop", *NOTES, "history", "tally"]
FILLED = ["files", "prompt", "strip"]

PRESSED = "(...values) => [...values.slice(0, -1), window.wavespeed.press()]"
"""The last input is the press's id, made in the browser."""
KEY_AS_IT_IS = "(own) => document.querySelector('#api-key input')?.value ?? own"
"""Gradio may hear of the last letter after the key for Enter."""


def wire(page: gr.Blocks, on: Any, do: Handlers) -> None:
    """One line for each event; `on` are the components."""
    events = Events(vars(on), do.history)
    bind, stream = events.bind, events.bind_stream
    form = [on.files, on.prompt, on.one_edit_per_image]
    form_changes = [component.change for component in form]
    button_changes = [*form_changes, on.variants.change, on.shortcut.change, on.strip.change]
    opens, fetches = (
        [on.history.select, on.results.select],
        [on.fetch.click, on.prediction_id.submit],
    )

    # Edits.
    on.edit.click(**stream(do.edit.start, EDIT, SHOWN), js=PRESSED, **STREAMED)
    on.stop.click(**stream(do.edit.stop, ["shown", *SESSION], SHOWN), **STREAMED, **EVERY_PRESS)
    on.status.click(**stream(do.edit.sync, SESSION, SHOWN), **STREAMED, **EVERY_PRESS)  # stream.js
    pays = ["shown", *PAYMENT, *SESSION]
    on.results.click(**stream(do.edit.dispatch, pays, SHOWN), **STREAMED, **EVERY_PRESS)

    # What is looked at.
    gr.on(opens, **stream(do.page.show_run, SESSION, SHOWN), **STREAMED, **EVERY_PRESS)
    wanted = ["prediction_id", "api_key", *SESSION]
    gr.on(fetches, **stream(do.page.fetch, wanted, SHOWN), **STREAMED, **EVERY_PRESS)
    loaded = ["visitor_id", *FILLED, "one_edit_per_image", "shown"]
    page.load(
        **bind(do.page.load_page, ["visitor_id", "draft"], loaded), js=static("js/come.js"), **EVENT
    ).then(**stream(do.page.resume_run, ["shown", *SESSION], SHOWN), **STREAMED)

    # The history.
    asked = ["api_key", "one_edit_per_image", "shown", *SESSION]
    browsed = [*FILLED, "exported", *SHOWN]
    on.history.click(**bind(do.history.dispatch, asked, browsed), **EVENT, **EVERY_PRESS)

    # The form.
    used = ["one_edit_per_image", *SESSION]
    on.results.click(**bind(do.inputs.fill_form, used, FILLED), **EVENT, **EVERY_PRESS)
    pictures = ["files", "one_edit_per_image", "visitor_id"]
    arranged = [*FILLED, "inputs_note"]
    on.strip.click(**bind(do.inputs.dispatch, pictures, arranged), **EVENT, **EVERY_PRESS)
    changes = [on.files.change, on.one_edit_per_image.change]
    gr.on(changes, **bind(do.inputs.preview_inputs, pictures, ["strip"]), **LATEST)
    gr.on(form_changes, **bind(do.inputs.check_prompt, FORM, ["prompt_hint"]), **LATEST)
    gr.on(form_changes, None, form, on.draft, js=static("js/draft.js"), **BROWSER_ONLY)
    button = [on.files, on.prompt, on.variants, on.one_edit_per_image]
    gr.on(button_changes, None, button, on.edit, js=edit_button_script(), **BROWSER_ONLY)

    # The key.
    keyed = [page.load, on.api_key.blur, on.api_key.submit]
    paid = ["price_usd", "shortcut", "key_panel", "key_note"]
    gr.on(keyed, **bind(do.account.validate_key, ["api_key"], paid), js=KEY_AS_IT_IS, **LATEST)


def add_api(studio: Studio) -> None:
    """The endpoints for scripts and, with Gradio's MCP server, the tool for models."""
    endpoints = EditApi(studio.runner, studio.account, studio.client_of, studio.uploads)
    for endpoint in (endpoints.edit, endpoints.edit_stream):
        about = endpoints.description(endpoint)
        name = endpoint.__name__
        api(endpoint, api_name=name, api_description=about, concurrency_limit=None)
    if studio.has_mcp:  # Not queued: what goes through the queue reaches a model as one long text.
        about = endpoints.description(endpoints.edit_picture)
        api(endpoints.edit_picture, api_name="edit_picture", api_description=about, queue=False)


# --- The page -----------------------------------------------------------------------------------


def build(studio: Studio) -> gr.Blocks:
    """The page over its services."""
    covers = Covers(studio.runner, studio.nsfw)
    page = gr.Blocks(title=labels.TITLE, analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        components = state(studio) | header(studio)
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="ask"):
                components |= inputs() | options(studio)
            components |= answer(covers)
        components |= past()
        page.temp_file_sets.append(copies := set[str]())  # For `delete_cache`.
        previews.configure(copies)
        wire(page, SimpleNamespace(**components), Handlers.of(studio, covers))
        add_api(studio)
    return page


def main(settings: Settings, handover: float = server.HANDOVER, pace: Pace | None = None) -> None:
    """Serves the page until it is interrupted; see `server.run`."""
    server.run(build, settings, handover, pace)


if __name__ == "__main__":
    main(SETTINGS)
