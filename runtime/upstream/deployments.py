"""Puts together what a worker knows of deployments and does about them: signals, cooldowns, checks."""

from collections.abc import Callable, Sequence

import msgspec

from models_registry.config.health_checks import CheckRules
from models_registry.config.sections import RouterSettings
from models_registry.routing.fleet import Fleet
from models_registry.routing.settings import Routing
from models_registry.target import Target
from runtime.postgres.database import Database
from runtime.upstream.checker import Checker
from runtime.upstream.deployment_reports import DeploymentReports
from runtime.upstream.health_checks import HealthChecks
from runtime.upstream.slots import SlotQueues
from runtime.upstream.standings import Standings
from runtime.upstream.watch import Watch


class DeploymentParts:
    """One a worker. It is opened before the ledger, and its checks when calls can be made."""

    def __init__(self, database: Database, routing: Routing) -> None:
        self._database = database
        self.fleet = Fleet(routing.cooldowns, msgspec.structs.replace(routing.retry_budget))
        self.fleet.check_stale_s = routing.choice.check_stale_s
        self.standings = Standings(database, self.fleet)
        self.slots = SlotQueues()
        self.watch = Watch(self.fleet, self.standings.changed, slots=self.slots)
        self._checks: HealthChecks | None = None
        self._reports: DeploymentReports | None = None

    def start(self) -> None:
        self.standings.start()

    def checked(
        self,
        checker: Checker,
        targets: Callable[[], Sequence[Target]],
        rules: CheckRules,
        router: RouterSettings,
    ) -> DeploymentReports:
        """Begin with the checks of the background, if the config wants them. `targets` gives the deployments
        of now."""
        checks = self._checks = HealthChecks(self._database, checker, self.fleet, targets, rules)
        checks.start()
        self._reports = DeploymentReports(
            checks,
            self.fleet,
            targets,
            router,
            self._database,
            rules,
        )
        return self._reports

    def take(self, routing: Routing, router: RouterSettings) -> None:
        """Go on under other settings of the router. What is known of the deployments stays."""
        budget, asked = self.fleet.budget, routing.retry_budget
        self.fleet.rules = routing.cooldowns
        self.fleet.check_stale_s = routing.choice.check_stale_s
        budget.share, budget.per_s, budget.most = asked.share, asked.per_s, asked.most
        if self._reports is not None:
            self._reports.router = router

    async def close(self) -> None:
        if self._checks is not None:
            await self._checks.close()
        await self.standings.close()
