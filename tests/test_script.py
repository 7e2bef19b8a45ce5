"""`/edit` as a script calls it: gradio_client against the running app."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.apps import App, served
from tests.conftest import PHOTOS


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with served(tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="module")
def client(app: App, tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("downloads")
    return Client(app.url, verbose=False, download_files=folder, analytics_enabled=False)


def edit(client: Client, prompt: str, *files: Path, **options: bool) -> tuple[list[str], dict]:
    pictures = [handle_file(str(file)) for file in files]
    return client.predict(images=pictures, prompt=prompt, api_name="/edit", **options)  # type: ignore[no-any-return]


def size(file: str) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


@pytest.mark.parametrize("options", [{}, {"sync_mode": True}, {"base64_output": True}])
def test_a_script_gets_the_files_and_the_details(client: Client, options: dict[str, bool]) -> None:
    files, details = edit(client, "make it black and white", PHOTOS / "coffee.jpg", **options)

    assert [size(file) for file in files] == [(600, 400)]
    assert details["model"] == "openai/gpt-image-1-mini/edit"
    assert details["status"] == "completed"
    assert details["id"]
    assert details["created_at"].startswith("20")
    assert details["error"] == ""
    assert details["cost_usd"] == 0.02
    [output] = details["outputs"]
    size_bytes = Path(files[0]).stat().st_size
    assert output == {"nsfw": False, "width": 600, "height": 400, "size_bytes": size_bytes}
    timings = details["timings_ms"]
    parts = ("prepare", "upload", "queue", "inference", "download")
    assert list(timings) == [*parts, "total"]
    assert timings["inference"] > 100
    assert sum(timings[part] for part in parts) == pytest.approx(timings["total"], abs=10)


def test_a_flagged_picture_is_returned_and_its_flag_is_told(client: Client) -> None:
    files, details = edit(client, "warm [[nsfw]]", PHOTOS / "rocket.jpg")
    assert details["outputs"][0]["nsfw"] is True
    assert min(size(files[0])) > 100


def test_four_pictures_are_taken_and_five_are_refused(client: Client) -> None:
    four = [PHOTOS / f"{name}.jpg" for name in ("coffee", "rocket", "chelsea", "astronaut")]
    files, _ = edit(client, "side by side", *four)
    assert len(files) == 1
    with pytest.raises(AppError, match="5 pictures are too many"):
        edit(client, "x", *four, four[0])


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (" ", r"Say what should change\. Nothing was spent\."),
        ("x [[fail]]", r"The edit failed\..* refunds .* Change the prompt"),
        ("x [[moderated]]", r"content moderation\. Nothing was spent\. Change the prompt"),
        ("x [[nocredit]]", r"out of credit\. Nothing was spent\. Top up"),
    ],
)
def test_a_failed_edit_raises_what_a_person_would_read(
    client: Client, prompt: str, said: str
) -> None:
    with pytest.raises(AppError, match=said) as caught:
        edit(client, prompt, PHOTOS / "coffee.jpg")
    assert "Traceback" not in str(caught.value)


def test_a_file_that_is_no_picture_is_named_without_its_folder(
    client: Client, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    with pytest.raises(AppError, match=r"notes\.jpg") as caught:
        edit(client, "sepia", tmp_path / "notes.jpg")
    assert "/" not in str(caught.value)


@pytest.mark.parametrize("hostile", ["outside", "climbing", "data"])
def test_a_caller_can_name_no_file_of_the_servers(
    app: App, client: Client, tmp_path: Path, hostile: str
) -> None:
    """Only what was uploaded may be edited: else any picture on the machine could be fetched."""
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)
    cache = app.log_file.parent / "cache"
    path = {
        "outside": str(secret),
        "climbing": f"{cache}/../{secret.name}",
        "data": str(next((app.log_file.parent / "data").rglob("*.png"), secret)),
    }[hostile]
    image = {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = httpx.post(
        f"{app.url}/gradio_api/call/edit", json={"data": [[image], "sepia", False, False]}
    )
    events = httpx.get(f"{app.url}/gradio_api/call/edit/{call.json()['event_id']}", timeout=30)
    assert "event: error" in events.text
    assert "event: complete" not in events.text


@pytest.mark.parametrize("images", [None, "x", [None], [1], [{}], [{"path": None}], [[]]])
def test_nonsense_in_place_of_pictures_is_refused_without_a_traceback(
    app: App, images: object
) -> None:
    call = httpx.post(
        f"{app.url}/gradio_api/call/edit", json={"data": [images, "sepia", False, False]}
    )
    events = httpx.get(f"{app.url}/gradio_api/call/edit/{call.json()['event_id']}", timeout=30)
    assert "event: error" in events.text
    assert "Traceback" not in events.text
    assert ".py" not in events.text


def test_only_the_edit_is_public_and_it_is_described(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)
    assert isinstance(described, dict)
    assert list(described["named_endpoints"]) == ["/edit"]
    assert not described["unnamed_endpoints"]
    names = [p["parameter_name"] for p in described["named_endpoints"]["/edit"]["parameters"]]
    assert names == ["images", "prompt", "sync_mode", "base64_output"]


def test_the_results_on_the_disk_are_not_served(app: App, client: Client) -> None:
    edit(client, "sepia", PHOTOS / "coffee.jpg")
    kept = next((app.log_file.parent / "data").rglob("*.png"))
    assert httpx.get(f"{app.url}/gradio_api/file={kept}").status_code in (403, 404)


def test_run_history_is_off_so_that_no_input_is_kept_in_the_browser(app: App) -> None:
    config = json.loads(httpx.get(f"{app.url}/config").text)
    assert not config.get("run_history")
