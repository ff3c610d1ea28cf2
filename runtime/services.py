"""The composition root: the one place where ports meet their implementations."""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from runtime.auth import Authenticator
from runtime.blueprint import Blueprint, check
from runtime.database import Database
from runtime.invoke import Gateway
from runtime.key_store import AnnouncedKeys, KeyStore
from runtime.ledger import BookedLedger
from runtime.ledger_writer import LedgerWriter
from runtime.readiness import ReadinessProbe
from runtime.spend_reader import SpendReader
from runtime.upstream import AiohttpUpstream

FLUSH_S = 10.0
"""How long a stopping worker tries to bring its last spend rows into Postgres."""


class SystemClock:
    """Implements the `Clock` port."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SystemEntropy:
    """Implements the `Entropy` port."""

    def key(self) -> str:
        return f"sk-{secrets.token_urlsafe(32)}"


class Services:
    """A worker's parts, opened together and closed in the opposite order."""

    def __init__(self, blueprint: Blueprint, *, log_line: Callable[[bytes], None]) -> None:
        self._blueprint = blueprint
        self._log_line = log_line

    async def open(self) -> Gateway:
        """Connect and start everything. Raises DatabaseUnavailable."""
        blueprint = self._blueprint
        registry = check(blueprint.document, blueprint.env).registry
        self.database = await Database.connect(blueprint.dsn.reveal())
        self.upstream = AiohttpUpstream()
        await self.upstream.start()
        self.writer = LedgerWriter(self.database)
        self.writer.start()
        store = KeyStore(self.database)
        authenticator = Authenticator(blueprint.master_key, store)
        ledger = BookedLedger(self.writer)
        self.probe = ReadinessProbe(self.database, self.writer)
        ports: Mapping[str, object] = {
            "models": registry,
            "upstream": self.upstream,
            "ledger": ledger,
            "keys": AnnouncedKeys(store, authenticator.forget),
            "clock": SystemClock(),
            "entropy": SystemEntropy(),
            "spend": SpendReader(self.database),
            "readiness": self.probe,
        }
        return Gateway(
            authenticator=authenticator,
            ledger=ledger,
            ports=ports,
            max_body_bytes=blueprint.settings.max_body_bytes,
            log_line=self._log_line,
        )

    async def close(self) -> None:
        """Stop calling out, book what is left, let go of Postgres."""
        await self.upstream.close()
        await self.writer.close(timeout_s=FLUSH_S)
        await self.database.close()
