"""A Space whose key pays for all the world has a limit, unless its owner says there is none."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.apps import App, served
from tests.support.service import KEY, Service, running
from wavespeed.studio.settings import SettingsError, from_environment

SPACE = {"SPACE_ID": "someone/image-edit"}
LOGIN = "someone:password"


@pytest.mark.parametrize(
    ("environment", "budget", "is_default"),
    [
        (SPACE | {"WAVESPEED_API_KEY": "k"}, 5.0, True),
        (SPACE | {"WAVESPEED_API_KEY": "k", "WAVESPEED_BUDGET_USD": "none"}, None, False),
        (SPACE | {"WAVESPEED_API_KEY": "k", "WAVESPEED_BUDGET_USD": " None "}, None, False),
        (SPACE | {"WAVESPEED_API_KEY": "k", "WAVESPEED_BUDGET_USD": "20"}, 20.0, False),
        (SPACE | {"WAVESPEED_API_KEY": "k", "WAVESPEED_BUDGET_USD": "0"}, 0.0, False),
        (SPACE | {"WAVESPEED_API_KEY": "k", "WAVESPEED_REQUIRE_VISITOR_KEY": "1"}, None, False),
        (SPACE, None, False),
        ({"WAVESPEED_API_KEY": "k"}, None, False),
        ({"WAVESPEED_API_KEY": "k", "WAVESPEED_BUDGET_USD": "none"}, None, False),
    ],
)
def test_an_open_space_has_a_budget_that_nobody_had_to_think_of(
    environment: dict[str, str], budget: float | None, is_default: bool
) -> None:
    settings = from_environment(environment)
    assert (settings.budget_usd, settings.is_default_budget) == (budget, is_default)


@pytest.mark.parametrize("hosts", ["https://x.example", "x.example/", "a b", "x:port", "*", "[::1"])
def test_a_host_is_a_name_and_nothing_else(hosts: str) -> None:
    with pytest.raises(SettingsError, match="WAVESPEED_HOSTS"):
        from_environment({"WAVESPEED_HOSTS": hosts})


def test_hosts_are_names_with_commas_between() -> None:
    hosts = from_environment({"WAVESPEED_HOSTS": " Edit.Example.com, x.example:8080,,[::1]"}).hosts
    assert hosts == ("edit.example.com", "x.example:8080", "[::1]")


def test_the_page_is_known_by_the_name_of_its_space_or_of_its_proxy() -> None:
    space = from_environment(SPACE | {"SPACE_HOST": "someone-image-edit.hf.space"})
    assert space.public_host == "someone-image-edit.hf.space"
    proxied = from_environment({"GRADIO_ROOT_PATH": "https://x.example/demo"})
    assert proxied.public_host == "x.example"
    assert from_environment({"GRADIO_ROOT_PATH": "/demo"}).public_host is None


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    service = Service(seconds=0.3)
    with running(service) as url:
        settings = SPACE | {
            "SYSTEM": "spaces",
            "SPACE_HOST": "someone-image-edit.hf.space",
            "WAVESPEED_API_KEY": KEY,
            "WAVESPEED_BASE_URL": url,
            "WAVESPEED_AUTH": LOGIN,
        }
        with served(tmp_path_factory.mktemp("space"), **settings) as app:
            yield app


@pytest.fixture
def client(space: App) -> Iterator[httpx.Client]:
    """Somebody who has logged in."""
    user, password = LOGIN.split(":")
    with httpx.Client(base_url=space.url, trust_env=False) as client:
        answer = client.post("/login", data={"username": user, "password": password})
        # Within the frame of another site, a cookie goes along only if it says so.
        assert "samesite=none" in answer.headers["set-cookie"].lower()
        name, value = answer.headers.get_list("set-cookie")[1].split(";")[0].split("=", 1)
        client.headers["Cookie"] = f"{name}={value}"
        yield client


def test_the_limit_is_said_at_the_start_and_on_the_page(space: App, client: httpx.Client) -> None:
    assert "can spend 5 USD a day" in space.log()
    assert "WAVESPEED_BUDGET_USD" in space.log()
    assert "All visitors together can spend $5.00 a day here." in client.get("/config").text


def test_a_space_is_framed_by_the_hub_and_asked_by_itself(client: httpx.Client) -> None:
    framed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    page = client.get("/", headers=framed)
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy == "frame-ancestors 'self' https://huggingface.co"
    for origin, status in (
        ("https://someone-image-edit.hf.space", 200),
        ("https://stranger.hf.space", 403),
        ("https://huggingface.co", 403),
    ):
        assert client.get("/config", headers={"Origin": origin}).status_code == status


def test_without_a_space_nothing_is_said_of_a_limit(app: App) -> None:
    assert "can spend" not in app.log()
    assert "All visitors together" not in httpx.get(f"{app.url}/config").text
