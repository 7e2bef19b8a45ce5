"""What the page's events do, a file for each part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from wavespeed.studio.services import Services
from wavespeed.studio.ui.export_links import ExportLinks
from wavespeed.studio.ui.nsfw_covers import Covers
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
    def of(cls, services: Services, covers: Covers) -> Self:
        presenter = Presenter(
            services.runner, covers, services.api_url, services.account.resend_price
        )
        stream = RunStream(services.runner, presenter)
        links = ExportLinks(services.downloads, covers)
        account = AccountHandlers(services)
        inputs = InputHandlers(services, covers)
        history = HistoryHandlers(services, presenter, inputs, account, links)
        return cls(
            edit=EditHandlers(services, presenter, stream, history, links),
            page=PageHandlers(services, stream, inputs, account, history),
            history=history,
            inputs=inputs,
            account=account,
        )
