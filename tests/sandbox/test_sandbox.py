"""The sandbox answers as the service does: clause by clause, over a real socket."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from wavespeed.sandbox import Sandbox, serve
from wavespeed.sandbox.imaging.effects import to_pixels
from wavespeed.sandbox.imaging.pipeline import edit
from wavespeed.sandbox.imaging.prompt import EFFECTS, wanted
from wavespeed.sandbox.tasks import KEEP_TASKS

MODEL = "/api/v3/openai/gpt-image-1-mini/edit"
KEY = {"Authorization": "Bearer ws-1234"}


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(seconds=(0.02, 0.05), sync_limit=0.3)
    yield sandbox
    assert not sandbox.unmet


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with serve(sandbox) as url, httpx.Client(base_url=url, headers=KEY) as http:
        yield http


def saved(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def png(colour: str = "teal", size: tuple[int, int] = (32, 24)) -> bytes:
    return saved(Image.new("RGB", size, colour))


def data_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def submit(http: httpx.Client, prompt: str = "sepia", **fields: Any) -> httpx.Response:
    return http.post(MODEL, json={"prompt": prompt, "images": [data_uri(png())], **fields})


def ended(http: httpx.Client, prediction_id: str) -> dict[str, Any]:
    """The prediction once it has ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        data: dict[str, Any] = http.get(f"/api/v3/predictions/{prediction_id}/result").json()[
            "data"
        ]
        if data["status"] in ("completed", "failed"):
            return data
        time.sleep(0.01)
    raise AssertionError(f"{prediction_id} never ended")


def run(http: httpx.Client, prompt: str = "sepia", **fields: Any) -> dict[str, Any]:
    return ended(http, submit(http, prompt, **fields).json()["data"]["id"])


def ticket(http: httpx.Client, content: bytes) -> dict[str, Any]:
    wish = {"filename": "a.png", "size": len(content), "content_type": "image/png"}
    data: dict[str, Any] = http.post("/api/v3/media/uploads", json=wish).json()["data"]
    return data


# Predictions


def test_an_edit_goes_from_created_over_processing_to_completed() -> None:
    clock = Clock()
    sandbox = Sandbox(seconds=(10, 20), clock=clock)
    with serve(sandbox) as url, httpx.Client(base_url=url, headers=KEY) as http:
        first = submit(http).json()
        clock.now += 6
        second = http.get(f"/api/v3/predictions/{first['data']['id']}").json()["data"]
        clock.now += 20
        last = http.get(f"/api/v3/predictions/{first['data']['id']}/result").json()["data"]

    assert (first["code"], first["message"]) == (200, "success")
    assert [first["data"]["status"], second["status"], last["status"]] == [
        "created",
        "processing",
        "completed",
    ]
    assert first["data"]["outputs"] == first["data"]["has_nsfw_contents"] == []
    assert first["data"]["created_at"] == "2025-06-15T15:06:40.000000000Z"
    assert last["urls"]["get"].endswith(f"/api/v3/predictions/{last['id']}/result")
    assert last["has_nsfw_contents"] == [False]
    assert 0 < last["timings"]["inference"] < last["executionTime"] <= 20_000


def test_a_seed_repeats_the_durations() -> None:
    def durations(seed: int) -> list[float]:
        sandbox = Sandbox(seed=seed)
        tasks = [sandbox.submit("x", ["data:,"], base64=False) for _ in range(20)]
        return [round(task.ends - task.created, 3) for task in tasks]

    assert durations(1) == durations(1) != durations(2)
    assert all(1 <= seconds <= 3 for seconds in durations(1))


def test_outputs_lie_on_a_host_without_a_key_or_an_api(
    http: httpx.Client, sandbox: Sandbox
) -> None:
    output = run(http)["outputs"][0]

    picture = httpx.get(output)

    assert Image.open(io.BytesIO(picture.content)).format == "PNG"
    assert httpx.get(f"{sandbox.file_host}/api/v3/balance", headers=KEY).status_code == 404
    assert http.get(httpx.URL(output).path).status_code == 404
    [download] = sandbox.calls("download")
    assert f"http://{download.host}" == sandbox.file_host
    assert "authorization" not in download.headers


