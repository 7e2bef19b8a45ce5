"""Content Credentials in a result stay whole; and a result without says what IPTC asks for."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import QUICK
from tests.support.credentials import signed_jpeg, signed_png, signed_webp
from tests.support.service import KEY, Service
from wavespeed import AsyncClient, Edit
from wavespeed.studio.runs.credentials import has_credentials
from wavespeed.studio.runs.metadata import EditMetadata, read, write
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store

ME, YOU = "visitor-1", "visitor-2"
RECIPE = EditMetadata(
    "make it red", "a/model", "p1", datetime(2026, 1, 1, tzinfo=UTC), ("ab" * 32,)
)
KINDS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("PNG", signed_png),
    ("JPEG", signed_jpeg),
    ("WEBP", signed_webp),
]


def picture(kind: str) -> bytes:
    buffer = BytesIO()
    Image.radial_gradient("L").convert("RGB").save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    with closing(Store(data / "studio.db")) as store:
        yield store


@pytest.fixture
async def runner(service: Service, store: Store, data: Path) -> AsyncIterator[Runner]:
    async with AsyncClient(KEY, base_url=service.api_url, policies=QUICK) as client:
        runner = Runner(client, store, data)
        yield runner
        await runner.close()


async def edited(runner: Runner, *pictures: Path, visitor: str = ME) -> Run:
    run = await runner.wait_until_finished(runner.start(Edit("make it red", pictures), visitor).id)
    assert run.state == "done"
    return run


def results_in(data: Path) -> list[Path]:
    return list((data / "outputs").rglob("*.*"))


@pytest.mark.parametrize(("kind", "sign"), KINDS)
def test_credentials_are_found_in_every_format_and_nowhere_else(
    kind: str, sign: Callable[[bytes], bytes]
) -> None:
    content = picture(kind)
    assert not has_credentials(content)
    assert not has_credentials(write(content, RECIPE))
    assert has_credentials(sign(content))
    with Image.open(BytesIO(sign(content))) as opened:
        opened.load()  # It is a picture that others show, too.


@given(st.binary(max_size=200), st.sampled_from([sign(picture(kind)) for kind, sign in KINDS]))
def test_whatever_a_file_holds_is_looked_through_without_an_error(
    rest: bytes, content: bytes
) -> None:
    for start in (content[:60], content[:12], b""):
        has_credentials(start + rest)


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "sign"), KINDS)
async def test_a_signed_result_stays_as_it_came_and_its_recipe_lies_beside_it(
    runner: Runner,
    service: Service,
    photo: Path,
    data: Path,
    kind: str,
    sign: Callable[[bytes], bytes],
) -> None:
    came = sign(picture(kind))
    service.sign = lambda _: came
    run = await edited(runner, photo)

    [result] = run.results
    assert result.path.read_bytes() == came
    assert result.sha256 == hashlib.sha256(came).hexdigest()
    recipe = read(result.path)
    assert recipe is not None
    assert run.prediction is not None
    assert (recipe.prompt, recipe.prediction_id) == ("make it red", run.prediction.id)
    await runner.delete(run.id, ME)
    assert results_in(data) == [], "the recipe goes with its picture"


@pytest.mark.anyio
async def test_an_edit_of_a_signed_result_knows_what_it_was_made_of(
    runner: Runner, service: Service, photo: Path, tmp_path: Path
) -> None:
    service.sign = signed_png
    first = await edited(runner, photo)
    copy = tmp_path / "downloaded.png"
    copy.write_bytes(first.results[0].path.read_bytes())
    assert (await edited(runner, copy)).parent_id == first.id
    assert (await edited(runner, copy, visitor=YOU)).parent_id is None


@pytest.mark.anyio
async def test_a_flagged_result_is_known_by_its_bytes_its_run_long_deleted(
    runner: Runner, service: Service, store: Store, photo: Path, data: Path
) -> None:
    service.sign, service.nsfw = signed_png, True
    flagged = await edited(runner, photo)
    service.nsfw = False
    decent = await edited(runner, data.parent / photo.name, flagged.results[0].path)
    service.sign = lambda picture: signed_png(picture) + b"another"
    other = await edited(runner, photo)

    for run in (flagged, decent, other):
        await runner.delete(run.id, ME)
    with closing(Store(data / "studio.db")) as restarted:
        assert restarted.is_flagged(flagged.results[0].sha256)
        assert not restarted.is_flagged(other.results[0].sha256)
        assert not restarted.is_flagged("")


def source_type(run: Run) -> str:
    """As a viewer reads it: an attribute in the XMP, by its full name."""
    with Image.open(run.results[0].path) as opened:
        packet = ElementTree.fromstring(opened.info["XML:com.adobe.xmp"])
    [about] = packet.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    return about.attrib["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]


@pytest.mark.anyio
async def test_a_result_without_credentials_says_that_a_model_made_it(
    runner: Runner, service: Service, photo: Path
) -> None:
    terms = "http://cv.iptc.org/newscodes/digitalsourcetype"
    run = await edited(runner, photo)
    assert source_type(run) == f"{terms}/compositeWithTrainedAlgorithmicMedia"

    assert run.prediction is not None
    fetched = await runner.wait_until_finished((await runner.fetch(run.prediction, YOU)).id)
    assert source_type(fetched) == f"{terms}/trainedAlgorithmicMedia"
