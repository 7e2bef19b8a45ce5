"""What the events beside an edit do: history, results fetched by id, recipes, keys and sums."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from wavespeed import MAX_IMAGES, InvalidEdit, WaveSpeedError
from wavespeed.studio.decoding.decoder import in_thread
from wavespeed.studio.media import previews
from wavespeed.studio.runs.account import Account
from wavespeed.studio.runs.batch import MAX_EDITS
from wavespeed.studio.runs.files import sha256
from wavespeed.studio.runs.metadata import EditMetadata
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.security.uploads import Files, Uploads
from wavespeed.studio.sessions import ClientFactory, is_owner, visitor_id
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import errors, images, labels
from wavespeed.studio.ui import render
from wavespeed.studio.ui.form import fields_of_run
from wavespeed.studio.ui.presenter import PageId, Presenter, no_update

PAGE_SIZE = 9  # Runs on a page of the history.
MAX_PAGES = 10_000
"""Open pages of which it is remembered how far they have turned over."""
BALANCE = 2.0
"""Seconds that the account's balance may take."""


class HistoryHandlers:
    """What each of these events does."""

    def __init__(
        self,
        runner: Runner,
        views: Presenter,
        account: Account,
        client_of: ClientFactory,
        uploads: Uploads,
        *,
        key: str,
    ) -> None:
        """`output_key` says whose key is used where a visitor brings none."""
        self._uploads = uploads
        self._runner = runner
        self._views = views
        self._account = account
        self._client_of = client_of
        self._key = key
        # How many runs are before those that an open page shows. Here, and not in the page: the
        # end of an edit draws the history anew, wherever its visitor has turned to meanwhile.
        self._skips: dict[PageId, int] = {}

    async def history_page(
        self, who: str | None, request: gr.Request, *, said: str = ""
    ) -> tuple[str, str]:
        """The cards of the runs to which an open page has turned, and the sums; `note` is what
        went wrong."""
        page = request.session_hash, visitor_id(who, request)
        sums = await self._tally(who := page[1], request)
        while not (runs := await self._listed(page)) and page in self._skips:
            self.turn(page, -1)  # The last one of a page was deleted, or it was the last page.
        skip = self._skips.get(page, 0)
        spent = await self._runner.spent_today(who)
        more = len(runs) > PAGE_SIZE
        about = {"skip": skip, "more": more, "spent": spent, "said": said}
        return await self._views.history(runs[:PAGE_SIZE], **about), sums

    async def _listed(self, page: PageId) -> list[Run]:
        """One more than the page shows tells whether there are older ones."""
        skip = self._skips.get(page, 0)
        return await self._runner.history(page[1], skip=skip, most=PAGE_SIZE + 1)

    def turn(self, page: PageId, pages: int | None = None) -> None:
        """Turns the history of an open page over: so many pages towards older runs, or to the
        newest ones."""
        skip = 0 if pages is None else self._skips.get(page, 0) + pages * PAGE_SIZE
        self._skips.pop(page, None)
        if skip > 0:
            self._skips[page] = skip
        while len(self._skips) > MAX_PAGES:
            del self._skips[next(iter(self._skips))]

    async def dispatch(
        self,
        who: str | None,
        key: str | None,
        each: bool,
        current: str | None,
        revealed: set[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """A button of the history: take a run's fields or its result, delete it, turn over. The
        stage is emptied where it showed what was deleted."""
        run = await self._runner.get(str(event.run or ""), who := visitor_id(who, request))
        pictures, text, said, exported = gr.skip(), gr.skip(), "", ""
        match event.action:
            case "reuse" if run:
                pictures, text = await fields_of_run(
                    run, self._uploads, self._views.withheld_from(request)
                )
            case "input" if run and run.results and not self._views.is_covered(run, 0):
                pictures = await self._uploads.cached_copies([run.results[0].path], who)
            case "delete" if run:
                await self._delete(run)
            # What was only fetched by its id can be another's.
            case "delete-there" if run and run.is_finished and run.edit is not None:
                try:
                    await self._account.delete(run, self._client_of(key))
                    await self._delete(run)
                except WaveSpeedError as error:
                    said = errors.deletion_failed(error)
            case "export":
                exported = await self._export(who)
            case "older":
                self.turn((request.session_hash, who), 1)
            case "newer":
                self.turn((request.session_hash, who), -1)
        gone = current and not await self._runner.current(current, who)
        return (
            pictures,
            text,
            await self.strip(pictures, each, who),
            exported,
            *await self.history_page(who, request, said=said),
            *(await self._views.update([], revealed) if gone else no_update()),
        )

    async def _export(self, who: str) -> str:
        """Links to the files of the session."""
        runs = await self._runner.of_session(who)
        return render.exported(
            self._views.archive_link(runs, who), self._views.contact_sheet_link(runs, who)
        )

    async def _delete(self, run: Run) -> None:
        gone = await self._runner.delete(run.id, run.visitor_id)
        await asyncio.to_thread(previews.delete_copies, gone)

    async def check_prompt(self, files: Files, prompt: str, each: bool) -> str:
        """The words have changed: whether the pictures that they name are there."""
        count = len(files or [])
        return render_template(
            "hint", text=images.missing_image_hint(prompt, min(count, 1) if each else count)
        )

    async def preview_inputs(
        self, files: Files, each: bool, who: str | None, request: gr.Request
    ) -> str:
        """The pictures have changed: what will be sent."""
        paths = [Path(path or "") for path, _ in files or []]
        return await self._strip(paths, each, visitor_id(who, request))

    async def strip(self, pictures: Any, each: bool, visitor: str) -> Any:
        """The same of pictures that an event is about to put into the gallery, or of none."""
        if not isinstance(pictures, list):
            return gr.skip()
        return await self._strip([Path(path) for path in pictures], each, visitor)

    async def _strip(self, paths: list[Path], each: bool, visitor: str) -> str:
        """Of more pictures than can be sent, the rest is not even looked at."""
        mine = await self._uploads.allowed_paths(paths[:MAX_EDITS], visitor)

        def look(path: Path | None) -> tuple[previews.InputPreview, bool]:
            if path is None:
                return previews.InputPreview(error=labels.NOT_UPLOADED), False
            return previews.inspect(path), self._views.is_hidden(path)

        def look_at_all() -> list[tuple[previews.InputPreview, bool]]:
            return [look(path) for path in mine] + [(previews.InputPreview(), False)] * len(
                paths[MAX_EDITS:]
            )

        seen, covered = zip(*await in_thread(look_at_all), strict=True) if paths else ((), ())
        return render.strip(paths, seen, covered, each=each)

    def arrange(self, files: Files, event: gr.EventData) -> Any:
        """A picture is moved to the front by one place, or taken away."""
        # As `Path`: of a string that ends in ".svg" Gradio makes a picture without a path.
        paths, at = [Path(path) for path, _ in files or []], int(event.index)
        if not 0 <= at < len(paths):
            return gr.skip()
        path = paths.pop(at)
        if event.action == "left":
            paths.insert(max(0, at - 1), path)
        elif event.action == "right":
            paths.insert(at + 1, path)
        return paths

    async def restore(
        self, files: Files, each: bool, who: str | None, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, ...]:
        """A button of the pictures."""
        pictures, text, note = await self._restored(files, who, event, request)
        strip = await self.strip(pictures, each, visitor_id(who, request))
        return pictures, text, strip, note

    async def _restored(
        self, files: Files, who: str | None, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """A recipe's prompt and pictures come in its order: from the visitor's own run, else from
        among the pictures that are there."""
        try:
            mine = await self._uploads.checked_paths(files, who := visitor_id(who, request))
        except InvalidEdit as error:
            return gr.skip(), gr.skip(), render_template("note", text=str(error))
        if event.action != "restore":
            return self.arrange(files, event), gr.skip(), ""
        found = await in_thread(metadata_of, mine)
        recipe = found.get(int(event.index))
        if recipe is None:
            return gr.skip(), gr.skip(), gr.skip()
        run = await self._runner.of_prediction(recipe.prediction_id, who)
        if run is not None and run.edit is not None:
            pictures, text = await fields_of_run(
                run, self._uploads, self._views.withheld_from(request)
            )
            return pictures, text, ""
        paths = [path for number, path in enumerate(mine) if number != event.index]
        pictures, missing = await asyncio.to_thread(in_input_order, paths, recipe)
        note = render_template("note", text=images.missing_inputs(missing)) if missing else ""
        # With none of them there, the result itself stays: it can be edited on.
        return pictures or gr.skip(), recipe.prompt, note

    async def validate_key(self, key: str | None) -> tuple[Any, ...]:
        """The page came, or a key was entered: whose key it is, if it works, what an edit costs."""
        price, label, note = self._account.price_usd, self._key, ""
        try:
            client = self._client_of(key)
            if client is not None:
                label = labels.KEY_YOURS
                price = await self._account.price(client)
        except InvalidEdit as error:
            if key:
                note = render_template("note", text=str(error))
        except WaveSpeedError as error:
            note = render_template("note", text=errors.key_error(error))
        return price, render_template("keys", price=price), gr.update(label=label), note

    async def _tally(self, who: str, request: gr.Request) -> str:
        """What the session has cost and, for the owner alone, what the account holds."""
        edits, spent = await self._runner.session(who)
        balance = None
        if is_owner(request):
            # It is shown where it is known; the history does not wait for it long.
            with suppress(WaveSpeedError, TimeoutError):
                async with asyncio.timeout(BALANCE):
                    balance = await self._account.balance()
        return render_template("tally", edits=edits, spent=spent, balance=balance)


def metadata_of(paths: list[Path]) -> dict[int, EditMetadata]:
    """Of each picture that has one, by its place. Blocking."""
    pictures = enumerate(paths[:MAX_IMAGES])
    found = {number: previews.inspect(path).metadata for number, path in pictures}
    return {number: recipe for number, recipe in found.items() if recipe}


def in_input_order(paths: list[Path], recipe: EditMetadata) -> tuple[list[Path], list[int]]:
    """The recipe's pictures among these files, in its order, then the other files; and the
    numbers, from 1, of those that are not there. Blocking."""
    by_hash = {sha256(path): path for path in paths}
    there = [by_hash[digest] for digest in recipe.inputs if digest in by_hash]
    missing = [n for n, digest in enumerate(recipe.inputs, 1) if digest not in by_hash]
    return [*there, *(path for path in paths if path not in there)][:MAX_IMAGES], missing