def test_base64_comes_bare_and_not_with_a_webhook(http: httpx.Client) -> None:
    [output] = run(http, enable_base64_output=True)["outputs"]
    refused = http.post(
        MODEL + "?webhook=https://example.com/hook",
        json={"prompt": "x", "images": ["x"], "enable_base64_output": True},
    )

    assert base64.b64decode(output, validate=True).startswith(b"\x89PNG")
    assert (refused.status_code, list(refused.json())) == (400, ["error"])


def test_sync_mode_holds_the_answer_until_the_end_or_the_limit(http: httpx.Client) -> None:
    done = submit(http, enable_sync_mode=True).json()["data"]
    late = submit(http, "[[stuck]]", enable_sync_mode=True)

    assert (done["status"], len(done["outputs"])) == ("completed", 1)
    assert late.status_code == late.json()["code"] == 200
    data = late.json()["data"]
    assert (data["status"], data["code"]) == ("processing", 5004)
    assert "Sync mode timed out" in data["error"]
    again = http.get(f"/api/v3/predictions/{data['id']}/result").json()["data"]
    assert again["status"] == "processing"
    assert "code" not in again


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"prompt": None}, 1400),
        ({"prompt": " \n"}, 1400),
        ({"prompt": 7}, 1401),
        ({"prompt": "x" * 32_001}, 1401),
        ({"images": None}, 1400),
        ({"images": []}, 1400),
        ({"images": "https://example.com/a.png"}, 1401),
        ({"images": [1]}, 1401),
        ({"images": [""]}, 1401),
        ({"images": ["x"] * 5}, 1401),
        ({"enable_sync_mode": "yes"}, 1401),
    ],
)
def test_a_wrong_parameter_is_refused_and_not_charged(
    http: httpx.Client, change: dict[str, Any], code: int
) -> None:
    refused = submit(http, **{"prompt": "x", **change})

    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert balance(http) == 10.0


def test_an_unknown_model_is_refused_and_an_unknown_field_dropped(http: httpx.Client) -> None:
    refused = http.post("/api/v3/openai/dall-e-9", json={"prompt": "x", "images": ["x"]})

    assert refused.status_code == 400
    assert submit(http, size="1024x1024", n=4).status_code == 200
    assert http.post(MODEL, content=b"[" * 100_000).status_code == 400
    assert http.put(MODEL).status_code == 405


def test_a_deleted_prediction_is_gone(http: httpx.Client) -> None:
    done = run(http)

    answer = http.post("/api/v3/predictions/delete", json={"ids": [done["id"], "other"]})

    assert answer.json()["data"] == {"deleted_count": 1}
    assert http.get(f"/api/v3/predictions/{done['id']}/result").status_code == 404
    assert httpx.get(done["outputs"][0]).status_code == 404


def test_the_list_finds_a_submission_again() -> None:
    clock = Clock()
    with serve(Sandbox(clock=clock)) as url, httpx.Client(base_url=url, headers=KEY) as http:
        ids = []
        for prompt in ("warm", "cool", "[[stuck]]"):
            ids.append(submit(http, prompt).json()["data"]["id"])
            clock.now += 10

        def found(**filters: object) -> list[str]:
            data = http.post("/api/v3/predictions", json=filters).json()["data"]
            return [item["id"] for item in data["items"]]

        assert found() == ids[::-1]
        assert found(page=2, page_size=2) == ids[:1]
        assert found(status="completed") == [ids[1], ids[0]]
        assert found(created_after="2025-06-15T15:06:50.000000000Z") == [ids[2], ids[1]]
        assert found(created_before="2025-06-15T15:06:45Z") == [ids[0]]
        assert found(model="other") == []
        for wrong in ({"page_size": 101}, {"page": 0}, {"created_after": "soon"}):
            assert http.post("/api/v3/predictions", json=wrong).status_code == 400


def test_the_oldest_task_makes_room() -> None:
    sandbox = Sandbox()
    first = sandbox.submit("x", ["data:,"], base64=False)
    for _ in range(KEEP_TASKS):
        sandbox.submit("x", ["data:,"], base64=False)

    assert len(sandbox.tasks) == KEEP_TASKS
    assert first.id not in sandbox.tasks


