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

from wavespeed import Policies
from wavespeed.studio.api import add_endpoints
from wavespeed.studio.media import previews
from wavespeed.studio.server import HANDOVER, POLICIES, run
from wavespeed.studio.services import Services
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import labels
from wavespeed.studio.ui import events, scripts
from wavespeed.studio.ui.examples import CHIPS
from wavespeed.studio.ui.handlers import Handlers
from wavespeed.studio.ui.nsfw_covers import Covers
from wavespeed.studio.ui.render.inputs import edit_button_script
from wavespeed.studio.ui.render.results import render_results
from wavespeed.studio.ui.render.status import render_status

html = partial(gr.HTML, apply_default_css=False)
"""Markup of our own, without Gradio's styles for prose."""
Components = SimpleNamespace
"""By the names that `PageEvent` and `PageUpdate` give them."""


# --- Sections -----------------------------------------------------------------------------------


def state(on: Components, services: Services) -> None:
    """What a page knows that nobody sees."""
    on.shown = gr.State()
    # Changed in place, so that what watches an edit for this page knows of it at once.
    on.revealed = gr.State(set())
    on.price_usd = gr.State(services.account.price_usd)
    # The keys and the secrets are fixed, so that a restart of the server forgets nobody. The id is
    # what lets a browser see its runs, and long enough that nobody guesses another's.
    on.visitor_id = gr.BrowserState(storage_key="wavespeed-visitor", secret="wavespeed-visitor")
    on.draft = gr.BrowserState(storage_key="wavespeed-draft", secret="wavespeed-draft")
    on.press_id = gr.BrowserState(storage_key="wavespeed-press")  # Made there, kept nowhere.


def header(on: Components, services: Services) -> None:
    """Who answers, and what the session has cost."""
    about = {"engine": services.engine, "sandbox": services.is_sandbox, "home": services.home}
    with gr.Row(elem_id="top"):
        html(render_template("header", **about), elem_id="header")
        on.tally = html(elem_id="tally")
        if services.is_space:
            gr.DuplicateButton(labels.DUPLICATE, variant="secondary", elem_id="duplicate")


