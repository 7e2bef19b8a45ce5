"""The endpoints as scripts call them: gradio_client, and its sister in Node, against the app."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.conftest import PHOTOS
from tests.support.apps import ROOT, App, served
from tests.support.service import KEY, MODEL, VISITORS_KEY, Service, running


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
    # The last one is for models, and only there with requirements-mcp.txt.
    assert list(described["named_endpoints"]) == ["/edit", "/edit_stream", "/edit_picture"]
    assert not described["unnamed_endpoints"]
    for endpoint in ("/edit", "/edit_stream"):
        names = [p["parameter_name"] for p in described["named_endpoints"][endpoint]["parameters"]]
        assert names == ["images", "prompt", "sync_mode", "base64_output"]


def test_a_stream_tells_what_happens_while_it_happens(client: Client) -> None:
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    job = client.submit(images=[picture], prompt="sepia", api_name="/edit_stream")
    events, early = [], 0
    for event in job:
        events.append(event)
        early += not job.done()
    assert early >= 4
    steps = [event["step"] for event in events]
    passed = dict.fromkeys(steps)
    in_order = ["prepare", "upload", "queue", "process", "save"]
    # Where nobody looked while it was under way, that step went unseen.
    assert list(passed) in (in_order, [step for step in in_order if step != "process"])
    assert [event["seconds"] for event in events[:-1]] == sorted(e["seconds"] for e in events[:-1])
    assert {event["state"] for event in events[:-1]} == {"running"}
    assert all(event["message"] and "page" not in event["message"] for event in events)
    last = events[-1]
    assert last["state"] == "done"
    assert last["prediction_id"] == last["details"]["id"]
    assert [size(file) for file in last["files"]] == [(600, 400)]


def test_a_stream_ends_in_what_a_person_would_read(client: Client) -> None:
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    job = client.submit(images=[picture], prompt="x [[fail]]", api_name="/edit_stream")
    with pytest.raises(AppError, match=r"The edit failed\..* refunds .* Change the prompt"):
        job.result()
    assert job.outputs()[-1]["step"] in ("queue", "process")


def test_an_edit_goes_on_when_its_caller_hangs_up(app: App, client: Client) -> None:
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    job = client.submit(images=[picture], prompt="warm", api_name="/edit_stream")
    run = next(iter(job))["run"]
    job.cancel()
    deadline = time.monotonic() + 30
    while f"done, save [run {run}]" not in app.log() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert f"done, save [run {run}]" in app.log()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/tmp/x\0y", "has to be a file uploaded here"),
        ("http://x/gradio_api/file=//[/x", "has to be a file uploaded here"),
        ("{cache}/" + "x" * 5000, "has to be a file uploaded here"),
        ("data:image/png;base64," + "A" * 70_000_000, "may hold 50 MB"),
    ],
)
def test_an_address_of_no_file_is_refused_with_what_it_cost(app: App, path: str, said: str) -> None:
    image = {"path": path.replace("{cache}", str(app.log_file.parent / "cache"))}
    before = len(app.log())
    call = httpx.post(
        f"{app.url}/gradio_api/call/edit",
        json={"data": [[image], "sepia", False, False]},
        timeout=60,
    )
    events = httpx.get(f"{app.url}/gradio_api/call/edit/{call.json()['event_id']}", timeout=60)
    assert said in events.text
    assert "Nothing was spent." in events.text
    assert "Traceback" not in app.log()[before:]


def test_how_many_pictures_are_too_many_is_told_right(client: Client) -> None:
    with pytest.raises(AppError, match="7 pictures are too many"):
        edit(client, "x", *[PHOTOS / "coffee.jpg"] * 7)


def test_what_a_person_would_see_on_the_page_a_script_is_not_told(client: Client) -> None:
    with pytest.raises(AppError) as caught:
        edit(client, "x [[fail]]", PHOTOS / "coffee.jpg")
    assert "still here" not in str(caught.value)


def test_the_readmes_node_script_says_where_the_result_is_and_ends(
    app: App, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = readme.split("```js\n")[1].split("```")[0]
    script = ROOT / "tests" / "node" / f"readme-{tmp_path.name}.mjs"  # Beside its modules.
    picture = str(PHOTOS / "coffee.jpg")
    script.write_text(
        code.replace("http://localhost:7860", app.url).replace("cup.jpg", picture),
        encoding="utf-8",
    )
    node = shutil.which("node", path=Path(sys.executable).parent) or "node"
    try:
        done = subprocess.run([node, script], capture_output=True, text=True, timeout=60)
    finally:
        script.unlink()
    assert done.returncode == 0, done.stderr
    address, flag = done.stdout.split()
    assert httpx.get(address).headers["content-type"] == "image/png"
    assert flag == "false"


def in_node(app: App, endpoint: str, prompt: str, *key: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of tests/node/edit.mjs, and its lines."""
    picture = str(PHOTOS / "coffee.jpg")
    script = [str(ROOT / "tests" / "node" / "edit.mjs"), app.url, endpoint, prompt, picture, *key]
    node = shutil.which("node", path=Path(sys.executable).parent) or "node"
    done = subprocess.run([node, *script], capture_output=True, text=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_node_gets_the_files_and_the_details(app: App) -> None:
    code, [answer] = in_node(app, "/edit", "make it black and white")
    assert code == 0
    [file], details = answer["data"]
    assert httpx.get(file["url"]).headers["content-type"] == "image/png"
    assert details["outputs"][0]["nsfw"] is False


@pytest.mark.slow
def test_node_hears_the_stream_while_it_happens(app: App) -> None:
    code, events = in_node(app, "/edit_stream", "sepia")
    assert code == 0
    told = [event["data"][0] for event in events]
    assert told[0]["step"] == "prepare"
    assert told[-1]["state"] == "done"
    assert httpx.get(told[-1]["files"][0]["url"]).headers["content-type"] == "image/png"
    # The first came long before the last: nobody held them back.
    assert events[-1]["at"] - events[0]["at"] > 200


@pytest.mark.slow
def test_node_reads_what_went_wrong(app: App) -> None:
    code, events = in_node(app, "/edit", "x [[fail]]")
    assert code == 1
    assert "refunds failed runs" in events[-1]["error"]


@pytest.mark.slow
def test_nodes_own_key_pays_its_own_price(tmp_path: Path) -> None:
    service = Service(seconds=0.2)
    service.price = 0.035
    with running(service) as url:
        settings = {"WAVESPEED_API_KEY": KEY, "WAVESPEED_BASE_URL": url}
        with served(tmp_path, **settings) as app:
            code, [answer] = in_node(app, "/edit", "grey", VISITORS_KEY)
    assert code == 0
    assert answer["data"][1]["cost_usd"] == 0.035
    assert [key for path, key in service.keys if path == MODEL] == [VISITORS_KEY]


def test_the_results_on_the_disk_are_not_served(app: App, client: Client) -> None:
    edit(client, "sepia", PHOTOS / "coffee.jpg")
    kept = next((app.log_file.parent / "data").rglob("*.png"))
    assert httpx.get(f"{app.url}/gradio_api/file={kept}").status_code in (403, 404)


def test_run_history_is_off_so_that_no_input_is_kept_in_the_browser(app: App) -> None:
    config = json.loads(httpx.get(f"{app.url}/config").text)
    assert not config.get("run_history")
