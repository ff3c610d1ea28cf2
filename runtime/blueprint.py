"""The blueprint of a worker: everything that is decided before the worker starts. It can be pickled."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from functions.contract.policy import Policy, policy_of
from models_registry.config.lines import (
    folded,
    outside,
    skipped_lines,
    unset_lines,
    unset_outside,
    written_lines,
)
from models_registry.config.reader import Config, UserHeader, read_config
from models_registry.registry import Registry, build_registry
from models_registry.routing.settings import Routing, routing_of
from models_registry.target import TlsOptions
from runtime.bodies.storage_policy import StoragePolicy, storage_policy_of
from runtime.settings import Settings, SettingsError, database_address
from runtime.telemetry.webhooks import webhooks_of
from runtime.upstream.tls import flaw_of, tls_of
from schema.secret import Secret


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is built from."""

    document: dict[str, Any]  # YAML, checked by `models_registry/config/reader.py`
    """The config file, parsed."""
    env: Mapping[str, str]
    """The environment in which the config is read."""
    settings: Settings
    master_key: Secret
    dsn: Secret
    """The address of Postgres."""
    strict: bool = False
    """Whether a deployment that can't be called keeps the server from starting (`--strict`)."""
    families: tuple[str, ...] | None = None
    """The families of functions that are mounted, such as `("chat", "keys")`. None mounts all of them."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A config that was read, with its registry, and everything that is wrong with it."""

    config: Config
    policy: Policy
    storage: StoragePolicy
    registry: Registry
    routing: Routing
    tls: TlsOptions
    errors: tuple[str, ...]
    """The errors that keep a server from starting."""
    skipped: tuple[str, ...]
    """Why some deployments can't be called, one text for each. The other deployments serve. Empty where they
    are errors."""
    skipped_lines: tuple[str, ...]
    """The same for a reader, the same reason once."""
    warnings: tuple[str, ...]


def _of_database(config: Config) -> tuple[str, ...]:
    """The warnings about the address of Postgres; what is wrong with it is told where it is used."""
    from_env, from_file = config.environment.get("DATABASE_URL"), config.general_settings.database_url
    name = "DATABASE_URL" if from_env else "general_settings.database_url"
    try:
        return database_address(from_env or from_file or "", name).warnings
    except SettingsError:
        return ()


def _of_headers(config: Config) -> tuple[str, ...]:
    """The warnings about headers that name somebody else than a customer."""
    mappings = config.general_settings.user_header_mappings or []
    return tuple(
        f"general_settings.user_header_mappings: {each.header_name} names no user here, since the key"
        " says who calls; only headers of customers have an effect"
        for each in ([mappings] if isinstance(mappings, UserHeader) else mappings)
        if each.litellm_user_role != "customer"
    )


def check(document: Mapping[str, Any], env: Mapping[str, str], *, strict: bool = False) -> Checked:
    """Read a config document and build its registry. This never raises for anything in the document: errors
    are in the result. `strict`: a deployment that can't be called is an error."""
    config = read_config(document, env)
    built = build_registry(config, datetime.now(UTC), tls_flaw=flaw_of)
    routing, misrouted, doubts = routing_of(config, built.registry)
    policy, unfit = policy_of(config)
    storage, unfit_storage = storage_policy_of(config)
    _, untold = webhooks_of(config)
    tls, unreadable, unsafe = tls_of(config)
    lines = tuple(skipped_lines(built.skipped))
    strict = strict or bool(config.general_settings.strict_config)
    errors = (*config.errors, *unfit, *unfit_storage, *built.errors, *misrouted, *unreadable)
    told_here = (*_of_database(config), *_of_headers(config))
    warnings = (*config.warnings, *built.warnings, *doubts, *untold, *unsafe, *told_here)
    return Checked(
        config=config,
        policy=policy,
        storage=storage,
        registry=built.registry,
        routing=routing,
        tls=tls,
        errors=tuple(dict.fromkeys((*errors, *lines) if strict else errors)),
        skipped=() if strict else tuple(each.reason for each in built.skipped),
        skipped_lines=() if strict else lines,
        warnings=(
            *unset_lines(unset_outside(config.unset, built.skipped)),
            *written_lines(config.written),
            *folded(outside(warnings, built.skipped)),
        ),
    )
