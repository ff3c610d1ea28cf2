"""What a worker knows of deployments outlives the settings that it goes by."""

import asyncio
from typing import Any, cast

from models_registry.routing.fleet import DeploymentHealth
from runtime.blueprint import check
from runtime.postgres.database import Database
from runtime.upstream.deployments import DeploymentParts
from schema.errors.upstream import ProviderError
from tests.models_registry.routing.deployments import NOW, target


def settings(**router: Any) -> Any:
    checked = check({"router_settings": router}, {})
    assert checked.errors == ()
    return checked


async def _made() -> DeploymentParts:
    return DeploymentParts(cast(Database, None), settings().routing)


def test_other_settings_leave_cooldowns_as_they_are() -> None:
    parts = asyncio.run(_made())
    assert parts.fleet.failed(target("a"), ProviderError("no", status=429), NOW)
    newer = settings(cooldown_time=50, retry_budget_per_s=3, retry_budget_percent=5)
    parts.take(newer.routing, newer.config.router_settings)
    standing = parts.fleet.find(target("a"))
    assert standing is not None
    assert standing.state(NOW) is DeploymentHealth.COOLING
    assert (parts.fleet.budget.per_s, parts.fleet.budget.share) == (3.0, 0.05)
    assert parts.fleet.failed(target("b"), ProviderError("no", status=429), NOW)
    other = parts.fleet.find(target("b"))
    assert other is not None
    assert other.record.until == NOW + 50