def inputs(on: Components) -> None:
    """The pictures and the words."""
    with gr.Column(elem_classes="ws-card"):
        html(render_template("heading", title=labels.PICTURES, hint=labels.PICTURES_HINT))
        on.strip = html(elem_id="strip", js_on_load=scripts.listen("actions", "listen"))
        # Takes pictures in; the strip above shows them. Any file: Gradio goes by names, and for one
        # that it does not know refuses all that are in the field; what a file is, its content says.
        on.files = gr.Gallery(
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
        on.inputs_note = html(elem_id="inputs-note")
        on.one_edit_per_image = gr.Checkbox(
            label=labels.EACH, info=labels.EACH_INFO, elem_id="each"
        )
        html(render_template("heading", title=labels.PROMPT), elem_id="prompt-heading")
        on.prompt = gr.Textbox(
            elem_id="prompt",
            label=labels.PROMPT,
            show_label=False,
            placeholder=labels.PROMPT_HINT,
            lines=4,
            max_lines=12,
        )
        html(render_template("chips", chips=CHIPS), elem_id="chips")
        on.prompt_hint = html(elem_id="prompt-hint")
        on.prompt_note = html(elem_id="prompt-note")


def options(on: Components, services: Services) -> None:
    """How many, the button, and with whose key."""
    with gr.Column(elem_classes="ws-card"):
        with gr.Row(elem_id="choices"):
            html(render_template("heading", title=labels.VARIANTS))
            on.variants = gr.Radio(
                ["1", "2", "3", "4"],
                value="1",
                elem_id="variants",
                label=labels.VARIANTS,
                show_label=False,
                container=False,
            )
        with gr.Row(elem_id="buttons"):
            on.edit = gr.Button(
                labels.ADD_FIRST, variant="primary", elem_id="edit", interactive=False
            )
            on.stop = gr.Button(labels.STOP, elem_id="stop")  # In the place of Edit, by CSS.
        on.shortcut = html(
            render_template("keys", price=services.account.price_usd), elem_id="keys"
        )
        if services.budget_usd is not None:
            html(render_template("budget", usd=services.budget_usd), elem_id="budget")
        with gr.Accordion(labels.ADVANCED, open=False):
            on.sync_mode = gr.Checkbox(label=labels.SYNC, info=labels.SYNC_INFO)
            on.base64_output = gr.Checkbox(label=labels.BASE64, info=labels.BASE64_INFO)
        asks = services.key_label in (labels.KEY_ASKED, labels.KEY_OFFERED)
        with gr.Accordion(services.key_label, open=asks, elem_id="key") as on.key_panel:
            # In this page's session only: no event hands it back, nothing keeps it.
            on.api_key = gr.Textbox(
                elem_id="api-key", type="password", label=labels.KEY, info=labels.KEY_INFO
            )
        on.key_note = html(elem_id="key-note")


def answer(on: Components, covers: Covers) -> None:
    """How far it is, and what came of it."""
    ready, empty = render_status([], [], None), render_results([], hides=covers.hides)
    trigger = "window.wavespeed.trigger = trigger;"
    with gr.Column(elem_id="answer", elem_classes="ws-card"):
        on.status = html(ready, elem_id="status", js_on_load=trigger)
        on.results = html(empty, elem_id="results", js_on_load=scripts.listen("actions", "listen"))


def past(on: Components) -> None:
    """The history, and results of elsewhere."""
    on.history = html(elem_id="history", js_on_load=scripts.listen("actions", "listen"))
    on.exported = html(elem_id="exported")
    with gr.Accordion(labels.FETCH, open=False, elem_id="fetching"):
        on.prediction_id = gr.Textbox(
            elem_id="fetch-id", label=labels.FETCH_ID, info=labels.FETCH_INFO
        )
        on.fetch = gr.Button(labels.FETCH_BUTTON, elem_id="fetch", size="md")
        on.fetch_note = html(elem_id="fetch-note")
    html(render_template("screen"), elem_id="screen")


# --- Events -------------------------------------------------------------------------------------


def wire(page: gr.Blocks, on: Components, do: Handlers) -> None:
    """One line for each event; `on` are the components."""
    bound = events.Events(vars(on), do.history)
    bind, latest, once, stream = bound.bind, bound.latest, bound.once, bound.stream
    form = [on.files, on.prompt, on.one_edit_per_image]
    form_changes = [component.change for component in form]
    button_changes = [*form_changes, on.variants.change, on.shortcut.change, on.strip.change]
    opens = [on.history.select, on.results.select]

    # Edits.
    on.edit.click(**once(do.edit.start, events.EDIT, events.SHOWN), js=events.PRESSED)
    on.stop.click(**stream(do.edit.stop, ["shown", *events.SESSION], events.SHOWN))
    on.status.click(**stream(do.edit.sync, events.SESSION, events.SHOWN))  # stream.js
    pays = ["shown", *events.PAYMENT, *events.SESSION]
    on.results.click(**stream(do.edit.dispatch, pays, events.SHOWN))

    # What is looked at.
    gr.on(opens, **stream(do.page.show_run, events.SESSION, events.SHOWN))
    wanted = ["prediction_id", "api_key", *events.SESSION]
    gr.on([on.fetch.click, on.prediction_id.submit], **stream(do.page.fetch, wanted, events.SHOWN))
    loaded = ["visitor_id", *events.FILLED, "one_edit_per_image", "shown"]
    linked = scripts.call("address", "addToDraft")
    load = page.load(**bind(do.page.load_page, ["visitor_id", "draft"], loaded), js=linked)
    load.then(**stream(do.page.resume_run, ["shown", *events.SESSION], events.SHOWN))

    # The history.
    asked = ["api_key", "one_edit_per_image", "shown", *events.SESSION]
    browsed = [*events.FILLED, "exported", *events.SHOWN]
    on.history.click(**bind(do.history.dispatch, asked, browsed))

    # The form. The draft is kept first: Gradio runs the listeners of a change one after the other.
    kept = scripts.call("draft", "draftOf")
    gr.on(form_changes, None, form, on.draft, js=kept, **events.BROWSER_ONLY)
    used = ["one_edit_per_image", *events.SESSION]
    on.results.click(**bind(do.inputs.fill_form, used, events.FILLED))
    pictures = ["files", "one_edit_per_image", "visitor_id"]
    on.strip.click(**bind(do.inputs.dispatch, pictures, [*events.FILLED, "inputs_note"]))
    changes = [on.files.change, on.one_edit_per_image.change]
    gr.on(changes, **latest(do.inputs.preview_inputs, pictures, ["strip"]))
    gr.on(form_changes, **latest(do.inputs.check_prompt, events.FORM, ["prompt_hint"]))
    button = [on.files, on.prompt, on.variants, on.one_edit_per_image]
    gr.on(button_changes, None, button, on.edit, js=edit_button_script(), **events.BROWSER_ONLY)

    # The key.
    keyed = [page.load, on.api_key.blur, on.api_key.submit]
    paid = ["price_usd", "shortcut", "key_panel", "key_note"]
    gr.on(keyed, **latest(do.account.validate_key, ["api_key"], paid), js=events.KEY_AS_IT_IS)


def build(services: Services) -> gr.Blocks:
    """The page over its services."""
    on, covers = Components(), Covers(services.runner, services.nsfw)
    page = gr.Blocks(title=labels.TITLE, analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        state(on, services)
        header(on, services)
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="ask"):
                inputs(on)
                options(on, services)
            answer(on, covers)
        past(on)
        page.temp_file_sets.append(copies := set[str]())  # For `delete_cache`.
        previews.configure(copies)
        wire(page, on, Handlers.of(services, covers))
        add_endpoints(services)
    return page


def main(settings: Settings, handover: float = HANDOVER, policies: Policies = POLICIES) -> None:
    """Serves the page until it is interrupted; see `server.run`."""
    run(build, settings, handover, policies)


if __name__ == "__main__":
    main(SETTINGS)
