"""What survives a restart: every run, written down before it costs money. SQLite, one file.

All methods block for a moment: call them in a thread. They may be called from several at once.
"""

from __future__ import annotations

import sqlite3
import statistics
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from .budget import DailyLimits, Day, budget_day, check_budget
from .data_paths import DataPaths
from .metadata import sidecar
from .migration import VERSION, migrate
from .run import Run

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY,
    visitor_id TEXT NOT NULL,
    started_at REAL NOT NULL,
    is_finished INTEGER NOT NULL,
    prediction_id TEXT,
    budget_day TEXT,         -- The UTC day whose budget it counts against: that of its submission.
    cost_usd REAL NOT NULL DEFAULT 0,
    payer TEXT NOT NULL DEFAULT '',      -- The account; limits count the same account's alone.
    group_id TEXT NOT NULL DEFAULT '',
    press_id TEXT NOT NULL DEFAULT '',
    position INTEGER NOT NULL DEFAULT 0, -- Which of the press's edits it is.
    run_json TEXT NOT NULL   -- The whole run, as JSON (see `data_paths`); empty once deleted.
) STRICT;
CREATE INDEX IF NOT EXISTS runs_of_visitor ON runs (visitor_id, started_at);
CREATE INDEX IF NOT EXISTS runs_of_time ON runs (started_at);
CREATE INDEX IF NOT EXISTS runs_of_day ON runs (budget_day);
CREATE INDEX IF NOT EXISTS runs_of_prediction ON runs (prediction_id);
CREATE INDEX IF NOT EXISTS runs_of_group ON runs (group_id);
-- The last word on "one press, one edit", deleted runs included: what is not written down is not
-- sent.
CREATE UNIQUE INDEX IF NOT EXISTS runs_of_press ON runs (visitor_id, press_id, position)
    WHERE press_id != '';
