"""One call without a server: the parts of a worker are opened for it and closed after it, and its rows are
booked.

`just invoke` and the serverless entry point call functions so. Nothing is left to do afterwards: leases are
returned, and no timer, connection or task has to go on.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from runtime.blueprint import Blueprint, Checked
from runtime.books.bookkeeper import books_lock
from runtime.invoke import Gateway
from runtime.services import Services
from runtime.serving.keeper import keeper_of

TURN_S = 0.05
"""The pause before the lock of the books is tried again."""


class SingleCall:
    """Use it as `async with single as gateway`, and then `await single.book(...)`."""

    def __init__(
        self, blueprint: Blueprint, *, log_line: Callable[[bytes], None], checked: Checked | None = None
    ) -> None:
        """`checked` is what `check` made of the blueprint's config, where that is known already."""
        self._blueprint = blueprint
        self._services = Services(blueprint, log_line=log_line, checked=checked)
        self._journal: Path | None = None

    async def __aenter__(self) -> Gateway:
        """Raises DatabaseUnavailable."""
        try:
            gateway = await self._services.open()
        except BaseException:
            await self._services.give_up()
            raise
        self._journal = self._services.journal.folder
        return gateway

    async def __aexit__(self, *exc: object) -> None:
        await self._services.close()

    async def book(self, *, within_s: float, waits: bool) -> bool:
        """Book the rows of the call, and what else waits in the data directory. Gives whether the call's rows
        are booked; where they are not, they wait on disk. `waits`: where another process keeps the books of
        the directory, wait for it; else its word counts as booked."""
        journal, journals = self._journal, self._blueprint.settings.journals
        if journal is None:
            return True
        try:
            async with asyncio.timeout(within_s):
                while journal.exists():
                    with books_lock(journals) as mine:
                        if mine:
                            keeper = keeper_of(self._blueprint)
                            keeper.stop()
                            await keeper.run()
                            return not journal.exists()
                    if not waits:
                        return True
                    await asyncio.sleep(TURN_S)
        except TimeoutError:
            return False
        return True
