"""A database of an earlier version becomes one of today, in two steps that each happen wholly or
not at all, so that a crash between them is made good at the next start.

The oldest that is read is that of commit 49e676d, which says that it is version 0; one that is
older still lacks its columns and is refused. Each later version has a number, in `user_version`.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from .data_paths import relative_paths

VERSION = 4
"""Of today's database. Before 2 it named files by absolute paths; 3 has today's names of columns
and of what stands in a run, and 4 also says of all runs which files they use, see `Store`."""
NAMED = 3

_ADDED = {
    "press": "TEXT NOT NULL DEFAULT ''",
    "number": "INTEGER NOT NULL DEFAULT 0",
}
"""Columns that version 0 lacks."""
_NEEDED = {"id", "visitor", "started_at", "over", "prediction_id", "day", "cost_usd", "account"}
_COLUMNS = {
    "visitor": "visitor_id",
    "over": "is_finished",
    "day": "budget_day",
    "account": "payer",
    "press": "press_id",
    "number": "position",
    "body": "run_json",
}
_RUN_FIELDS = {
    "visitor": "visitor_id",
    "own_key": "uses_visitor_key",
    "account": "payer",
    "group": "group_id",
    "number": "position",
    "press": "press_id",
    "parent": "parent_id",
    "held": "awaiting_slot",
    "at": "elapsed",
    "began": "step_started",
    "changes": "preprocessing",
}
_ERROR_CODES = {
    "WaveSpeedError": "error",
    "InvalidEdit": "invalid_edit",
    "InvalidEnvironment": "invalid_environment",
    "Unreachable": "connection_failed",
    "AmbiguousSubmit": "ambiguous_submit",
    "Refused": "api_error",
    "BadKey": "invalid_api_key",
    "InactiveKey": "inactive_api_key",
    "NoCredit": "insufficient_credit",
    "NotAllowed": "permission_denied",
    "ModelNotFound": "model_not_found",
    "RateLimited": "rate_limited",
    "Moderated": "content_moderated",
    "UnknownTask": "prediction_not_found",
    "MissingFile": "file_unavailable",
    "ServiceDown": "server_error",
    "NotUnderstood": "invalid_response",
    "NoOutputs": "missing_outputs",
    "PrivateAddress": "private_address",
    "EditFailed": "edit_failed",
    "EditOverdue": "edit_timeout",
    "Unsaved": "save_failed",
    "NoPicture": "invalid_output",
    "Unwritten": "store_write_failed",
    "Overspent": "limit_exceeded",
    "Unpriced": "price_unknown",
    "QuotaExceeded": "quota_exceeded",
    "KeyNeeded": "api_key_required",
    "Interrupted": "interrupted",
}
"""What each class of an error was called when its name was what was stored."""


class UnknownDatabase(sqlite3.DatabaseError):
    """The file is of a version that this one does not know: too old, or newer."""


def migrate(database: sqlite3.Connection) -> None:
    """Gives an older file today's names. A file without runs is left to be made.

    Raises `UnknownDatabase`, and then has changed nothing.
    """
    [version] = database.execute("PRAGMA user_version").fetchone()
    columns = {row[0] for row in database.execute("SELECT name FROM pragma_table_info('runs')")}
    if version > VERSION:
        raise UnknownDatabase("It was written by a newer version of this page.")
    if not columns:
        database.execute(f"PRAGMA user_version = {VERSION}")
        return
    if version >= NAMED:
        return
    if not columns >= _NEEDED:
        raise UnknownDatabase("It was written by a version of this page that is too old.")
    with closing(database.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            _migrate(cursor, version, columns)
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")


def _migrate(cursor: sqlite3.Cursor, version: int, columns: set[str]) -> None:
    for name, kind in _ADDED.items():
        if name not in columns:
            cursor.execute(f"ALTER TABLE runs ADD COLUMN {name} {kind}")
    for old, new in _COLUMNS.items():
        cursor.execute(f"ALTER TABLE runs RENAME COLUMN {old} TO {new}")
    if cursor.execute("SELECT 1 FROM pragma_table_info('uploads') LIMIT 1").fetchone():
        cursor.execute("ALTER TABLE uploads RENAME COLUMN visitor TO visitor_id")
    rows = cursor.execute("SELECT id, run_json FROM runs WHERE run_json != ''").fetchall()
    for run_id, run_json in rows:
        run = json.loads(run_json)
        if version < 2:
            relative_paths(run)
        text = json.dumps(with_names_of_today(run))
        cursor.execute("UPDATE runs SET run_json = ? WHERE id = ?", (text, run_id))
    cursor.execute(f"PRAGMA user_version = {NAMED}")


def with_names_of_today(run: dict[str, Any]) -> dict[str, Any]:
    """A run's JSON as versions before 3 wrote it, as it is written now."""
    run = {_RUN_FIELDS.get(name, name): value for name, value in run.items()}
    for result in run.get("results", ()):
        result["blur_placeholder"] = result.pop("cover")
    if run.get("error"):
        run["error"] = _error(run["error"])
    if run.get("waiting"):
        run["waiting"] = {
            "seconds": run["waiting"]["seconds"],
            "error": _error(run["waiting"]["trouble"]),
        }
    return run


def _error(error: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in error.items() if name not in ("kind", "code")}
    code = _ERROR_CODES.get(error["kind"], "error")
    return kept | {"code": code, "service_code": error.get("code")}