CREATE INDEX IF NOT EXISTS runs_not_over ON runs (is_finished) WHERE is_finished = 0;
CREATE TABLE IF NOT EXISTS files (
    name TEXT NOT NULL,      -- Below the data folder.
    run_id TEXT NOT NULL,    -- One of the runs that use it.
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (run_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_of_name ON files (name);
CREATE TABLE IF NOT EXISTS results (
    sha256 TEXT NOT NULL,    -- Of a result's file, which may say nothing of itself.
    run_id TEXT NOT NULL,
    flagged INTEGER NOT NULL,  -- Such a row outlives its run: the picture stays covered.
    PRIMARY KEY (sha256, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS results_of_run ON results (run_id);
CREATE TABLE IF NOT EXISTS uploads (
    -- Of a file in Gradio's cache, as browsers name it: absolute, and worth nothing once the
    -- folder was moved. A page that comes back then takes its pictures from its last run.
    path TEXT NOT NULL,
    visitor_id TEXT NOT NULL,  -- Who alone may; empty: whoever knows the path.
    at REAL NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (path, visitor_id)
) STRICT, WITHOUT ROWID;
"""
_KEPT = ("inputs/", "outputs/")
"""Where files of runs lie; an upload in Gradio's cache is none, though that is in the data folder,
too: a page may still have it in its fields when the run is deleted."""
_JSON = TypeAdapter(Run)
SUBMISSION_WINDOW = timedelta(minutes=20)
"""Longer than a submission takes from the run's start, waits for a rate limit included."""
UNKNOWN_COST = 1e-9
"""USD of an edit whose price nobody knows: more than nothing, so that it counts as one that was
paid for, and too little to show in any sum."""
SESSION_GAP = 1800.0
"""Seconds."""
StoreError = sqlite3.Error
"""What a file that is no store, or can't be one, raises."""


class Store:
    """The runs of one data folder. One process at a time may own it."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file. Raises `OSError` or `sqlite3.Error`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._paths = DataPaths(path.parent)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._open()
        except BaseException:
            self._database.close()
            raise

    def _open(self) -> None:
        # WAL with FULL: a commit is on the disk when it returns, even if the power fails.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA secure_delete = ON")  # A deleted prompt is gone.
        migrate(self._database)
        self._database.executescript(_SCHEMA)
        [(version,)] = self._read("PRAGMA user_version")
        if version < VERSION:
            self._list_files_anew()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def save(self, run: Run) -> None:
        """Writes the run down as it is now. What certainly cost nothing is given back."""
        with self._writing() as cursor:
            self._put(cursor, run)

    def reserve(
        self, run: Run, *, now: datetime, budget_usd: float | None, visitor_edits: int | None
    ) -> None:
        """Writes down that the run is about to cost money, if the day's limits allow it.

        Looking and writing are one step, so that neither two requests at once nor a restart get
        around a limit. Raises `LimitExceeded`, and `PriceUnknown` where there is a budget and no
        price to count; then nothing was changed.
        """
        today = budget_day(now)
        with self._writing() as cursor:
            others = "FROM runs WHERE budget_day = ? AND payer = ? AND cost_usd > 0 AND id != ?"
            which = (today, run.payer, run.id)
            spent = _scalar(cursor, f"SELECT total(cost_usd) {others}", *which)
            edits = _scalar(
                cursor, f"SELECT count(*) {others} AND visitor_id = ?", *which, run.visitor_id
            )
            limits = DailyLimits(budget_usd, visitor_edits)
            check_budget(run, limits, Day(spent, int(edits)), now=now)
            self._put(cursor, run, today)

    def get(self, run_id: str, visitor_id: str) -> Run | None:
        """A visitor's own run."""
        found = self._runs("id = ? AND visitor_id = ?", run_id, visitor_id)
        return found[0] if found else None

    def by_prediction(self, prediction_id: str, visitor_id: str) -> Run | None:
        """A visitor's own run that made the prediction."""
        found = self._runs("prediction_id = ? AND visitor_id = ?", prediction_id, visitor_id)
        return found[0] if found else None

    def by_output(self, sha256: str, visitor_id: str) -> Run | None:
        """A visitor's own run that made the file with these bytes; the newest."""
        found = self._runs(
            "visitor_id = ? AND id IN (SELECT run_id FROM results WHERE sha256 = ?)"
            " ORDER BY started_at DESC LIMIT 1",
            visitor_id,
            sha256,
        )
        return found[0] if found else None

    def is_flagged(self, sha256: str) -> bool:
        """Whether a file with these bytes came as a flagged result, to whomever, its run deleted
        or not."""
        query = "SELECT 1 FROM results WHERE sha256 = ? AND flagged = 1 LIMIT 1"
        return bool(self._read(query, sha256))

    def by_group(self, group_id: str, visitor_id: str) -> list[Run]:
        """A visitor's own runs of one group."""
        return self._runs("group_id = ? AND visitor_id = ?", group_id, visitor_id)

    def has_press(self, press_id: str, visitor_id: str) -> bool:
        """Whether a visitor's press has begun runs, deleted ones included."""
        query = (
            "SELECT 1 FROM runs WHERE visitor_id = ? AND press_id = ? AND press_id != '' LIMIT 1"
        )
        return bool(self._read(query, visitor_id, press_id))

    def by_press(self, press_id: str, visitor_id: str) -> list[Run]:
        """The runs that a visitor's press began."""
        return self._runs(
            "visitor_id = ? AND press_id = ? AND press_id != ''", visitor_id, press_id
        )

    def history(self, visitor_id: str, *, skip: int = 0, most: int = 12) -> list[Run]:
        """A visitor's runs, newest first."""
        return self._runs(
            "visitor_id = ? ORDER BY started_at DESC, rowid DESC LIMIT ? OFFSET ?",
            visitor_id,
            most,
            skip,
        )

    def unfinished(self) -> list[Run]:
        """What an earlier process left behind, oldest first."""
        return self._runs("is_finished = 0 ORDER BY started_at")

    def finished_before(self, moment: datetime) -> list[Run]:
        """The runs of all visitors that are over and began before."""
        return self._runs("is_finished = 1 AND started_at < ?", moment.timestamp())

    def existing_prediction_ids(self, prediction_ids: list[str]) -> set[str]:
        """Which of the predictions belong to a run already."""
        marks = ",".join("?" * len(prediction_ids))
        rows = self._read(
            f"SELECT prediction_id FROM runs WHERE prediction_id IN ({marks})", *prediction_ids
        )
        return {str(row[0]) for row in rows}

    def ambiguous_submissions(self, run: Run, sent: datetime) -> int:
        """How many other runs of the account have lost a submission at about that time, or have
        one out: a task that nobody knows may be theirs. Deleted ones count too."""
        around = [(sent + side * SUBMISSION_WINDOW).timestamp() for side in (-1, 1)]
        rows = self._read(
            "SELECT count(*) FROM runs WHERE prediction_id IS NULL AND cost_usd > 0 AND id != ?"
            " AND payer = ? AND started_at BETWEEN ? AND ?",
            run.id,
            run.payer,
            *around,
        )
        return int(rows[0][0])

    def median_duration(self) -> float | None:
        """The median of the last edits' seconds, from the press to the picture; None below 3."""
        rows = self._read(
            "SELECT json_extract(run_json, '$.elapsed') FROM runs"
            " WHERE run_json != '' AND is_finished = 1"
            " AND json_extract(run_json, '$.state') = 'done'"
            " AND json_type(run_json, '$.edit') = 'object'"
            " ORDER BY started_at DESC LIMIT 50"
        )
        return statistics.median(row[0] for row in rows) if len(rows) >= 3 else None

    def spent_usd(self, day: datetime, visitor_id: str | None = None) -> float:
        """USD of a UTC day, of everybody or of one visitor, deleted runs included."""
        rows = self._read(
            "SELECT total(cost_usd) FROM runs"
            " WHERE budget_day = ? AND visitor_id = coalesce(?, visitor_id)",
            budget_day(day),
            visitor_id,
        )
        return float(rows[0][0])

    def session_totals(self, visitor_id: str, now: datetime) -> tuple[int, float]:
        """How many edits and how many USD a visitor's session has, deleted ones included.

        A session ends with half an hour without a new edit, as web statistics count them: so a
        reload or a second tab does not begin another.
        """
        edits, spent, after = 0, 0.0, now.timestamp()
        for started_at, cost in self._read(
            "SELECT started_at, cost_usd FROM runs WHERE visitor_id = ? AND cost_usd > 0"
            " ORDER BY started_at DESC LIMIT 10000",
            visitor_id,
        ):
            if after - started_at > SESSION_GAP:
                break
            edits, spent, after = edits + 1, spent + cost, started_at
        return edits, spent

    def delete(self, run_id: str, visitor_id: str) -> list[Path]:
        """Forgets a visitor's run that is over; returns its files that no other run uses. What it
        cost still counts for its day."""
        with self._writing() as cursor:
            cursor.execute(
                "UPDATE runs SET run_json = '' WHERE id = ? AND visitor_id = ? AND is_finished = 1",
                (run_id, visitor_id),
            )
            if not cursor.rowcount:
                return []
            alone = cursor.execute(
                "SELECT name FROM files WHERE run_id = ? AND name NOT IN"
                " (SELECT name FROM files WHERE run_id != ?)",
                (run_id, run_id),
            ).fetchall()
            cursor.execute("DELETE FROM files WHERE run_id = ?", (run_id,))
            cursor.execute("DELETE FROM results WHERE run_id = ? AND flagged = 0", (run_id,))
        return [self._paths.file(name) for (name,) in alone]

    # --- Files -------------------------------------------------------------------------------

    def used_bytes(self, visitor_id: str | None = None) -> int:
        """What the files of all runs take, or of one visitor's: each counts once. Inputs and
        results, paid for or not."""
        rows = self._read(
            "SELECT total(size_bytes) FROM (SELECT DISTINCT name, size_bytes FROM files"
            " WHERE run_id IN (SELECT id FROM runs WHERE visitor_id = coalesce(?, visitor_id)))",
            visitor_id,
        )
        return int(rows[0][0])

    def is_used(self, file: Path) -> bool:
        """Whether a run uses a file of the data folder."""
        return bool(
            self._read("SELECT 1 FROM files WHERE name = ? LIMIT 1", self._paths.name(file))
        )

    def allow_paths(self, paths: Sequence[str], visitor_id: str, now: datetime) -> None:
        """Browsers may name these files of the cache from now on; see `allowed_paths`."""
        rows = [(path, visitor_id, now.timestamp(), _size(Path(path))) for path in paths]
        with self._writing() as cursor:
            cursor.executemany("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)", rows)

    def uploaded_bytes(self, since: datetime) -> int:
        """What was uploaded since then, by whomever."""
        query = "SELECT total(size_bytes) FROM uploads WHERE visitor_id = '' AND at >= ?"
        return int(self._read(query, since.timestamp())[0][0])

    def allowed_paths(self, paths: Sequence[str], visitor_id: str) -> set[str]:
        """Those of the files that this visitor may name."""
        marks = ",".join("?" * len(paths))
        rows = self._read(
            f"SELECT path FROM uploads WHERE visitor_id IN ('', ?) AND path IN ({marks})",
            visitor_id,
            *paths,
        )
        return {str(row[0]) for row in rows}

    def forget_paths(self, before: datetime) -> None:
        """Forgets what was allowed earlier: those files are no longer in the cache."""
        with self._writing() as cursor:
            cursor.execute("DELETE FROM uploads WHERE at < ?", (before.timestamp(),))

    def _list_files_anew(self) -> None:
        """Which runs use which files, of a database of an earlier version: before that is known,
        each file would count as one that nobody uses."""
        with self._writing() as cursor:
            cursor.execute(
                "DELETE FROM files WHERE name NOT GLOB 'inputs/*' AND name NOT GLOB 'outputs/*'"
            )
            rows = cursor.execute("SELECT run_json FROM runs WHERE run_json != ''").fetchall()
            for run in self._runs_of(rows):
                self._put_files(cursor, run)
            cursor.execute(f"PRAGMA user_version = {VERSION}")

    def _put_files(self, cursor: sqlite3.Cursor, run: Run) -> None:
        results = [result.path for result in run.results]
        beside = [file for file in map(sidecar, results) if file.exists()]
        for file in (*run.pictures, *results, *beside):
            name = self._paths.name(file)
            if name is not None and name.startswith(_KEPT):
                cursor.execute(
                    "INSERT OR IGNORE INTO files VALUES (?, ?, ?)", (name, run.id, _size(file))
                )

    def _put(self, cursor: sqlite3.Cursor, run: Run, day: str | None = None) -> None:
        cursor.execute(
            """
            INSERT INTO runs
                (id, visitor_id, started_at, is_finished, prediction_id, budget_day, cost_usd,
                 payer, group_id, press_id, position, run_json)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET is_finished = excluded.is_finished,
                run_json = excluded.run_json,
                started_at = excluded.started_at,
                prediction_id = excluded.prediction_id, cost_usd = excluded.cost_usd,
                budget_day = coalesce(excluded.budget_day, budget_day)
            """,
            (
                run.id,
                run.visitor_id,
                run.started_at.timestamp(),
                run.is_finished,
                run.prediction.id if run.prediction else None,
                day,
                UNKNOWN_COST if run.cost_usd is None else run.cost_usd,
                run.payer,
                run.group_id,
                run.press_id,
                run.position,
                _JSON.dump_json(self._paths.stored(run)).decode(),
            ),
        )
        self._put_files(cursor, run)
        rows = [(result.sha256, run.id, bool(result.nsfw)) for result in run.results]
        cursor.executemany(
            "INSERT OR IGNORE INTO results VALUES (?, ?, ?)", [row for row in rows if row[0]]
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        """A transaction: all of it or nothing."""
        with self._lock, closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def _runs(self, where: str, *values: str | float) -> list[Run]:
        return self._runs_of(
            self._read(f"SELECT run_json FROM runs WHERE run_json != '' AND {where}", *values)
        )

    def _runs_of(self, rows: Iterable[Sequence[Any]]) -> list[Run]:
        return [self._paths.loaded(_JSON.validate_json(row[0])) for row in rows]

    def _read(self, query: str, *values: str | float | None) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(query, values).fetchall()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # Deleted by hand; it takes no room.
        return 0


def _scalar(cursor: sqlite3.Cursor, query: str, *values: str) -> float:
    return float(cursor.execute(query, values).fetchone()[0])
