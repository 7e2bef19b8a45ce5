"""The pictures that runs edit, kept once for each content however many runs use them.

They lie in `inputs/<SHA-256>/<name>`, so that the last part of a path is the name that people gave
the file. The store knows which runs use which file; what no run uses is deleted. A folder of an
earlier version has `inputs/<run id>/<number>/<name>` besides, which goes with its run.
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from wavespeed.images import convert_file, naming
from wavespeed.studio.decoding import decoder
from wavespeed.types import byte_count

from .atomic import replacing
from .errors import QuotaExceeded
from .files import sha256
from .run import SCRIPTS, Run
from .store import Store, StoreError

log = logging.getLogger("wavespeed.studio")


class Inputs:
    """The inputs of all runs, in one data folder. Every method blocks: call it in a thread."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        visitor_bytes: int | None = None,
        disk_bytes: int | None = None,
    ) -> None:
        """The limits are of what a visitor's runs and all runs may take here, results included;
        None: no limit."""
        self._folder = folder / "inputs"
        self._store = store
        self._visitor_bytes = visitor_bytes
        self._disk_bytes = disk_bytes
        # Held while files and the rows that say who uses them disagree.
        self._lock = threading.Lock()

    def copy_inputs(self, run: Run, *, checked: bool = False) -> Run:
        """The run with pictures that stay, written down. What is kept already is used again, and
        was checked then; the rest is checked by preparing it, unless the caller has done that.

        Raises `QuotaExceeded`, and `InvalidEdit` for what is no picture; then nothing was kept.
        """
        if run.edit is None:
            return run
        homes = {image: self._home(image) for image in run.pictures}
        if not checked:
            for image, home in homes.items():
                if not _same_content(home):
                    with naming(image.name) as shown:
                        decoder.shared.run(convert_file, image, shown)
        with self._lock:
            new = sum(_size(image) for image, home in homes.items() if not home.exists())
            self._check_room(run.visitor_id, new)
            images = tuple(
                _link_or_copy(image, homes[image]) if isinstance(image, Path) else image
                for image in run.edit.images
            )
            run = replace(run, edit=replace(run.edit, images=images))
            # With a full disk it is written before it is sent, or not sent.
            with suppress(StoreError):
                self._store.save(run)
        return run

    def check_room(self, run: Run) -> None:
        """Raises `QuotaExceeded` where there is no room for one more result."""
        self._check_room(run.visitor_id, 0)

    def delete(self, run: Run) -> list[Path]:
        """Deletes a run that is over from the store, and its files that no other run uses, which
        are returned."""
        with self._lock:
            files = self._store.delete(run.id, run.visitor_id)
            for file in files:
                file.unlink(missing_ok=True)
                self._drop_if_empty(file.parent)
            shutil.rmtree(self._folder / run.id, ignore_errors=True)
        return files

    def remove_orphans(self) -> None:
        """Deletes what a process that was killed left behind: half of a copy, and what no run
        uses."""
        with self._lock:
            for file in self._folder.glob("*/*"):
                if _is_of_content(file.parent) and not self._store.is_used(file):
                    file.unlink(missing_ok=True)
                    self._drop_if_empty(file.parent)

    def _home(self, image: Path) -> Path:
        """Where the picture is kept, or will be."""
        if image.parent.parent == self._folder and _is_of_content(image.parent):
            return image
        digest = sha256(image)
        # What can't be read is left to `prepare` to refuse.
        return self._folder / digest / image.name if digest else image

    def _check_room(self, visitor_id: str, new_bytes: int) -> None:
        limits = (("all", None, self._disk_bytes), ("visitor", visitor_id, self._visitor_bytes))
        for whose, limited_id, most in limits:
            # All scripts together are one visitor, whom nobody can ask to delete old runs.
            if most is None or (whose == "visitor" and visitor_id == SCRIPTS):
                continue
            # Results come later and have to be saved, since they are paid for; so none may come
            # where the room is used up already.
            if self._store.used_bytes(limited_id) + max(new_bytes, 1) > most:
                raise QuotaExceeded(whose, byte_count(most))

    def _drop_if_empty(self, folder: Path) -> None:
        if folder.parent == self._folder:
            with suppress(OSError):
                folder.rmdir()


def _link_or_copy(image: Path, home: Path) -> Path:
    """The file under its lasting name: a second name for the same bytes where the file system can
    do that, else a copy. Where it has no room the file stays where it is."""
    if home.exists():
        return home
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        try:
            home.hardlink_to(_same_content(home) or image)
        except OSError:
            _copy(image, home)
    except OSError:
        log.warning("an input could not be kept", exc_info=True)
        with suppress(OSError):
            home.parent.rmdir()  # If there is nothing in it.
        return image
    return home


def _copy(image: Path, home: Path) -> None:
    with replacing(home) as temporary:
        shutil.copyfile(image, temporary)


def _same_content(home: Path) -> Path | None:
    """A file that is kept already and has the same content, under whatever name."""
    if not _is_of_content(home.parent):
        return None
    return next((file for file in home.parent.glob("*") if not file.name.startswith(".")), None)


def _is_of_content(folder: Path) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", folder.name) is not None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