# Keys, money, models


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic x"}, {"Authorization": "Bearer invalid"}]
)
def test_without_a_good_key_there_is_nothing(http: httpx.Client, headers: dict[str, str]) -> None:
    bare = httpx.Client(base_url=http.base_url, headers={"X-API-Key": "ws-1234", **headers})
    with bare:
        assert submit(bare).status_code == 401
        assert bare.get("/api/v3/balance").json()["code"] == 401


def balance(http: httpx.Client) -> float:
    amount: float = http.get("/api/v3/balance").json()["data"]["balance"]
    return amount


def test_an_edit_costs_two_cents_and_a_failed_one_nothing(http: httpx.Client) -> None:
    run(http)
    run(http, "[[fail]]")

    assert balance(http) == 9.98
    assert http.get("/api/v3/account/balance").json()["data"] == {"balance": 9.98}


def test_prices_models_and_the_secret(http: httpx.Client) -> None:
    wish = {"model_id": MODEL.removeprefix("/api/v3/"), "inputs": {}}
    price = http.post("/api/v3/model/price", json=wish).json()["data"]
    [model] = http.get("/api/v3/models").json()["data"]

    assert (price["price"], price["discounted_price"], price["currency"]) == (0.02, 0.02, "USD")
    assert http.post("/api/v3/model/pricing", json=wish).json()["data"] == {"unit_price": 0.02}
    assert http.post("/api/v3/model/price", json={"model_id": "x"}).status_code == 400
    assert model["model_id"] == wish["model_id"]
    secret = http.get("/api/v3/webhook/secret").json()["data"]["secret"]
    assert secret.startswith("whsec_")


# Files


def test_a_ticket_takes_the_very_request_that_was_signed_and_once(http: httpx.Client) -> None:
    content = png("orange")
    given = ticket(http, content)
    url, headers = given["upload"]["url"], given["upload"]["headers"]

    def put(**changed: str | None) -> int:
        sent = {name: value for name, value in {**headers, **changed}.items() if value}
        return httpx.put(url, headers=sent, content=content).status_code

    assert httpx.get(given["download_url"]).status_code == 404
    assert put(**KEY) == 400
    assert put(**{"Content-Type": "image/jpeg"}) == 403
    assert put(**{"If-None-Match": None}) == 403
    assert put() == 200
    assert put() == 412
    assert httpx.get(given["download_url"]).content == content


def test_the_older_form_takes_a_file_too(http: httpx.Client) -> None:
    answer = http.post("/api/v3/media/upload/binary", files={"file": ("a.png", png(), "image/png")})
    wrong = http.post("/api/v3/media/upload/binary", files={"other": b"x"})

    data = answer.json()["data"]
    assert (data["type"], data["filename"], data["size"]) == ("image", "a.png", len(png()))
    assert run(http, images=[data["download_url"]])["status"] == "completed"
    assert wrong.status_code == 400


def test_what_is_too_large_is_refused(http: httpx.Client) -> None:
    wish = {"filename": "a.png", "size": 21 * 1024 * 1024, "content_type": "image/png"}

    assert http.post("/api/v3/media/uploads", json=wish).status_code == 413


class Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = png("red") if self.path == "/red.png" else b"<html>no picture</html>"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Nothing."""


def test_pictures_elsewhere_are_really_fetched(http: httpx.Client) -> None:
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        good = run(http, images=[f"{host}/red.png"], prompt="mirror")
        bad = run(http, images=[f"{host}/page"])
        server.shutdown()

    picture = Image.open(io.BytesIO(httpx.get(good["outputs"][0]).content))
    assert picture.getpixel((0, 0)) == (255, 0, 0)
    assert bad["code"] == 1402


def bomb() -> bytes:
    return saved(Image.new("1", (12_000, 12_000)))


@pytest.mark.parametrize(
    "image",
    [
        "/etc/hostname",
        "file:///etc/hostname",
        "http://127.0.0.1:9/nothing.png",
        "http://[",
        "data:image/png,plain",
        "data:image/png;base64,%%%",
        data_uri(b"no picture"),
        data_uri(png()[:60]),
        data_uri(bomb()),
        "\ud800",
    ],
)
def test_a_picture_that_cannot_be_read_fails_the_task(http: httpx.Client, image: str) -> None:
    body = json.dumps({"prompt": "x", "images": [image]})  # In ASCII: half a surrogate passes.

    failed = ended(http, http.post(MODEL, content=body).json()["data"]["id"])

    assert (failed["status"], failed["code"]) == ("failed", 1402)
    assert failed["outputs"] == failed["has_nsfw_contents"] == []
    assert failed["error"]


# Prompts that try the unhappy ways


def test_nsfw_completes_and_flags(http: httpx.Client) -> None:
    data = run(http, "warm [[nsfw]]")

    assert (data["status"], data["has_nsfw_contents"]) == ("completed", [True])


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [("[[moderated]]", 400, 1200), ("[[nocredit]]", 402, 1407), ("[[outage]]", 503, 5003)],
)
def test_some_prompts_are_refused_at_once(
    http: httpx.Client, prompt: str, status: int, code: int
) -> None:
    refused = submit(http, f"warm {prompt}")

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert balance(http) == 10.0


def test_fail_fails(http: httpx.Client) -> None:
    data = run(http, "[[fail]]")

    assert (data["status"], data["code"]) == ("failed", 1405)
    assert data["error"]


def test_ratelimit_works_the_third_time(http: httpx.Client) -> None:
    answers = [submit(http, "[[ratelimit]]") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "2"


def test_slow_takes_twenty_seconds_and_stuck_forever() -> None:
    sandbox = Sandbox(clock=lambda: 0.0)
    slow = sandbox.submit("[[slow]]", ["data:,"], base64=False)
    stuck = sandbox.submit("[[stuck]]", ["data:,"], base64=False)
    slow.outcome.result()

    assert (slow.status(19.9), slow.status(20)) == ("processing", "failed")
    assert stuck.status(1e12) == "processing"


# Faults and the journal


def test_a_dropped_submission_was_processed_unless_said_otherwise(
    http: httpx.Client, sandbox: Sandbox
) -> None:
    sandbox.fail("submit", drop=True)
    sandbox.fail("submit", drop=True, processed=False)

    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            submit(http)

    assert len(sandbox.calls("submit")) == 2
    assert len(sandbox.tasks) == 1


FAULTS: list[tuple[dict[str, Any], Callable[[httpx.Response], bool]]] = [
    ({"status": 503}, lambda it: it.status_code == it.json()["code"] == 503),
    ({"status": 500}, lambda it: list(it.json()) == ["error"]),
    ({"status": 502}, lambda it: it.text.startswith("<html>")),
    ({"status": 401}, lambda it: "error_code" in it.json()),
    ({"status": 429, "headers": {"Retry-After": "2"}}, lambda it: it.headers["retry-after"] == "2"),
    ({"status": 200, "body": b"<html>oops"}, lambda it: it.text == "<html>oops"),
    ({"body": {"code": 200, "data": None}}, lambda it: it.json()["data"] is None),
    ({"data": {"balance": None}}, lambda it: it.json()["data"] == {"balance": None}),
    ({"delay": 0.2}, lambda it: it.elapsed.total_seconds() > 0.2),
]


@pytest.mark.parametrize(("fault", "met"), FAULTS)
def test_a_fault_is_met_once(
    http: httpx.Client,
    sandbox: Sandbox,
    fault: dict[str, Any],
    met: Callable[[httpx.Response], bool],
) -> None:
    sandbox.fail("balance", **fault)
    assert sandbox.unmet

    assert met(http.get("/api/v3/balance"))
    assert balance(http) == 10.0


def test_a_refusal_has_no_effect(http: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fail("submit", status=503)
    sandbox.fail("submit", status=504, processed=True)

    assert [submit(http).status_code, len(sandbox.tasks)] == [503, 0]
    assert [submit(http).status_code, len(sandbox.tasks)] == [504, 1]


def test_a_download_can_end_too_early(http: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fail("download", cut=100)
    output = run(http)["outputs"][0]

    with pytest.raises(httpx.RemoteProtocolError, match="received 100 bytes"):
        httpx.get(output)
    assert httpx.get(output).status_code == 200


def test_a_fault_nobody_can_meet_is_a_mistake(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="sumbit"):
        sandbox.fail("sumbit", status=500)
    with pytest.raises(ValueError, match="does nothing"):
        sandbox.fail("submit")
    with pytest.raises(TypeError):
        sandbox.fail("submit", state=500)


def test_the_journal_keeps_what_was_sent(http: httpx.Client, sandbox: Sandbox) -> None:
    submit(http, "cool")
    balance(http)

    first, second = sandbox.calls()
    assert (first.operation, first.method, first.path) == ("submit", "POST", MODEL)
    assert first.headers["authorization"] == KEY["Authorization"]
    assert isinstance(first.body, dict)
    assert first.body["prompt"] == "cool"
    assert (second.operation, second.body) == ("balance", None)
    assert second.at >= first.at


def test_it_stops_at_once_while_a_call_is_open() -> None:
    sandbox = Sandbox()
    errors: list[Exception] = []

    def wait(url: str) -> None:
        with httpx.Client(base_url=url, headers=KEY) as http:
            try:
                submit(http, "[[stuck]]", enable_sync_mode=True)
            except httpx.HTTPError as error:
                errors.append(error)

    with serve(sandbox) as url:
        waiting = Thread(target=wait, args=(url,))
        waiting.start()
        while not sandbox.tasks:
            time.sleep(0.01)
        leaving = time.monotonic()

    assert time.monotonic() - leaving < 1
    waiting.join(5)
    assert errors


def test_a_taken_port_says_so() -> None:
    with serve(Sandbox()) as url, pytest.raises(OSError, match="in use"):
        serve(Sandbox(), port=httpx.URL(url).port or 0).__enter__()


# Edits


Photo = NDArray[Any]


def photo(width: int = 240, height: int = 160) -> bytes:
    """A sunset: bright and orange above, dark and blue below, a white disc, some grain."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    colour = np.stack([230 - 180 * y, 120 - 60 * y + 20 * x, 60 + 90 * y], axis=2)
    colour[(x - 0.3) ** 2 + (y - 0.4) ** 2 < 0.02] = 250
    colour += np.random.default_rng(0).normal(0, 4, (height, width, 1))
    return saved(Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8)))


