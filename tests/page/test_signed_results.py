"""A flagged result with Content Credentials says nothing of itself, and is covered all the same."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.conftest import AppWith
from tests.support.credentials import signed_png
from tests.support.service import Service
from tests.support.visits import ask, visit


def test_a_flagged_result_is_covered_wherever_it_is_used_again(
    app_with: AppWith, service: Service, browser: Browser, tmp_path: Path
) -> None:
    service.sign, service.nsfw = signed_png, True
    app = app_with(service)
    with visit(browser, app.url) as page:
        ask(page, "a signed one")
        expect(page.locator("#status [data-state=done]")).to_be_visible()
        data = app.log_file.parent / "data"
        [file] = data.rglob("*-a-signed-one-*.png")
        taken = tmp_path / "holiday.png"
        taken.write_bytes(file.read_bytes())
        card = page.locator("#history [data-testid=history-card]")
        card.get_by_text("Delete", exact=True).click()
        card.get_by_role("button", name="Delete it here").click()
        expect(card).to_have_count(0)
        assert not list(data.rglob("*-a-signed-one-*"))

    with visit(browser, app.url) as page:
        page.locator("#inputs input[type=file]").first.set_input_files(str(taken))
        expect(page.locator("#strip [data-testid=cover]")).to_be_visible()
