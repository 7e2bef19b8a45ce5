"""Where nobody can ask to see a flagged picture, not even its address reaches a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import AppWith
from tests.support.apps import App, served
from tests.support.service import Service
from tests.support.visits import ask, tab, visit


@contextmanager
def everything_said(page: Page) -> Iterator[list[str]]:
    """All that the server says to the page, but for files."""
    said: list[str] = []

    def hear(event: object) -> None:
        said.append(str(event))

    page.expose_function("heard", hear)
    page.add_init_script(
        """
        const ask = window.fetch;
        window.fetch = async (...asked) => {
            const answer = await ask(...asked);
            if (answer.headers.get("content-type")?.includes("event-stream")) {
                const reader = answer.clone().body.pipeThrough(new TextDecoderStream()).getReader();
                const read = async () => {
                    for (let part; !(part = await reader.read()).done;) window.heard(part.value);
                };
                read().catch(() => {});
            }
            return answer;
        };
        window.EventSource = class extends EventSource {
            constructor(...asked) {
                super(...asked);
                this.addEventListener("message", (event) => window.heard(event.data));
            }
        };
        """
    )
    yield said


def edit_a_flagged_picture(page: Page) -> None:
    """Whose result is not flagged."""
    ask(page, "sepia [[nsfw]]")
    page.get_by_role("button", name="Show anyway").click()
    page.locator("#results").get_by_role("button", name="Use as input").click()
    expect(page.locator("#strip [data-testid=cover]")).to_be_visible()
    page.locator("#prompt textarea").fill("invert")
    page.locator("#edit").click()
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: invert")
    expect(page.locator("#history [data-testid=history-card]")).to_have_count(2)


def assert_nothing_of_it(said: list[str], page: Page) -> None:
    text = " ".join(said).replace("\\/", "/")
    assert "invert" in text, "nothing was heard"
    for word in ("sepia-nsfw", "/uploads/"):  # Here, and at the service.
        assert word not in text
    assert "sepia-nsfw" not in page.content()


def test_a_page_before_an_audience_is_not_told_where_a_flagged_input_is(
    app: App, page: Page
) -> None:
    edit_a_flagged_picture(page)
    stage = page.context.new_page()
    with everything_said(stage) as said:
        stage.goto(f"{app.url}/?show=1")
        expect(stage.locator("#results [data-testid=result]")).to_be_visible()
        expect(stage.locator("#prompt textarea")).to_have_value("invert")
        for button in stage.locator("#history").get_by_text("Use again").all():
            button.dispatch_event("click")  # Past the page, where none is shown.
        stage.wait_for_timeout(1000)
    assert_nothing_of_it(said, stage)


@pytest.mark.slow
def test_where_flagged_pictures_are_hidden_no_page_is_told_where_one_is(
    browser: Browser, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    with served(tmp_path) as app:
        port = int(app.url.rpartition(":")[2])
        with tab(context, app.url) as page:
            edit_a_flagged_picture(page)
    with served(tmp_path, port=port, WAVESPEED_NSFW="hide") as app:
        page = context.new_page()
        with everything_said(page) as said:
            page.goto(app.url)
            expect(page.locator("#results [data-testid=result]")).to_be_visible()
            for button in page.locator("#history").get_by_text("Use again").all():
                button.click()
            page.wait_for_timeout(1000)
        assert_nothing_of_it(said, page)
    context.close()


@pytest.mark.parametrize("mode", ["hide", pytest.param("blur", marks=pytest.mark.slow)])
def test_a_flagged_output_that_can_not_be_fetched_is_told_by_its_id_alone(
    app_with: AppWith, service: Service, browser: Browser, mode: str
) -> None:
    service.nsfw = True

    def spoil(moment: str) -> None:
        if moment == "download":
            for _, output, _ in service.tasks.values():
                service.files[output] = b"no picture at all"

    service.hook = spoil
    with visit(browser, app_with(service, WAVESPEED_NSFW=mode).url) as page:
        ask(page, "make it grey")
        expect(page.locator("#results [data-testid=problem]")).to_be_visible()
        [task_id] = service.tasks
        details = page.locator("#results [data-testid=problem] pre")
        expect(details).to_contain_text(f"prediction {task_id}")
        expect(page.locator("#results [data-testid=problem]")).to_contain_text("paid for")
        output = service.tasks[task_id][1]
        assert output not in page.content()
        assert output not in json.dumps(page.context.storage_state())
