"""The model is a part of each edit: asked, priced, looked for, named; and told when it is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import KEY, QUICK, story
from tests.support.service import KEY as SERVICE_KEY
from tests.support.service import NO_SUCH_MODEL, Service, running
from wavespeed import MODEL, AsyncClient, Edit, Prediction
from wavespeed.errors import AmbiguousSubmit, ApiError, InvalidEdit, ModelNotFound
from wavespeed.sandbox import Sandbox, serve
from wavespeed.studio.runs.account import Account
from wavespeed.studio.runs.errors import PriceUnknown
from wavespeed.studio.runs.executor import RECOVERY_DELAYS, Limits
from wavespeed.studio.runs.metadata import read
from wavespeed.studio.runs.recovery import matching_predictions
from wavespeed.studio.runs.run import (
    Failed,
    OutcomeUnknown,
    Recovered,
    Run,
    Submitting,
    output_details,
    total_usd,
)
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import UNKNOWN_COST, Store
from wavespeed.studio.settings import Settings, SettingsError, from_environment
from wavespeed.studio.text import errors, formatting, labels, status
from wavespeed.studio.ui.render.snippets import request_snippets
from wavespeed.types import is_model_id

pytestmark = pytest.mark.anyio
OTHER = "openai/gpt-image-2.6-flare/edit"
ME = "a" * 32
NOW = datetime.now(UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "studio.db")
    yield store
    store.close()


@pytest.fixture
def other(photo: Path) -> Edit:
    return Edit("make it black and white", (photo,), model=OTHER)


@pytest.fixture
def others() -> Iterator[Sandbox]:
    """A sandbox of the other model."""
    sandbox = Sandbox(seed=7, seconds=(0.1, 0.2), model=OTHER)
    yield sandbox
    assert not sandbox.unmet


# --- Its name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "edit",
            "owner/",
            "/owner/name",
            "owner//name",
            "owner/name/",
            "owner/../name",
            "a/.",
        ),
        *(
            "owner/na me",
            "owner/name?x=1",
            "owner/name#x",
            "owner/näme",
            "owner/name\n",
            "a/%2e%2e",
        ),
        *("https://wavespeed.ai/models/a/b", "a\\b/c", "x/" + "y" * 200),
    ],
)
def test_what_would_mean_something_in_an_address_is_no_model(name: str, photo: Path) -> None:
    assert not is_model_id(name)
    with pytest.raises(InvalidEdit, match="not the id of a model"):
        Edit("x", (photo,), model=name)
    if name.strip():
        with pytest.raises(SettingsError, match="WAVESPEED_MODEL has to be the id of a model"):
            from_environment({"WAVESPEED_MODEL": name.replace("\n", "\t\tx")})


@given(st.text(max_size=30))
def test_a_models_id_never_leaves_its_place_in_an_address(text: str) -> None:
    if is_model_id(text):
        assert set(text).isdisjoint("?#%\\ \n@:")
        assert not {"", ".", ".."} & set(text.split("/"))


def test_the_setting_names_the_model_and_without_it_there_is_the_default() -> None:
    assert from_environment({"WAVESPEED_MODEL": f" {OTHER} "}).model == OTHER
    assert from_environment({"WAVESPEED_MODEL": ""}) == Settings()
    assert Settings().model == MODEL


# --- Asked


async def test_an_edit_is_sent_to_its_model_and_the_price_and_the_list_are_asked_for_it(
    others: Sandbox, other: Edit
) -> None:
    with serve(others) as url:
        async with AsyncClient(KEY, base_url=url, policies=QUICK) as client:
            await story(client, other)
            assert await client.price(OTHER) == 0.02
            [found] = await client.list_predictions(created_after=NOW, model=OTHER)
            assert await client.list_predictions(created_after=NOW) == []
            with pytest.raises(ModelNotFound):
                await client.price()
    [submission] = others.calls("submit")
    assert submission.path == f"/api/v3/{OTHER}"
    assert "model" not in (submission.body or {})
    assert found.model == OTHER


def test_the_sandbox_lists_the_model_that_was_configured(others: Sandbox) -> None:
    import httpx

    headers = {"Authorization": f"Bearer {KEY}"}
    with serve(others) as url, httpx.Client(base_url=url, headers=headers) as http:
        [listed] = http.get("/api/v3/models").json()["data"]
        refused = http.post(f"/api/v3/{MODEL}", json={"prompt": "x", "images": ["x"]})
        priced = http.post("/api/v3/model/price", json={"model_id": MODEL, "inputs": {}})
    assert (listed["model_id"], listed["name"]) == (OTHER, OTHER)
    for answer in (refused, priced):
        assert (answer.status_code, answer.json()["message"]) == (400, "model not found")


# --- Gone


@pytest.mark.parametrize("status", NO_SUCH_MODEL)
async def test_a_model_that_is_gone_is_told_and_nothing_was_spent(
    status: int, edit: Edit, store: Store, tmp_path: Path
) -> None:
    service = Service(model=OTHER, missing=status)
    with running(service) as url:
        async with AsyncClient(SERVICE_KEY, base_url=url, policies=QUICK) as client:
            runner = Runner(client, store, tmp_path)
            run = await runner.wait_until_finished(runner.start(edit, ME).id)
            await runner.close()
    assert run.error is not None
    assert (run.state, run.error.code, run.spent) == ("failed", "model_not_found", "no")
    assert store.spent_usd(datetime.now(UTC)) == 0.0
    message = errors.error_message(run)
    assert message.what == f"WaveSpeed no longer offers the model {MODEL}."
    assert message.money == labels.NOTHING_SPENT
    assert "WAVESPEED_MODEL" in message.advice
    assert "does not know this edit" not in f"{message}"
    assert not service.submissions
    assert not service.breaches


ABOUT_THE_MODEL: list[tuple[int, Any]] = [
    (400, {"code": 400, "message": "model not found"}),
    (400, {"code": 400, "message": f"Model {MODEL} not found", "data": None}),
    (400, {"code": 1401, "message": f"Unknown model: {MODEL}", "data": None}),
    (400, {"code": 400, "message": "no", "error_code": "MODEL_NOT_FOUND"}),
    (400, {"error": {"code": "model_not_found", "message": f"The model `{MODEL}` does not exist"}}),
    (400, {"message": ["x", {"detail": "This model has been deprecated."}]}),
    (400, {"data": {"error": "The model gpt-image-1-mini was retired on 2026-12-01."}}),
    (400, b"<html><h1>Model not found</h1></html>"),
    (422, {"detail": [{"msg": "invalid model id", "loc": ["path"]}]}),
    (200, {"code": 400, "message": "model not found", "data": None}),
    (200, {"code": 404, "message": "x", "data": None}),
    *[(status, body) for status in (404, 410) for body in ({}, [], b"", b"<h1>no</h1>", {"a": 1})],
]
ABOUT_SOMETHING_ELSE: list[tuple[int, Any]] = [
    (400, {"code": 400, "message": "image not found"}),
    (400, {"code": 400, "message": "size is not supported by this model"}),
    (400, {"code": 400, "message": "The model could not find a face."}),
    (400, {"code": 400, "message": "invalid model input: the image is too small"}),
    (400, {"code": 1200, "message": "model not found"}),
    (401, {"code": 401, "message": "model not found"}),
    (402, {"code": 402, "message": "model not found"}),
    (403, {"code": 403, "message": "This model is not available with trial credit."}),
    (403, {"code": 403, "message": "model not found"}),
    (400, {"model": MODEL, "error": "not found"}),
    (413, {"error": "model not found"}),
]


@pytest.mark.parametrize(("status", "body"), ABOUT_THE_MODEL)
async def test_however_the_service_puts_it_the_model_is_what_is_missing(
    client: AsyncClient, sandbox: Sandbox, edit: Edit, status: int, body: Any
) -> None:
    sandbox.fail("submit", status=status, body=body)
    with pytest.raises(ModelNotFound) as caught:
        await client.submit(edit, ["https://example.com/cup.png"])
    assert (caught.value.model, caught.value.spent) == (MODEL, "no")
    assert len(sandbox.calls("submit")) == 1


@pytest.mark.parametrize(("status", "body"), ABOUT_SOMETHING_ELSE)
async def test_what_is_about_something_else_is_not_put_on_the_model(
    client: AsyncClient, sandbox: Sandbox, edit: Edit, status: int, body: Any
) -> None:
    sandbox.fail("submit", status=status, body=body)
    with pytest.raises(ApiError) as caught:
        await client.submit(edit, ["https://example.com/cup.png"])
    assert not isinstance(caught.value, ModelNotFound)


async def test_trouble_at_the_service_may_have_created_the_edit_whatever_it_says(
    client: AsyncClient, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("submit", status=500, body={"error": "model not found"})
    with pytest.raises(AmbiguousSubmit):
        await client.submit(edit, ["https://example.com/cup.png"])


async def test_of_a_result_404_is_still_about_the_edit(client: AsyncClient) -> None:
    with pytest.raises(ApiError, match="does not know this edit") as caught:
        await client.result("0" * 32)
    assert not isinstance(caught.value, ModelNotFound)


# --- Written down, and looked for


def test_a_run_of_an_earlier_version_asked_the_default_model(store: Store, edit: Edit) -> None:
    run = Run(id="r1", visitor_id=ME, edit=edit, started_at=NOW)
    store.save(run.apply(Submitting(0.5)))
    body = json.loads(store._read("SELECT run_json FROM runs")[0][0])
    assert body["edit"].pop("model") == MODEL
    store._read("UPDATE runs SET run_json = ?", json.dumps(body))
    old = store.get("r1", ME)
    assert old is not None
    assert old.edit == edit
    assert old.model == MODEL


def test_the_model_is_what_the_service_says_else_what_was_asked(other: Edit) -> None:
    run = Run(id="r1", visitor_id=ME, edit=other, started_at=NOW)
    assert run.model == OTHER
    assert run.apply(Recovered(1.0, Prediction("p1", "completed", model="x/y"))).model == "x/y"
    assert (
        run.apply(Recovered(1.0, Prediction.from_json({"id": "p", "status": "created"}))).model
        == OTHER
    )
    fetched = replace(run, edit=None).apply(Recovered(1.0, Prediction("p1", "completed")))
    assert output_details(fetched)["model"] is None


@pytest.mark.parametrize(("told", "fits"), [(OTHER, True), ("", True), (MODEL, False)])
def test_a_lost_submission_is_one_of_its_models_tasks(told: str, fits: bool) -> None:
    task = Prediction("p1", "created", model=told, created_at=NOW)
    assert matching_predictions([task], set(), (NOW, NOW), OTHER) == ([task] if fits else [])


@pytest.mark.parametrize(("then", "later"), [(MODEL, OTHER), (OTHER, MODEL)])
async def test_a_lost_submission_is_looked_for_under_its_own_model_whatever_the_setting_says_later(
    store: Store,
    edit: Edit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
    later: str,
) -> None:
    edit = replace(edit, model=then)
    monkeypatch.setattr(
        "wavespeed.studio.runs.executor.RECOVERY_DELAYS", tuple(0.1 for _ in RECOVERY_DELAYS)
    )
    service = Service(seconds=0.3, model=then)
    with running(service) as url:
        async with AsyncClient(SERVICE_KEY, base_url=url, policies=QUICK) as client:
            sent = Run(id="r1", visitor_id=ME, edit=edit, started_at=datetime.now(UTC), elapsed=0.1)
            urls = [await client.upload(image) for image in _ready(edit)]
            store.reserve(sent.apply(Submitting(0.1)), now=NOW, budget_usd=None, visitor_edits=None)
            mine = await client.submit(edit, urls)  # And its answer never came.
            service.model = later
            await client.submit(replace(edit, model=later), urls)  # Another's, a moment later.
            runner = Runner(client, store, tmp_path, model=later)
            await runner.resume_unfinished()
            run = await runner.wait_until_finished("r1")
            await runner.close()
    assert run.state == "done"
    assert run.prediction is not None
    assert (run.prediction.id, run.model) == (mine.id, then)
    recipe = read(run.results[0].path)
    assert recipe is not None
    assert recipe.model == then
    assert len(service.submissions) == 2


def _ready(edit: Edit) -> list[Any]:
    from wavespeed import prepare

    return [prepare(image) for image in edit.images if isinstance(image, Path)]


async def test_what_a_restart_found_unsent_is_not_sent_to_a_model_that_was_left(
    client: AsyncClient, sandbox: Sandbox, store: Store, other: Edit, tmp_path: Path
) -> None:
    store.save(Run(id="r1", visitor_id=ME, edit=other, started_at=datetime.now(UTC)))
    runner = Runner(client, store, tmp_path)
    await runner.resume_unfinished()
    run = await runner.wait_until_finished("r1")
    await runner.close()
    assert run.error is not None
    assert (run.state, run.error.code, run.spent) == ("failed", "interrupted", "no")
    assert "another model" in errors.error_message(run).what
    assert not sandbox.calls("submit")


async def test_what_is_sent_anew_goes_to_the_model_of_today_at_its_price(
    others: Sandbox, edit: Edit, store: Store, tmp_path: Path
) -> None:
    with serve(others) as url:
        async with AsyncClient(KEY, base_url=url, policies=QUICK) as client:
            paused = Run(
                id="r1",
                visitor_id=ME,
                edit=edit,
                started_at=NOW,
                state="stopped",
                group_id="g",
                batch=True,
            )
            error = ModelNotFound(MODEL, status=400)
            failed = replace(paused, id="r2", position=1).apply(Failed(1.0, error))
            for run in (paused, failed):
                store.save(run)
            runner = Runner(client, store, tmp_path, model=OTHER)
            await runner.resume("r1", ME, None, 0.045)
            runner.retry(failed, None, 0.045)
            for _ in range(2):
                for run in await runner.runs.group("g", ME):
                    if not run.is_finished:
                        await runner.wait_until_finished(run.id)
            runs = await runner.runs.group("g", ME)
            await runner.close()
    assert [(run.state, run.model, run.price_usd) for run in runs] == [("done", OTHER, 0.045)] * 2
    assert {call.path for call in others.calls("submit")} == {f"/api/v3/{OTHER}"}


# --- Its price


async def learnt(account: Account, seconds: float = 1.0) -> float | None:
    with suppress(TimeoutError):
        await asyncio.wait_for(account.learn_price(), seconds)
    return account.price_usd


async def test_the_known_price_is_the_default_models_alone(client: AsyncClient) -> None:
    assert Account(client).price_usd == 0.02
    assert Account(client, OTHER).price_usd is None
    assert await learnt(Account(client, OTHER)) is None  # The sandbox has another.


async def test_the_price_of_another_model_is_asked_for(others: Sandbox) -> None:
    with serve(others) as url:
        async with AsyncClient(KEY, base_url=url, policies=QUICK) as client:
            others.fail("price", data={"price": 0.06, "discounted_price": 0.045})
            assert await learnt(Account(client, OTHER)) == 0.045


async def test_with_a_budget_nothing_is_sent_before_the_price_is_known(
    others: Sandbox, other: Edit, store: Store, tmp_path: Path
) -> None:
    with serve(others) as url:
        async with AsyncClient(KEY, base_url=url, policies=QUICK) as client:
            runner = Runner(client, store, tmp_path, Limits(budget_usd=100.0), model=OTHER)
            run = await runner.wait_until_finished(runner.start(other, ME, None, None).id)
            after = await runner.wait_until_finished(runner.start(other, ME, None, 0.045).id)
            async with AsyncClient(f"{KEY}-own", base_url=url, policies=QUICK) as own:
                visitors = await runner.wait_until_finished(runner.start(other, ME, own, None).id)
            await runner.close()
    assert run.error is not None
    assert (run.state, run.error.code, run.spent) == ("failed", PriceUnknown.code, "no")
    message = errors.error_message(run)
    assert OTHER in message.what
    assert "not known yet" in message.what
    assert message.money == labels.NOTHING_SPENT
    assert (after.state, visitors.state) == ("done", "done")  # A budget is of the owner's money.
    assert len(others.calls("submit")) == 2


async def test_without_a_budget_it_is_sent_and_the_unknown_price_is_told_as_such(
    others: Sandbox, other: Edit, store: Store, tmp_path: Path
) -> None:
    with serve(others) as url:
        async with AsyncClient(KEY, base_url=url, policies=QUICK) as client:
            limits = Limits(visitor_edits=1)
            runner = Runner(client, store, tmp_path, limits, model=OTHER)
            run = await runner.wait_until_finished(runner.start(other, ME, None, None).id)
            second = await runner.wait_until_finished(runner.start(other, ME, None, None).id)
            await runner.close()
    assert run.state == "done"
    assert run.cost_usd is None
    assert output_details(run)["cost_usd"] is None
    assert status.spent_note([run]) == "What was spent is not known here."
    assert labels.resend_label(None) == "Again (price not known)"
    # It counts as an edit all the same, and no sum shows it.
    assert second.error is not None
    assert second.error.code == "limit_exceeded"
    assert store.session_totals(ME, datetime.now(UTC)) == (1, UNKNOWN_COST)
    assert formatting.dollars(store.spent_usd(datetime.now(UTC))) == "$0.00"


def test_a_submission_of_unknown_price_that_was_lost_is_a_rival_of_others(
    store: Store, other: Edit
) -> None:
    lost = Run(id="r1", visitor_id=ME, edit=other, started_at=NOW, price_usd=None)
    store.save(lost.apply(Submitting(0.1)).apply(OutcomeUnknown(1.0, AmbiguousSubmit("x"))))
    assert store.ambiguous_submissions(replace(lost, id="r2"), NOW) == 1


def test_a_sum_with_an_unknown_part_is_not_known() -> None:
    assert total_usd([0.02, 0.03]) == pytest.approx(0.05)
    assert total_usd([0.02, None]) is None
    assert total_usd([]) == 0


async def test_what_a_button_says_is_todays_price_whatever_the_run_cost_then(
    client: AsyncClient, edit: Edit, other: Edit
) -> None:
    account = Account(client, OTHER)
    account.price_usd = 0.045
    failed = Run(id="r", visitor_id=ME, edit=edit, started_at=NOW).apply(
        Failed(1.0, ModelNotFound(MODEL, status=400))
    )
    assert account.resend_price(failed) == 0.045
    assert errors.error_actions(failed, account.resend_price(failed)) == [
        ("resend", "Try again $0.045")
    ]
    own = replace(failed, edit=other, uses_visitor_key=True, price_usd=0.03)
    assert account.resend_price(own) == 0.03  # What that account pays was asked with its key.
    account.price_usd = None
    assert errors.error_actions(failed, None) == [("resend", "Try again (price not known)")]


# --- Named


def test_the_request_to_copy_asks_the_runs_own_model(other: Edit) -> None:
    run = Run(id="r", visitor_id=ME, edit=other, started_at=NOW, urls=("https://x.example/1.png",))
    snippets = request_snippets(run, "https://api.wavespeed.ai")
    assert set(snippets) == {"curl", "Python"}
    for text in snippets.values():
        assert f"https://api.wavespeed.ai/api/v3/{OTHER}" in text
        assert MODEL not in text
