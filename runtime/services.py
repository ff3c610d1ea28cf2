"""The composition root: the one place that puts implementations into ports."""

import secrets
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from functions.ports.context import Ports
from functions.rules.user_policy import newcomer
from runtime.blueprint import Blueprint, check
from runtime.bodies.keeper import BodyKeeper
from runtime.bodies.reader import BodyReader
from runtime.books.retention import Retention
from runtime.catalog import ACCESSES, entries, paths_of, route_of
from runtime.corrections.writer import CorrectionWriter
from runtime.credentials.signer import Signer
from runtime.identity.authenticator import Authenticator
from runtime.identity.authority_reader import AuthorityReader
from runtime.intake.body_room import BodyRoom
from runtime.intake.searches import Searches
from runtime.invoke import Gateway
from runtime.ledger.attempts import BookedLedger
from runtime.ledger.journal import begun
from runtime.limits.admission import Admissions
from runtime.limits.end_users import EndUsers
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases
from runtime.postgres.databases import Databases
from runtime.postgres.listener import AUTHORITY, OVERDRAWN, RECALL, Listener
from runtime.postgres.look_ups import LookUps
from runtime.readiness import ReadinessProbe
from runtime.state.sealing import Sealer
from runtime.state.store import StateStore
from runtime.stores import Stores
from runtime.telemetry.alert_reader import AlertReader
from runtime.telemetry.exposition import Exposition
from runtime.telemetry.snapshots import Snapshots, memory_bytes
from runtime.telemetry.tally import Gauges, Tally
from runtime.upstream.client import HttpUpstream
from runtime.upstream.loaded import HostContexts
from runtime.upstream.pool import PoolLimits
from runtime.upstream.router import Router

DEAF_AFTER_S = 2.0
"""A worker that heard no sign from Postgres for so long does not hear of changes, as its gauge says."""
BODIES_S = 5.0
"""How long a stopping worker tries to bring its last bodies into Postgres."""


class SystemEntropy:
    """Implements the `Entropy` port."""

    def key(self) -> str:
        return f"sk-{secrets.token_urlsafe(32)}"

    def id(self) -> str:
        return str(uuid.uuid4())


