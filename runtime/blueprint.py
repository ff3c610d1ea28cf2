"""What a worker is built from: everything decided before it starts, and picklable."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from functions.contract.policy import Policy, policy_of
from models_registry.config.reader import Config, read_config
from models_registry.registry import Registry, build_registry
from models_registry.routing.settings import Routing, routing_of
from runtime.bodies.storage_policy import StoragePolicy, storage_policy_of
from runtime.settings import Settings
from runtime.telemetry.webhooks import webhooks_of
from runtime.upstream.tls import TlsOptions, tls_of
from schema.secret import Secret


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """`document` is the config file as read, `env` the environment it is read in."""

    document: dict[str, Any]  # YAML, checked by `models_registry/config/reader.py`
    env: Mapping[str, str]
    settings: Settings
    master_key: Secret
    dsn: Secret
    families: tuple[str, ...] | None = None


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A config with its registry and all that was found wrong."""

    config: Config
    policy: Policy
    storage: StoragePolicy
    registry: Registry
    routing: Routing
    tls: TlsOptions
    errors: tuple[str, ...]
    """What keeps a server from starting."""
    skipped: tuple[str, ...]
    """Deployments that can't be called, and why. The others serve."""
    warnings: tuple[str, ...]


def check(document: Mapping[str, Any], env: Mapping[str, str]) -> Checked:
    """Read a config document and build its registry. Never raises for what a file can hold."""
    config = read_config(document, env)
    built = build_registry(config, datetime.now(UTC))
    routing, misrouted, doubts = routing_of(config, built.registry)
    policy, unfit = policy_of(config)
    storage, unfit_storage = storage_policy_of(config)
    _, untold = webhooks_of(config)
    tls, unreadable, unsafe = tls_of(config.litellm_settings)
    return Checked(
        config=config,
        policy=policy,
        storage=storage,
        registry=built.registry,
        routing=routing,
        tls=tls,
        errors=(*config.errors, *unfit, *unfit_storage, *built.errors, *misrouted, *unreadable),
        skipped=tuple(each.reason for each in built.skipped),
        warnings=(*config.warnings, *built.warnings, *doubts, *untold, *unsafe),
    )
