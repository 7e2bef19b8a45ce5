"""For everyone: keyboard, screen reader, contrast, little motion, a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.conftest import PHOTOS
from tests.support.apps import App
from tests.support.visits import ask, drop, tab

# What axe finds in Gradio's own chrome, and we can't mend: rule, and where.
GRADIOS_OWN = {
    # The upload button of the gallery stands inside another button.
    ("nested-interactive", "#inputs"),
}


def found(page: Page) -> list[str]:
    """What is wrong in the page's own elements, a line each."""
    violations = Axe().run(page).response["violations"]
    places = [
        (rule["id"], "".join(map(str, node["target"])), node["html"][:120])
        for rule in violations
        for node in rule["nodes"]
    ]
    own = [
        f"{rule}: {target}: {html}"
        for rule, target, html in places
        if not any(rule == known and _is_in(page, target, where) for known, where in GRADIOS_OWN)
    ]
    return sorted(own)


def _is_in(page: Page, target: str, where: str) -> bool:
    return bool(page.locator(target).first.evaluate(f"element => !!element.closest('{where}')"))


def assert_fits_and_is_accessible(page: Page, state: str) -> None:
    """What is true in each state: nothing is wider than the screen, and axe finds nothing."""
    for width in (390, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{state}: {wide}"
    for theme in ("light", "dark"):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        settle(page)
        assert found(page) == [], f"{state}, {theme}"


def settle(page: Page) -> None:
    """Colours that are still fading are at their ends: axe measures what it sees."""
    page.evaluate(
        """() => {
            for (const moving of document.getAnimations())
                if (moving.effect.getComputedTiming().endTime !== Infinity) moving.finish();
        }"""
    )


def test_a_result_fits_and_is_accessible_in_both_themes(page: Page) -> None:
    ask(page, "sepia")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    expect(page.locator("#history li")).to_have_count(1)
    page.locator("[data-testid=details] summary").click()
    assert_fits_and_is_accessible(page, "result")


@pytest.mark.slow
def test_an_edit_fits_and_is_accessible_in_any_state_in_both_themes(page: Page) -> None:
    assert_fits_and_is_accessible(page, "empty")
    ask(page, "sepia [[slow]]")
    expect(page.locator("#status [data-testid=step-run]", has_text="Process")).to_be_visible()
    assert_fits_and_is_accessible(page, "busy")
    page.locator("#stop").click()
    for prompt, seen, details in (
        ("sepia", "[data-testid=result]", "[data-testid=details] summary"),
        ("warm [[nsfw]]", "[data-testid=cover]", "[data-testid=details] summary"),
        ("warm [[fail]]", "[data-testid=problem]", "[data-testid=problem] summary"),
    ):
        page.locator("#prompt textarea").fill(prompt)
        page.locator("#edit").click()
        expect(page.locator(f"#results {seen}")).to_be_visible()
        expect(page.locator("#edit")).to_be_visible()
        page.locator(details).click()
        assert_fits_and_is_accessible(page, prompt)


@pytest.mark.slow
def test_variants_fit_and_are_accessible_in_both_themes(page: Page) -> None:
    ask(page, "sepia")
    expect(page.locator("#results [data-testid=result]")).to_have_count(1)
    page.get_by_label("2", exact=True).check()
    page.locator("#edit").click()
    expect(page.locator("#results [data-testid=result]")).to_have_count(2)
    expect(page.locator("#history [data-testid=history-card]")).to_have_count(3)
    page.get_by_role("button", name="Export").click()
    expect(page.locator("#exported a")).to_have_count(2)
    assert_fits_and_is_accessible(page, "variants, and an export")
    page.locator("[data-testid=tile]").first.hover()
    page.get_by_role("button", name="Full screen").first.click()
    expect(page.get_by_role("dialog", name="Full screen")).to_be_visible()
    assert_fits_and_is_accessible(page, "full screen")


@pytest.mark.slow
def test_pictures_on_their_own_fit_and_are_accessible_in_both_themes(
    app: App, page: Page, tmp_path: Path
) -> None:
    fake = tmp_path / "holiday.jpg"
    fake.write_text("this is no picture")
    drop(page, PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg", fake)
    expect(page.locator("#strip [data-testid=note]")).to_be_visible()
    page.get_by_label("Each picture on its own").check()
    page.locator("#prompt textarea").fill("sepia")
    page.locator("#edit").click()
    expect(page.locator("#status")).to_contain_text("2 of 3 done, 1 failed.")
    expect(page.get_by_role("button", name="Download all")).to_be_visible()
    assert_fits_and_is_accessible(page, "each on its own")
    with tab(page.context, f"{app.url}/?show=1") as stage:
        expect(stage.locator("#results [data-testid=tile-done]")).to_have_count(2)
        assert_fits_and_is_accessible(stage, "before an audience")


@pytest.mark.slow
def test_everything_can_be_reached_by_keyboard_and_is_seen_in_focus(page: Page) -> None:
    ask(page, "sepia")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    expect(page.locator("#history li")).to_have_count(1)
    page.locator("#answer").evaluate("document.activeElement.blur()")
    reached, unseen = set(), []
    for _ in range(70):
        page.keyboard.press("Tab")
        name, outlined = page.evaluate(
            """() => {
                const focused = document.activeElement;
                if (focused.matches("input[type=hidden], .gradio-container") || focused === document.body || focused.matches("main, html")) return ["BODY", true];
                const style = getComputedStyle(focused);
                const after = getComputedStyle(focused, "::after");
                const seen = [style.outlineStyle, after.outlineStyle].some((s) => s !== "none")
                    || style.boxShadow !== "none"
                    || (focused.closest("label") && getComputedStyle(focused.closest("label")).outlineStyle !== "none")
                    || style.borderColor.includes("11, 99, 206");
                return [focused.getAttribute("aria-label") || focused.innerText?.trim() || focused.id || focused.tagName, seen];
            }"""  # noqa: E501 - JavaScript
        )
        reached.add(name)
        if not outlined and name != "BODY":
            unseen.append(name)
    for part in (
        "Put “image 1” into the prompt",
        "Take picture 1 away",
        "Add a picture",
        "Edit",
        "Compare with the picture before: arrow keys, or hold B",
        "Full screen",
        "Copy link",
        "Use as input",
        "Download",
        "Details",
        "Open: sepia",
        "Delete",
    ):
        assert any(part in one for one in reached), f"{part} can't be reached"
    assert not unseen, f"not seen in focus: {unseen}"


@pytest.mark.slow
def test_little_motion_is_honoured(page: Page) -> None:
    """Every visitor of these tests asks for it."""
    ask(page, "sepia [[slow]]")
    running = page.locator("#status [data-testid=step-run] i")
    expect(running.first).to_be_visible()
    moves = running.first.evaluate("bar => getComputedStyle(bar, '::after').animationName")
    assert moves == "none"


def test_the_status_is_read_out_and_every_field_has_a_name(page: Page) -> None:
    expect(page.locator("#status [aria-live=polite]")).to_have_text("Ready.")
    for name in ("What should change?", "Variants"):
        assert page.get_by_label(name).count() or page.get_by_role("radiogroup", name=name)
    ask(page, "sepia")
    picture = page.get_by_role("img", name="Result: sepia")
    expect(picture).to_be_visible()


def test_on_a_phone_the_button_stays_within_the_thumbs_reach(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 600})
    drop(page, PHOTOS / "coffee.jpg")
    page.locator("#strip").scroll_into_view_if_needed()
    expect(page.locator("#edit")).to_be_in_viewport(ratio=1)
    page.locator("footer").scroll_into_view_if_needed()
    expect(page.locator("#edit")).to_be_in_viewport(ratio=1)


@pytest.mark.slow
def test_the_focus_is_not_lost_where_a_button_makes_room_for_another(page: Page) -> None:
    drop(page, PHOTOS / "coffee.jpg")
    page.locator("#prompt textarea").fill("warm [[nsfw]] [[ratelimit]]")
    expect(page.locator("#edit")).to_be_enabled()
    page.locator("#edit").press("Enter")
    expect(page.locator("#stop")).to_be_focused()
    page.get_by_role("button", name="Show anyway").press("Enter")
    expect(page.get_by_role("button", name="Cover again")).to_be_visible()
    expect(page.locator("#results :focus")).to_have_count(1)
    menu = page.locator("#history [data-testid=menu]")
    menu.locator("summary").press("Enter")
    expect(page.get_by_role("button", name="Delete it here")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete it here")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()


def test_what_is_for_a_space_is_not_shown_elsewhere(blank_page: Page) -> None:
    expect(blank_page.locator("#engine")).to_be_visible()
    expect(blank_page.get_by_role("button", name="Duplicate")).to_have_count(0)
    expect(blank_page.get_by_label("Your WaveSpeed key")).to_be_hidden()