class Services:
    """The parts of a worker. They are opened together and closed together."""

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        log_line: Callable[[bytes], None],
        calls: Callable[[], int] = lambda: 0,
    ) -> None:
        """`log_line` takes the log line of each request. `calls` gives how many requests are being answered.
        Nothing is opened yet. The config is worked out here, while a starting server still checks."""
        self._blueprint = blueprint
        self._checked = check(blueprint.document, blueprint.env, strict=blueprint.strict)
        self._log_line = log_line
        self._calls = calls

    async def open(self) -> Gateway:
        """Connect and start everything. Raises DatabaseUnavailable."""
        blueprint, checked = self._blueprint, self._checked
        databases = self.databases = await Databases.connect(blueprint.dsn, blueprint.settings.connections)
        settings = blueprint.settings
        limits = PoolLimits(
            in_all=settings.upstream_connections, a_host=settings.upstream_connections_per_host
        )
        self.upstream = HttpUpstream(
            limits=limits,
            env=checked.config.environment,
            tls=checked.tls,
            signer=Signer(checked.config.environment),
        )
        await self.upstream.start()
        self.journal = await begun(
            settings.journals,
            max_bytes=settings.journal_mb * 1024 * 1024,
            sync_s=settings.journal_sync_ms / 1000,
        )
        self.journal.start()
        self.bodies = BodyKeeper(databases.management, checked.storage)
        self.bodies.start()
        salt_key = settings.salt_key
        self.state = StateStore(databases.management, None if salt_key is None else Sealer(salt_key))
        self.state.start()
        self.retention = Retention(
            blueprint.dsn.reveal(), checked.storage, lock_path=settings.data_dir / "retention.lock"
        )
        self.retention.start()
        policy = checked.policy
        self.governor = Governor(
            Leases(databases.leases, policy.zone),
            self.journal.leases_as,
            orphan_after_s=policy.orphan_lease_after_s,
        )
        await self.governor.start()
        hears: dict[str, Callable[[str], None]] = {
            AUTHORITY: self._changed,
            RECALL: self.governor.recalled,
            OVERDRAWN: self.governor.overdrawn_elsewhere,
        }
        self.listener = Listener(blueprint.dsn.reveal(), hears)
        self.look_ups = LookUps()
        self.customers = EndUsers(policy, self.listener, databases.auth, self.look_ups)
        self.authenticator = Authenticator(
            blueprint.master_key,
            AuthorityReader(policy, databases.auth),
            self.listener,
            look_ups=self.look_ups,
            metrics_token=settings.metrics_token,
        )
        await self.listener.start()
        names = [card.id for card in checked.registry.cards(allowed=())]
        tally = Tally(names, self._gauges)
        self.snapshots = Snapshots(settings.metrics, tally)
        self.snapshots.start()
        admissions = Admissions(self.governor, self.customers, policy)
        ledger = BookedLedger(self.journal, admissions, tally=tally)
        self.probe = ReadinessProbe(databases.leases, self.journal, skipped=len(checked.skipped))
        stores = Stores(
            databases.management,
            self._changed,
            reports=databases.reports,
            fresh=lambda user_id: newcomer(user_id, policy, datetime.now(UTC)),
        )
        ports = Ports(
            models=checked.registry,
            routes=Router(checked.registry, checked.routing),
            upstream=self.upstream,
            ledger=ledger,
            contexts=HostContexts(self.upstream),
            state=self.state,
            keys=stores.keys,
            users=stores.users,
            teams=stores.teams,
            organizations=stores.organizations,
            customers=stores.customers,
            budgets=stores.budgets,
            access_groups=stores.access_groups,
            audit=stores.audit,
            spend=stores.spend,
            log=stores.log,
            reports=stores.reports,
            bodies=BodyReader(databases.reports),
            counters=stores.counters,
            corrections=CorrectionWriter(databases.management, databases.reports),
            prices=checked.registry,
            metrics=Exposition(self.snapshots, route_of),
            alerts=AlertReader(databases.reports),
            readiness=self.probe,
            paths=paths_of(entries(blueprint.families)),
            entropy=SystemEntropy(),
            policy=policy,
            accesses=ACCESSES,
        )
        return Gateway(
            authenticator=self.authenticator,
            ledger=ledger,
            ports=ports,
            max_body_bytes=settings.max_body_bytes,
            body_room=BodyRoom(settings.max_bodies_bytes),
            searches=Searches(),
            log_line=self._log_line,
            bodies=self.bodies,
            tally=tally,
            tags_agents=policy.tags_agents,
            customer_headers=policy.customer_headers,
        )

    def _gauges(self) -> Gauges:
        return Gauges(
            calls_under_way=self._calls(),
            ledger_rows_waiting=self.journal.waiting_rows,
            journal_bytes_waiting=self.journal.waiting_bytes,
            memory_bytes=memory_bytes(),
            hears_changes=time.monotonic() - self.listener.heard_mono < DEAF_AFTER_S,
        )

    def _changed(self, topic: str) -> None:
        """Forget what was read from a governed row that was changed, by this worker or by others."""
        self.authenticator.forget(topic)
        self.customers.forget(topic)
        self.governor.changed(topic)

    async def close(self) -> None:
        """Close all parts: stop calls to providers, leave the journal to the bookkeeper, close the
        connections to Postgres."""
        await self.snapshots.close()
        await self.retention.close()
        await self.state.close()
        await self.listener.close()
        await self.upstream.close()
        await self.bodies.close(timeout_s=BODIES_S)
        await self.governor.close()
        await self.journal.close()
        await self.probe.close()
        await self.look_ups.close()
        await self.databases.close()
