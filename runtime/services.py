"""The composition root: the one place that puts implementations into ports."""

import secrets
import time
import uuid
from collections.abc import Callable
from functools import partial

from functions.ports.context import ModelContext, Ports
from runtime.blueprint import Blueprint, Checked, check
from runtime.bodies.keeper import BodyKeeper
from runtime.bodies.reader import BodyReader
from runtime.books.retention import Retention
from runtime.cache.response_cache import CHANNEL as CACHE
from runtime.cache.response_cache import ResponseCache
from runtime.catalog import ACCESSES, entries, paths_of, route_of
from runtime.corrections.writer import CorrectionWriter
from runtime.credentials.signer import Signer
from runtime.guarded.fetcher import Fetcher
from runtime.guarded.guard import Guard
from runtime.guardrails.door import GuardrailDoor
from runtime.hosts.keeping import HostKeeping
from runtime.hosts.manager import HostManager
from runtime.hosts.pull_way import PullTurns
from runtime.identity.authenticator import Authenticator
from runtime.identity.authority_reader import AuthorityReader
from runtime.identity.in_force import AuthoritiesInForce
from runtime.intake.body_room import BodyRoom
from runtime.intake.searches import Searches
from runtime.invoke import Gateway
from runtime.ledger.attempts import BookedLedger
from runtime.ledger.journal import begun
from runtime.limits.admission import Admissions
from runtime.limits.capacities import SLOTS
from runtime.limits.end_users import EndUsers
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases
from runtime.limits.quotes import LimitQuotes
from runtime.limits.tag_budgets import TagBudgets
from runtime.live.hub import LiveHub
from runtime.people import PeopleParts
from runtime.postgres.announcing import Announcer
from runtime.postgres.databases import Databases
from runtime.postgres.listener import AUTHORITY, EVERYTHING, LIVE, OVERDRAWN, RECALL, Listener
from runtime.postgres.look_ups import LookUps
from runtime.readiness import ReadinessProbe
from runtime.registry.editor import RegistryEditor
from runtime.registry.hosts import HostConfigs
from runtime.registry.live import LiveRegistry
from runtime.registry.live_models import LiveModels
from runtime.state.sealing import Sealer
from runtime.state.store import StateStore
from runtime.telemetry.alert_reader import AlertReader
from runtime.telemetry.exposition import Exposition
from runtime.telemetry.local_counts import QueueGauge
from runtime.telemetry.snapshots import Snapshots, memory_bytes
from runtime.telemetry.tally import Gauges, Tally
from runtime.upstream.checker import Checker
from runtime.upstream.client import HttpUpstream
from runtime.upstream.deployments import DeploymentParts
from runtime.upstream.dialing import Dialer
from runtime.upstream.loaded import HostContexts
from runtime.upstream.pool import PoolLimits
from runtime.upstream.router import Router
from runtime.upstream.standings import CHANNEL as COOLDOWN
from runtime.upstream.tls import context_for_strangers

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
        checked: Checked | None = None,
    ) -> None:
        """`log_line` takes the log line of each request. `calls` gives how many requests are being answered.
        Nothing is opened yet. The config is worked out here, while a starting server still checks, or is
        given as `checked`."""
        self._blueprint = blueprint
        self._checked = checked or check(blueprint.document, blueprint.env, strict=blueprint.strict)
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

        def judge(host: str, port: int, address: str | None) -> str | None:
            return guard.why_not_called(host, port, address)

        self.upstream = HttpUpstream(
            limits=limits,
            env=checked.config.environment,
            tls=checked.tls,
            signer=Signer(checked.config.environment),
            judge=judge,
        )
        await self.upstream.start()
        guard = Guard(checked.guard, self.upstream.resolved)
        files = Fetcher(
            checked.guard,
            guard,
            context=lambda: context_for_strangers(checked.tls),
            proxy_for=self.upstream.proxy_for,
        )
        self.journal = await begun(
            settings.journals,
            max_bytes=settings.journal_mb * 1024 * 1024,
            sync_s=settings.journal_sync_ms / 1000,
        )
        self.journal.start()
        self.bodies = BodyKeeper(databases.management, checked.storage)
        self.bodies.start()
        sealer = None if settings.salt_key is None else Sealer(settings.salt_key)
        self.state = StateStore(databases.management, sealer)
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
        self.deployments = DeploymentParts(databases.management, checked.routing)
        self.deployments.start()
        self.governor.passed = lambda account: self.deployments.slots.freed(account.removeprefix(SLOTS))
        hears: dict[str, Callable[[str], None]] = {
            AUTHORITY: self._changed,
            RECALL: self.governor.recalled,
            OVERDRAWN: self.governor.overdrawn_elsewhere,
            COOLDOWN: self.deployments.standings.heard,
            CACHE: lambda payload: self.cache.heard(payload),
            LIVE: self._happened,
        }
        missed = {AUTHORITY: self._missed, LIVE: self._missed_live}
        self.listener = Listener(blueprint.dsn.reveal(), hears, missed=missed)
        self.look_ups = LookUps()
        self.customers = EndUsers(policy, self.listener, databases.auth, self.look_ups)
        self.authenticator = Authenticator(
            blueprint.master_key,
            AuthorityReader(policy, databases.auth),
            self.listener,
            look_ups=self.look_ups,
            metrics_token=settings.metrics_token,
            scim_token=settings.scim_token,
        )
        self.models = LiveModels(checked.registry)
        self.router = Router(
            checked.registry, checked.routing, fleet=self.deployments.fleet, slots=self.deployments.slots
        )
        tally = self.tally = Tally(checked.registry.names, self._gauges)
        self.cache = ResponseCache(
            checked.cache,
            database=databases.management,
            sealer=sealer,
            announcements=self.listener,
            counts=tally.cache,
            dialer=Dialer(judge),
        )
        self.cache.start()
        self.guardrails = GuardrailDoor(checked.guardrails, self.upstream, tally)
        self.local_hosts = HostManager(
            checked.hosts,
            checked.registry.everything(),
            self.upstream,
            databases.management,
            PullTurns(settings.pulls),
            pulled=tally.pulled,
        )
        self.deployments.slots.waited = tally.waited
        self.keeping = HostKeeping(self.local_hosts, self.deployments.fleet, policy.zone)
        self.keeping.start()
        self.live = LiveRegistry(blueprint, checked, databases.management, sealer, self._swapped)
        await self.live.start()
        self.tags = TagBudgets(databases.management)
        await self.tags.start()
        self.people = PeopleParts(
            checked,
            blueprint,
            databases,
            announcements=self.listener,
            look_ups=self.look_ups,
            announce=self._changed,
        )
        self.people.start()
        admissions = Admissions(self.governor, self.customers, policy, self.tags)
        ledger = BookedLedger(self.journal, admissions, tally=tally, watch=self.deployments.watch)
        self.pages = LiveHub(Announcer(databases.management, LIVE).announce, ledger.under_way)
        self.pages.start()
        await self.listener.start()
        self.hosts = HostConfigs(databases.management, self.live)
        self.hosts.start()
        self.snapshots = Snapshots(settings.metrics, tally)
        self.snapshots.start()
        self.probe = ReadinessProbe(databases.leases, self.journal, config=self.hosts.state)
        stores = self.people.stores
        contexts = HostContexts(self.upstream)
        context = partial(
            ModelContext,
            routes=self.router,
            upstream=self.upstream,
            ledger=ledger,
            contexts=contexts,
            files=files,
            state=self.state,
            policy=policy,
            cache=self.cache,
        )
        deployments = self.deployments.checked(
            Checker(self.upstream, lambda call: context(call=call)),
            lambda: self.models.registry.everything(),
            checked.checks,
            checked.config.router_settings,
        )
        ports = Ports(
            models=self.models,
            registry=RegistryEditor(databases.management, self.live),
            hosts=self.hosts,
            routes=self.router,
            upstream=self.upstream,
            ledger=ledger,
            contexts=contexts,
            files=files,
            deployments=deployments,
            plans=self.router,
            quotes=LimitQuotes(admissions, databases.reports),
            state=self.state,
            cache=self.cache,
            guardrails=self.guardrails,
            local_hosts=self.local_hosts,
            keys=stores.keys,
            users=stores.users,
            teams=stores.teams,
            organizations=stores.organizations,
            customers=stores.customers,
            tags=stores.tags,
            projects=stores.projects,
            budgets=stores.budgets,
            access_groups=stores.access_groups,
            saved_filters=stores.saved_filters,
            audit=stores.audit,
            spend=stores.spend,
            log=stores.log,
            reports=stores.reports,
            latency=stores.latency,
            balances=stores.balances,
            authorities=AuthoritiesInForce(policy, databases.auth),
            live=self.pages,
            bodies=BodyReader(databases.reports),
            counters=stores.counters,
            corrections=CorrectionWriter(databases.management, databases.reports),
            prices=self.models,
            metrics=Exposition(self.snapshots, route_of, self.keeping.wanted),
            alerts=AlertReader(databases.reports),
            readiness=self.probe,
            paths=paths_of(entries(blueprint.families)),
            entropy=SystemEntropy(),
            policy=policy,
            accesses=ACCESSES,
            signin=self.people.desk,
            sessions=self.people.sessions,
            passwords=self.people.passwords,
            sso=self.people.settings,
            directory=self.people.directory,
        )
        return Gateway(
            authenticator=self.authenticator,
            ledger=ledger,
            ports=ports,
            max_body_bytes=settings.max_body_bytes,
            body_room=BodyRoom(settings.max_bodies_bytes),
            searches=Searches(),
            log_line=self._log_line,
            site=self.people.site,
            sessions=self.people.session_authenticator,
            tokens=self.people.token_authenticator,
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
            config_in_force=self.live.flaw is None,
            config_loaded_s=self.live.in_force.loaded_at.timestamp(),
            deployments=len(self.live.in_force.checked.config.deployments),
            cache_answers=len(self.cache.memory),
            cache_bytes=self.cache.memory.size,
            hosts=self.keeping.gauges,
            queues=[
                QueueGauge(model=self.tally.known_as(line.model), waiting=len(line.waiting))
                for line in self.deployments.slots.lines.values()
            ],
        )

    def _changed(self, topic: str) -> None:
        """Forget what was read from a governed row that was changed, by this worker or by others."""
        self.authenticator.forget(topic)
        self.people.forget(topic)
        self.customers.forget(topic)
        self.pages.changed(topic)
        self._read_again(topic)

    def _happened(self, payload: str) -> None:
        """Somebody has announced what happens now."""
        self.pages.heard(payload)

    def _missed_live(self) -> None:
        self.pages.missed()

    def _missed(self) -> None:
        """Announcements of changed rows may have been missed. Who is known stays known while Postgres can't
        be asked."""
        self.authenticator.doubt()
        self.people.doubt()
        self.customers.doubt()
        self.pages.changed(EVERYTHING)
        self._read_again(EVERYTHING)

    def _read_again(self, topic: str) -> None:
        self.governor.changed(topic)
        self.live.heard(topic)
        self.tags.heard(topic)

    def _swapped(self, checked: Checked) -> None:
        """Another registry is in force. No call sees half of the change: nothing here waits."""
        self.models.registry = checked.registry
        self.router.use(checked.registry, checked.routing)
        self.deployments.take(checked.routing, checked.config.router_settings)
        self.tally.know(checked.registry.names)
        self.cache.use(checked.cache)
        self.guardrails.use(checked.guardrails)
        self.local_hosts.use(checked.hosts, checked.registry.everything())

    def look_at_config(self) -> None:
        """Somebody sent SIGHUP."""
        self.live.look_at_file()

    async def give_up(self) -> None:
        """Close what holds files and connections, where `open` has failed. The event loop ends the rest."""
        for name in ("upstream", "journal", "databases"):
            part = getattr(self, name, None)
            if part is not None:
                await part.close()

    async def close(self) -> None:
        """Close all parts: stop calls to providers, leave the journal to the bookkeeper, close the
        connections to Postgres."""
        await self.pages.close()
        await self.hosts.close()
        await self.tags.close()
        await self.live.close()
        await self.snapshots.close()
        await self.retention.close()
        await self.state.close()
        await self.cache.close()
        await self.keeping.close()
        await self.people.close()
        await self.listener.close()
        await self.deployments.close()
        await self.upstream.close()
        await self.bodies.close(timeout_s=BODIES_S)
        await self.governor.close()
        await self.journal.close()
        await self.probe.close()
        await self.look_ups.close()
        await self.databases.close()
