"""What the page's events do, a file for each part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from wavespeed.studio.studio import Studio
from wavespeed.studio.ui.covers import Covers
from wavespeed.studio.ui.export_links import ExportLinks
from wavespeed.studio.ui.presenter import Presenter
from wavespeed.studio.ui.stream import RunStream

from .account import AccountHandlers
from .edit import EditHandlers
from .history import HistoryHandlers
from .inputs import InputHandlers
from .page import PageHandlers


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """All of them."""

    edit: EditHandlers
    page: PageHandlers
    history: HistoryHandlers
    inputs: InputHandlers
    account: AccountHandlers

    @classmethod
    def of(cls, studio: Studio, covers: Covers) -> Self:
        presenter = Presenter(studio.runner, covers, studio.api_url, studio.account.resend_price)
        stream = RunStream(studio.runner, presenter)
        links = ExportLinks(studio.downloads, covers)
        account = AccountHandlers(studio)
        inputs = InputHandlers(studio, covers)
        history = HistoryHandlers(studio, presenter, inputs, account, links)
        return cls(
            edit=EditHandlers(studio, presenter, stream, history, links),
            page=PageHandlers(studio, stream, inputs, account, history),
            history=history,
            inputs=inputs,
            account=account,
        )