def edited(prompt: str, *pictures: bytes) -> Photo:
    content = edit(prompt, pictures or [photo(300, 200)])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def unmarked(picture: Photo) -> Photo:
    """Without the corner of the mark."""
    return picture[: picture.shape[0] * 3 // 4, : picture.shape[1] // 2].astype(int)


def spread(picture: Photo) -> float:
    """Of its colours: 0 is grey."""
    return float(np.ptp(unmarked(picture), axis=2).mean())


def detail(picture: Photo) -> float:
    return float(np.abs(np.diff(unmarked(picture), axis=1)).mean())


@pytest.mark.parametrize(
    "prompt",
    [
        "Make it black and white",
        "MONOCHROME",
        "b&w",
        "in greyscale",
        "gray-scale",
        "black-and-white",
    ],
)
def test_black_and_white_has_no_colour_left(prompt: str) -> None:
    assert spread(edited(prompt)) == 0


def test_light_and_colour_go_where_the_word_says() -> None:
    warm, cool = unmarked(edited("warmer")).mean((0, 1)), unmarked(edited("cool")).mean((0, 1))

    assert warm[0] / warm[2] > cool[0] / cool[2]
    assert unmarked(edited("brighter")).mean() > unmarked(edited("darker")).mean() + 40
    assert spread(edited("vivid")) > spread(edited("sepia")) > 0
    assert spread(edited("muted colours")) < spread(edited("vibrant"))
    assert unmarked(edited("more contrast")).std() > unmarked(edited("less contrast")).std()
    assert unmarked(edited("pastel")).min() > 60
    assert detail(edited("sharpen")) > detail(edited("blurred"))


@pytest.mark.parametrize("words", EFFECTS)
def test_every_effect_changes_the_picture_and_never_its_range(words: str) -> None:
    pixels = to_pixels(Image.open(io.BytesIO(photo())))

    result = np.asarray(EFFECTS[words](pixels))

    assert np.isfinite(result).all()
    assert result.shape[2] == 3
    assert result.shape != pixels.shape or np.abs(result - pixels).mean() > 1 / 255
    assert min(EFFECTS[words](to_pixels(Image.new("RGB", (1, 1)))).shape) > 0


@pytest.mark.parametrize("word", ["mirror", "flip", "invert", "rotate by 180"])
def test_some_effects_undo_themselves(word: str) -> None:
    [effect] = wanted(word)
    pixels = to_pixels(Image.open(io.BytesIO(photo())))

    assert np.allclose(effect(effect(pixels)), pixels, atol=1e-6)


def test_shapes() -> None:
    assert edited("rotate it to the left").shape == edited("rotate").shape == (300, 200, 3)
    assert edited("crop to a square").shape == (256, 256, 3)
    height, width, _ = edited("a white border").shape
    assert (height, width) == (228, 328)
    assert (edited("a black border")[0] == 0).all()
    [left], [right] = wanted("turn it to the left"), wanted("rotate by 90 degrees to the right")
    pixels = to_pixels(Image.open(io.BytesIO(photo())))
    assert (left(pixels) == right(pixels)[::-1, ::-1]).all()


def test_words_count_as_whole_words_in_their_order_and_once() -> None:
    assert wanted("a swarm of invertebrates in a cooler-box, sketchy") == wanted("cooler")
    assert wanted("sepia then mirror") == wanted("mirror, sepia")[::-1]
    assert len(wanted("blur blur blurry")) == 1
    assert len(wanted(" ".join(["warm neon sepia blur oil painting flip mirror rotate crop"]))) == 8
    bordered = edited("white border, then invert")
    assert (bordered[0] == 0).all()
    assert (edited("invert, then a white border")[0] == 255).all()


def test_a_caption_is_drawn_and_its_words_are_no_effects() -> None:
    plain, lettered = edited("flip"), edited("flip 'Black and White'")

    assert plain.shape == lettered.shape
    changed = (plain != lettered).any(axis=2).mean()
    assert 0.01 < changed < 0.3
    assert spread(lettered) > 0
    assert wanted("don't blur it, it's fine") == wanted("blur")
    edited('a caption "\ud800\x00\n 你好 \U0001f600"')


def test_a_further_picture_lends_its_palette() -> None:
    green = np.zeros((64, 64, 3), np.uint8)
    green[..., 1] = np.linspace(60, 200, 64)
    reference = green.reshape(-1, 3).mean(0)

    def distance(picture: Photo) -> float:
        return float(np.abs(unmarked(picture).mean((0, 1)) - reference).sum())

    blended = edited("like the other one", photo(300, 200), saved(Image.fromarray(green)))
    assert blended.shape == (200, 300, 3)
    assert distance(blended) < distance(edited("x")) * 0.7


@pytest.mark.parametrize(("number", "shape"), [(2, (171, 520)), (3, (171, 783)), (4, (348, 520))])
def test_pictures_are_joined_when_the_prompt_says_so(number: int, shape: tuple[int, int]) -> None:
    joined = edited("Combine them side by side", *[photo(257, 171)] * number)

    assert joined.shape[:2] == shape


def test_every_picture_is_marked_and_fits() -> None:
    for size in ((1, 1), (3000, 40), (16, 900), (2000, 1500)):
        picture = edited("flip", png(size=size))
        assert 256 <= max(picture.shape) <= 1024
        corner = picture[-40:, -60:]
        assert corner.max() > 200 > 100 > corner.min()


def test_modes_and_orientation_of_an_input_are_understood() -> None:
    deep = Image.fromarray(np.full((40, 40), 32768, np.uint16))
    clear = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    turned = Image.new("RGB", (300, 200)).getexif()
    turned[0x0112] = 6

    assert abs(int(edited("flip", saved(deep))[0, 0, 0]) - 128) <= 1
    assert (edited("flip", saved(clear))[0, 0] == 255).all()
    assert edited("flip", saved(Image.new("RGB", (300, 200)), exif=turned)).shape == (300, 200, 3)
    assert edited("flip", saved(Image.new("P", (40, 40)), transparency=0)).min() < 255


WORDS = st.sampled_from(
    [*["warm", "neon", "sketch", "watercolor", "pixelate", "cartoon", "vintage", "crop"], '"Hi"']
)


@settings(max_examples=40, deadline=None)
@given(
    prompt=st.text() | st.lists(WORDS, max_size=4).map(" ".join),
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4),
)
def test_any_prompt_makes_a_picture_of_any_pictures(
    prompt: str, sizes: list[tuple[int, int]]
) -> None:
    content = edit(prompt, [png("orange", size) for size in sizes])

    assert Image.open(io.BytesIO(content)).format == "PNG"
