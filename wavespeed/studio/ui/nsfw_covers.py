"""Which pictures a page may see: what the service flagged stays covered until someone asks."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace
from pathlib import Path

from wavespeed.studio.media import previews
from wavespeed.studio.runs.run import OutputFile, Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.settings import Nsfw

IsWithheld = Callable[[Path], bool]
"""Whether not even the address of a picture may reach this page. Blocking."""


def output_key(run: Run, index: int) -> str:
    """Names one picture among all that a page may show."""
    return f"{run.id}/{index}"


class Covers:
    """`nsfw` says what becomes of flagged pictures; `revealed` are the keys of those that a page
    has uncovered."""

    def __init__(self, runner: Runner, nsfw: Nsfw) -> None:
        self._runner = runner
        self._nsfw: Nsfw = nsfw

    @property
    def hides(self) -> bool:
        """Whether nobody can ask to see a flagged picture."""
        return self._nsfw == "hide"

    def is_covered(self, run: Run, index: int, revealed: Set[str] = frozenset()) -> bool:
        """Whether the picture's bytes must not reach the browser."""
        if not run.results[index].nsfw or self._nsfw == "show":
            return False
        return self.hides or output_key(run, index) not in revealed

    def is_kept_away(self, output: OutputFile) -> bool:
        """Whether a picture stays out of what leaves the page: nobody reveals anything there."""
        return bool(output.nsfw) and self._nsfw != "show"

    def is_hidden(self, path: Path) -> bool:
        """Whether an input is a flagged result itself: covered like any other. Blocking."""
        if self._nsfw == "show":
            return False
        metadata = previews.metadata_of(path)
        # One with Content Credentials says nothing of us: then its bytes alone tell what it is.
        is_said = metadata is not None and bool(metadata.nsfw)
        return is_said or self._runner.runs.is_flagged(previews.digest(path))

    def withheld_from(self, *, is_showcase: bool) -> IsWithheld:
        """Of which inputs a page must not get the address either: of the flagged ones, where nobody
        can ask to see them. Else the fields are as they were, under their covers."""
        return self.is_hidden if self.hides or is_showcase else lambda path: False

    def shows_input(self, run: Run) -> bool:
        """Whether the picture that a run edits may be seen. Blocking."""
        return bool(run.pictures) and not self.is_hidden(run.pictures[0])

    def without_flagged_links(self, run: Run, revealed: Set[str] = frozenset()) -> Run:
        """The run without the addresses at the service of what is covered: of flagged outputs,
        those too that could not be fetched."""
        prediction = run.prediction
        if prediction is None or self._nsfw == "show":
            return run
        outputs = tuple(
            replace(output, url=None) if self._is_link_covered(run, index, revealed) else output
            for index, output in enumerate(prediction.outputs)
        )
        return replace(run, prediction=replace(prediction, outputs=outputs))

    def _is_link_covered(self, run: Run, index: int, revealed: Set[str]) -> bool:
        assert run.prediction is not None
        if index < len(run.results):
            return self.is_covered(run, index, revealed)
        return bool(run.prediction.outputs[index].nsfw)
