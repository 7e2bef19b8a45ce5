"""The form: the pictures to edit, the prompt, and the buttons that fill them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wavespeed import MAX_IMAGES
from wavespeed.errors import InvalidEdit
from wavespeed.studio.decoding.decoder import in_thread
from wavespeed.studio.media import previews
from wavespeed.studio.runs.batch import MAX_EDITS
from wavespeed.studio.runs.files import sha256
from wavespeed.studio.runs.metadata import EditMetadata
from wavespeed.studio.runs.run import Run
from wavespeed.studio.services import Services
from wavespeed.studio.sessions import is_showcase
from wavespeed.studio.templating import PHOTOS, render_template
from wavespeed.studio.text import images, labels
from wavespeed.studio.ui.actions import Action
from wavespeed.studio.ui.examples import EXAMPLES
from wavespeed.studio.ui.form import form_of_run
from wavespeed.studio.ui.nsfw_covers import Covers, IsWithheld
from wavespeed.studio.ui.page_event import PageEvent
from wavespeed.studio.ui.page_update import UNCHANGED, PageUpdate
from wavespeed.studio.ui.render.inputs import render_strip


class InputHandlers:
    """Fills the form and draws its pictures; spends nothing."""

    def __init__(self, services: Services, covers: Covers) -> None:
        self._runner = services.runner
        self._uploads = services.uploads
        self._covers = covers

    async def check_prompt(self, event: PageEvent) -> PageUpdate:
        """The prompt has changed: whether the pictures that it names are there."""
        count = len(event.files or ())
        if event.one_edit_per_image:
            count = min(count, 1)
        hint = images.missing_image_hint(event.prompt, count)
        return PageUpdate(prompt_hint=render_template("hint", text=hint))

    async def preview_inputs(self, event: PageEvent) -> PageUpdate:
        """The pictures have changed: what will be sent."""
        paths = [Path(path or "") for path, _ in event.files or ()]
        return PageUpdate(strip=await self._strip(paths, event))

    async def with_strip(self, update: PageUpdate, event: PageEvent) -> PageUpdate:
        """The update, and how the pictures look that it puts into the form, if any."""
        if update.files is UNCHANGED:
            return update
        paths = [Path(path) for path in update.files]
        return replace(update, strip=await self._strip(paths, event))

    async def _strip(self, paths: Sequence[Path], event: PageEvent) -> str:
        """Of more pictures than can be sent, the rest is not even looked at."""
        allowed = await self._uploads.allowed_paths(paths[:MAX_EDITS], event.visitor_id)
        seen = await in_thread(lambda: [self._inspect(path) for path in allowed])
        seen += [(previews.InputPreview(), False)] * len(paths[MAX_EDITS:])
        return render_strip(
            paths,
            [preview for preview, _ in seen],
            [is_hidden for _, is_hidden in seen],
            each=event.one_edit_per_image,
        )

    def _inspect(self, path: Path | None) -> tuple[previews.InputPreview, bool]:
        """What a picture looks like, and whether that is covered. Blocking."""
        if path is None:
            return previews.InputPreview(error=labels.NOT_UPLOADED), False
        return previews.inspect(path), self._covers.is_hidden(path)

    # --- From runs and examples --------------------------------------------------------------

    async def fill_form(self, event: PageEvent) -> PageUpdate:
        """A button among the results or the examples that fills the form."""
        handlers: dict[Action, Callable[[PageEvent], Awaitable[PageUpdate]]] = {
            Action.USE_RESULT: self._use_result,
            Action.USE_ORIGINAL: self._use_original,
            Action.USE_EXAMPLE: self._use_example,
        }
        if event.action not in handlers:
            return PageUpdate()
        return await handlers[event.action](event)

    async def reuse_run(self, event: PageEvent) -> PageUpdate:
        """The pictures and the prompt of a run."""
        run = await self._runner.runs.get(event.run_id, event.visitor_id)
        return await self.with_strip(await self._form_of(run, event), event)

    async def use_first_result(self, event: PageEvent) -> PageUpdate:
        """From a card of the history, where nothing is uncovered."""
        run = await self._runner.runs.get(event.run_id, event.visitor_id)
        if run is None or not run.results or self._covers.is_covered(run, 0):
            return PageUpdate()
        return await self._files([run.results[0].path], event)

    async def _use_result(self, event: PageEvent) -> PageUpdate:
        run = await self._runner.runs.get(event.run_id, event.visitor_id)
        if run is None or not 0 <= event.index < len(run.results):
            return PageUpdate()
        if self._covers.is_covered(run, event.index, event.revealed):
            return PageUpdate()
        return await self._files([run.results[event.index].path], event)

    async def _use_original(self, event: PageEvent) -> PageUpdate:
        run = await self._runner.runs.get(event.run_id, event.visitor_id)
        update = replace(await self._form_of(run, event), prompt=UNCHANGED)
        return await self.with_strip(update, event)

    async def _use_example(self, event: PageEvent) -> PageUpdate:
        if not 0 <= event.index < len(EXAMPLES):
            return PageUpdate()
        example = EXAMPLES[event.index]
        update = await self._files([PHOTOS / name for name in example.photos], event)
        return replace(update, prompt=example.prompt)

    async def _files(self, paths: Sequence[Path], event: PageEvent) -> PageUpdate:
        files = await self._uploads.cached_copies(paths, event.visitor_id)
        return await self.with_strip(PageUpdate(files=files), event)

    async def _form_of(self, run: Run | None, event: PageEvent) -> PageUpdate:
        return await form_of_run(run, self._uploads, self.withheld_from(event))

    def withheld_from(self, event: PageEvent) -> IsWithheld:
        """Of which inputs this page must not even get the address."""
        return self._covers.withheld_from(is_showcase=is_showcase(event.request))

    # --- The buttons of the pictures ---------------------------------------------------------

    async def dispatch(self, event: PageEvent) -> PageUpdate:
        """A button of the pictures."""
        handlers: dict[Action, Callable[[list[Path], PageEvent], Awaitable[PageUpdate]]] = {
            Action.RESTORE: self._restore,
            Action.MOVE_LEFT: self._move,
            Action.MOVE_RIGHT: self._move,
            Action.REMOVE: self._remove,
        }
        try:
            paths = await self._uploads.checked_paths(event.files, event.visitor_id)
        except InvalidEdit as error:
            return PageUpdate(inputs_note=render_template("note", text=str(error)))
        if event.action not in handlers or not 0 <= event.index < len(paths):
            return PageUpdate()
        return await self.with_strip(await handlers[event.action](paths, event), event)

    async def _move(self, paths: list[Path], event: PageEvent) -> PageUpdate:
        """A picture changes places with its neighbour."""
        path = paths.pop(event.index)
        step = -1 if event.action == Action.MOVE_LEFT else 1
        paths.insert(max(0, event.index + step), path)
        return PageUpdate(files=paths, inputs_note="")

    async def _remove(self, paths: list[Path], event: PageEvent) -> PageUpdate:
        del paths[event.index]
        return PageUpdate(files=paths, inputs_note="")

    async def _restore(self, paths: list[Path], event: PageEvent) -> PageUpdate:
        """The prompt and the pictures that a result was made with, in its order: from the visitor's
        own run, else from among the pictures that are there."""
        metadata = (await in_thread(metadata_of, paths)).get(event.index)
        if metadata is None:
            return PageUpdate()
        run = await self._runner.runs.by_prediction(metadata.prediction_id, event.visitor_id)
        if run is not None and run.edit is not None:
            return replace(await self._form_of(run, event), inputs_note="")
        others = [path for number, path in enumerate(paths) if number != event.index]
        found, missing = await asyncio.to_thread(in_input_order, others, metadata)
        note = render_template("note", text=images.missing_inputs(missing)) if missing else ""
        # With none of them there, the result itself stays: it can be edited on.
        files = found or UNCHANGED
        return PageUpdate(files=files, prompt=metadata.prompt, inputs_note=note)


def metadata_of(paths: Sequence[Path]) -> dict[int, EditMetadata]:
    """Of each picture that says how it was made, by its position. Blocking."""
    found = {}
    for position, path in enumerate(paths[:MAX_IMAGES]):
        metadata = previews.inspect(path).metadata
        if metadata:
            found[position] = metadata
    return found


def in_input_order(paths: Sequence[Path], metadata: EditMetadata) -> tuple[list[Path], list[int]]:
    """The inputs among these files, in their order, then the other files; and the numbers, from 1,
    of those that are not there. Blocking."""
    by_hash = {sha256(path): path for path in paths}
    found = [by_hash[digest] for digest in metadata.inputs if digest in by_hash]
    missing = [n for n, digest in enumerate(metadata.inputs, 1) if digest not in by_hash]
    others = [path for path in paths if path not in found]
    return [*found, *others][:MAX_IMAGES], missing
