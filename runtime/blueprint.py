"""The blueprint of a worker: everything that is decided before the worker starts. It can be pickled."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from functions.contract.policy import Policy, policy_of
from models_registry.building import build_registry
from models_registry.config.compiled import BuildCache
from models_registry.config.guardrails import GuardrailRules, guardrail_rules_of
from models_registry.config.health_checks import CheckRules, check_rules_of
from models_registry.config.lines import (
    folded,
    outside,
    skipped_lines,
    unset_lines,
    unset_outside,
    written_lines,
)
from models_registry.config.local_hosts import LocalHost, local_hosts_of
from models_registry.config.reader import Config
from models_registry.config.response_cache import CacheRules, cache_rules_of
from models_registry.config.sections import UserHeader
from models_registry.config.stored import NOTHING, Stored, read_with_stored
from models_registry.registry import Registry
from models_registry.routing.settings import Routing, routing_of
from models_registry.target import TlsOptions
from runtime.bodies.storage_policy import StoragePolicy, storage_policy_of
from runtime.guarded.rules import GuardRules, rules_of
from runtime.identity.token_claims import TokenRules, token_rules_of
from runtime.settings import Settings, SettingsError, database_address
from runtime.signin.rules import SignInConfig, config_of
from runtime.signin.site import Site, site_of
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
    config_path: Path | None = None
    """The config file, which is watched for changes. None: there is none, or it stands for itself."""
    families: tuple[str, ...] | None = None
    """The families of functions that are mounted, such as `("chat", "keys")`. None mounts all of them."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A config that was read, with its registry, and everything that is wrong with it."""

    config: Config
    policy: Policy
    storage: StoragePolicy
    registry: Registry
    routing: Routing
    checks: CheckRules
    cache: CacheRules
    guardrails: GuardrailRules
    hosts: tuple[LocalHost, ...]
    tls: TlsOptions
    sign_in: SignInConfig
    site: Site
    """The gateway's address, without the root path, which the settings have."""
    tokens: TokenRules | None
    guard: GuardRules
    errors: tuple[str, ...]
    """The errors that keep a server from starting."""
    skipped: tuple[str, ...]
    """Why some deployments can't be called, one text for each. The other deployments serve. Empty where they
    are errors. A stored model that somebody blocked is not among them."""
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


def check(
    document: Mapping[str, Any],
    env: Mapping[str, str],
    *,
    strict: bool = False,
    stored: Stored = NOTHING,
    cache: BuildCache | None = None,
) -> Checked:
    """Read a config document, and what is stored beside it, and build the registry. This never raises for
    anything in them: errors are in the result. `strict`: a deployment of the document that can't be called is
    an error. `cache` has what was read and compiled the last time."""
    cache = cache or BuildCache()
    config = read_with_stored(document, env, stored, cache)
    built = build_registry(config, datetime.now(UTC), tls_flaw=flaw_of, cache=cache)
    routing, misrouted, doubts = routing_of(config, built.registry)
    checks, unchecked = check_rules_of(config.general_settings)
    cache_rules, uncached, idle = cache_rules_of(
        config.litellm_settings, config.environment, judged=config.cache_judged
    )
    hosts, unhosted = local_hosts_of(config.general_settings, built.registry.everything())
    guardrails, unasked, untaken = guardrail_rules_of(config)
    policy, unfit = policy_of(config)
    storage, unfit_storage = storage_policy_of(config)
    _, untold = webhooks_of(config)
    tls, unreadable, unsafe = tls_of(config)
    sign_in, unusable = config_of(config)
    site, nowhere = site_of(config, "")
    tokens, uncounted = token_rules_of(config)
    guard, unguarded, unjudged = rules_of(config)
    amiss = [each for each in built.skipped if not each.blocked]
    lines = tuple(skipped_lines([each for each in amiss if not each.model_id]))
    strict = strict or bool(config.general_settings.strict_config)
    of_people = (*unguarded, *unchecked, *unasked, *unhosted, *uncached, *unusable, *nowhere, *uncounted)
    errors = (*config.errors, *unfit, *unfit_storage, *built.errors, *misrouted, *unreadable, *of_people)
    told_here = (*_of_database(config), *_of_headers(config), *untaken)
    warnings = (*config.warnings, *built.warnings, *doubts, *untold, *unsafe, *unjudged, *idle, *told_here)
    return Checked(
        config=config,
        policy=policy,
        storage=storage,
        registry=built.registry,
        routing=routing,
        checks=checks,
        cache=cache_rules,
        guardrails=guardrails,
        hosts=hosts,
        tls=tls,
        sign_in=sign_in,
        site=site,
        tokens=tokens,
        guard=guard,
        errors=tuple(dict.fromkeys((*errors, *lines) if strict else errors)),
        skipped=tuple(each.reason for each in amiss if not strict or each.model_id),
        skipped_lines=() if strict else lines,
        warnings=(
            *unset_lines(unset_outside(config.unset, built.skipped)),
            *written_lines(config.written),
            *folded(outside(warnings, built.skipped)),
        ),
    )
