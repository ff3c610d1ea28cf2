"""The catalogue: the one table of all functions that are mounted. A function that is not here is not
served."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec

from functions import (
    access_groups,
    activity,
    alerts,
    audit,
    bodies,
    budgets,
    cache,
    call_budgets,
    chat,
    completions,
    connections,
    corrections,
    cost,
    credentials,
    customers,
    embeddings,
    explain,
    global_spend,
    guardrails,
    health,
    invitations,
    keys,
    latency,
    live,
    local_hosts,
    login,
    me,
    messages,
    metrics,
    model_info,
    models,
    organizations,
    permissions,
    projects,
    reconciliation,
    recosting,
    responses,
    router_config,
    saved_filters,
    scim,
    sessions,
    spend,
    spend_reports,
    sso_callback,
    sso_key_generate,
    sso_settings,
    stored_models,
    tags,
    teams,
    users,
)
from functions.contract.function import Manifest, manifest_of
from functions.contract.roles import Access
from schema.health import ServedPath

Function = Callable[..., Awaitable[object]]

CATALOG: tuple[Function, ...] = (
    chat.chat,
    completions.completions,
    messages.messages,
    messages.count_tokens,
    responses.responses,
    responses.retrieve,
    responses.delete,
    responses.cancel,
    responses.input_items,
    embeddings.embeddings,
    models.models,
    models.retrieve,
    model_info.deployments,
    model_info.page,
    model_info.groups,
    explain.explain,
    stored_models.new,
    stored_models.update,
    stored_models.patch,
    stored_models.delete,
    stored_models.block,
    stored_models.unblock,
    connections.test_connection,
    credentials.new,
    credentials.list_credentials,
    credentials.by_name,
    credentials.by_model,
    credentials.update,
    credentials.delete,
    router_config.update,
    router_config.settings,
    router_config.hosts,
    router_config.set_fallback,
    router_config.fallback,
    router_config.delete_fallback,
    keys.generate,
    keys.generate_service_account,
    keys.update,
    keys.bulk_update,
    keys.info,
    keys.info_of_many,
    keys.list_keys,
    keys.aliases,
    keys.block,
    keys.unblock,
    keys.regenerate,
    keys.regenerate_named,
    keys.reset_spend,
    keys.delete,
    keys.health,
    users.new,
    users.update,
    users.bulk_update,
    users.delete,
    users.block,
    users.unblock,
    users.info,
    users.info_alone,
    permissions.user,
    permissions.key,
    users.list_users,
    users.filter_users,
    users.available_roles,
    budgets.new,
    budgets.update,
    budgets.info,
    budgets.list_budgets,
    budgets.settings,
    budgets.delete,
    teams.new,
    teams.update,
    teams.patch,
    teams.block,
    teams.unblock,
    teams.delete,
    teams.info,
    teams.list_teams,
    teams.page_teams,
    teams.filter_teams,
    teams.member_add,
    teams.bulk_member_add,
    teams.member_update,
    teams.member_delete,
    teams.member_reset_spend,
    teams.model_add,
    teams.model_delete,
    teams.permissions_list,
    teams.permissions_update,
    organizations.new,
    organizations.update,
    organizations.block,
    organizations.unblock,
    organizations.delete,
    organizations.list_organizations,
    organizations.info,
    organizations.info_of_many,
    organizations.member_add,
    organizations.member_update,
    organizations.member_delete,
    customers.new,
    customers.update,
    customers.block,
    customers.unblock,
    customers.delete,
    customers.info,
    customers.list_customers,
    projects.new,
    projects.update,
    projects.info,
    projects.list_projects,
    projects.delete,
    tags.new,
    tags.update,
    tags.info,
    tags.list_tags,
    tags.delete,
    cache.ping,
    cache.settings,
    cache.save_settings,
    cache.try_settings,
    cache.delete,
    cache.flushall,
    local_hosts.list_hosts,
    local_hosts.show,
    local_hosts.load,
    local_hosts.unload,
    local_hosts.pull,
    local_hosts.delete,
    guardrails.list_guardrails,
    guardrails.apply_guardrail,
    access_groups.new,
    access_groups.list_groups,
    access_groups.info,
    access_groups.update,
    access_groups.delete,
    saved_filters.list_filters,
    saved_filters.new,
    saved_filters.update,
    saved_filters.delete,
    audit.audit,
    audit.export,
    audit.one,
    spend.logs,
    cost.calculate,
    cost.estimate,
    bodies.show,
    call_budgets.show,
    corrections.correct,
    corrections.uncertain,
    recosting.recost,
    reconciliation.compare,
    spend.log_page,
    spend.export,
    spend.keys,
    spend.users,
    spend.teams,
    spend.tags,
    latency.latency,
    live.events,
    live.calls,
    spend_reports.key,
    spend_reports.user,
    spend_reports.team,
    spend_reports.organization,
    global_spend.total,
    global_spend.logs,
    global_spend.keys,
    global_spend.models,
    global_spend.teams,
    global_spend.provider,
    global_spend.tags,
    global_spend.end_users,
    global_spend.report,
    global_spend.reset,
    activity.user,
    activity.team,
    activity.organization,
    activity.customer,
    activity.tag,
    activity.user_aggregated,
    activity.team_aggregated,
    activity.organization_aggregated,
    activity.customer_aggregated,
    activity.tag_aggregated,
    activity.requests,
    activity.models,
    activity.exceptions,
    activity.cache_hits,
    sso_key_generate.sso_key_generate,
    sso_callback.sso_callback,
    login.ui,
    login.page,
    login.login,
    login.logout,
    sessions.list_sessions,
    sessions.revoke,
    sessions.end_own,
    sessions.pgadmin,
    invitations.new,
    invitations.info,
    invitations.update,
    invitations.delete,
    invitations.page,
    invitations.accept,
    invitations.change_password,
    invitations.reset_password,
    me.me,
    sso_settings.show,
    sso_settings.update,
    sso_settings.readiness,
    sso_settings.debug_login,
    sso_settings.preview,
    scim.list_users,
    scim.create_user,
    scim.show_user,
    scim.replace_user,
    scim.patch_user,
    scim.delete_user,
    scim.list_groups,
    scim.create_group,
    scim.show_group,
    scim.replace_group,
    scim.patch_group,
    scim.delete_group,
    scim.provider_config,
    scim.schemas,
    scim.schema,
    scim.resource_types,
    scim.resource_type,
    scim.search_users,
    scim.search_groups,
    scim.search_all,
    scim.unknown,
    metrics.metrics,
    alerts.alerts,
    health.liveliness,
    health.readiness,
    health.details,
    health.routes,
    health.deployments,
    health.history,
    health.latest,
    health.provider_budgets,
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    function: Function
    manifest: Manifest


class UnknownFunction(ValueError):
    """A name that the catalogue does not have."""


def entries(families: Collection[str] | None = None) -> tuple[Entry, ...]:
    """The entries of the catalogue. With `families`, only the entries of these families, and those of
    `health` and `metrics`, which probes and scrapers always need. Raises UnknownFunction."""
    everything = tuple(Entry(function=fn, manifest=manifest_of(fn)) for fn in CATALOG)
    if families is None:
        return everything
    known = {entry.manifest.family for entry in everything}
    unknown = [name for name in families if name not in known]
    if unknown:
        raise UnknownFunction(f"no functions {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    wanted = {*families, "health", "metrics"}
    return tuple(entry for entry in everything if entry.manifest.family in wanted)


def paths_of(served: Sequence[Entry]) -> list[ServedPath]:
    """The paths of these entries, each with its methods."""
    found: dict[str, ServedPath] = {}
    for manifest in (entry.manifest for entry in served):
        for path in (manifest.path, *manifest.aliases):
            row = found.setdefault(path, ServedPath(path=path, methods=[], name=manifest.name))
            row.methods.append(manifest.method)
    return list(found.values())


_MODEL_ROUTES = MappingProxyType(
    {
        manifest.name: manifest.path
        for manifest in map(manifest_of, CATALOG)
        if manifest.access is Access.MODEL
    }
)


def _accesses() -> Mapping[str, frozenset[Access]]:
    found: dict[str, frozenset[Access]] = {}
    for manifest in map(manifest_of, CATALOG):
        for path in (manifest.path, *manifest.aliases):
            found[path] = found.get(path, frozenset()) | {manifest.access}
    return MappingProxyType(found)


ACCESSES = _accesses()
"""The accesses that the functions of each path need."""


def route_of(name: str) -> str | None:
    """The path of a function that calls a model, by the function's name. None for other functions."""
    return _MODEL_ROUTES.get(name)


def entry_named(name: str) -> Entry:
    """The entry of the function with this name. A family's name, such as `keys`, stands for its first
    function. Raises UnknownFunction."""
    wanted = name.replace("-", "_")
    everything = entries()
    for entry in everything:
        if entry.manifest.name == wanted:
            return entry
    for entry in everything:
        if entry.manifest.family == wanted:
            return entry
    names = ", ".join(entry.manifest.name for entry in everything)
    raise UnknownFunction(f"no function {name!r}; there are {names}")
