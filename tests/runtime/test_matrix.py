"""Every path x every role x an own and a foreign object, from the catalogue: who gets what.

One line for each path says what is expected of the eight roles, in the order of ROLES, for an object of their
own and for one of somebody else. `y`: it is done. `n`: it is refused (403). `h`: there is no such thing (404,
or it is not in the list). A path without a line fails. What `own` means depends on the role: an organization
admin's object is in its organization, a team admin's is in its team, devops' was made by it, and a service
key's is the key itself.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import pytest

from functions import (
    users,
)
from functions.contract.function import Manifest
from functions.contract.roles import (
    Access,
)
from runtime.catalog import Entry, entries
from runtime.intake.body_room import BodyRoom
from runtime.intake.searches import Searches
from runtime.invoke import Endpoint, Gateway, Incoming
from runtime.services import SystemEntropy
from tests.conftest import execute
from tests.databases import dsn_of
from tests.fakes import answers
from tests.fakes.cache import local_cache
from tests.fakes.guardrails import FakeGuardrails
from tests.fakes.ledger import FakeLedger
from tests.fakes.live import FakeLive
from tests.fakes.local_hosts import FakeLocalHosts
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.governed import Body, House, in_house
from tests.functions.registered import registered
from tests.runtime.matrix_objects import (
    PERIOD,
    PROVIDERS_MODEL,
    ROLES,
    SCIM_GROUP,
    SCIM_PATCH,
    SCIM_USER,
    Case,
    Known,
    Ready,
    furnish,
    furnish_registry,
    kept_for,
)

Expected = tuple[str, str]
EVERYBODY: Expected = ("yyyyyyyy", "yyyyyyyy")
ADMINS_ONLY: Expected = ("ynnnnnnn", "ynnnnnnn")
OWN_SPEND: Expected = ("yyyyyyyy", "yyhhyhhh")
ADMINS_AND_THEIR_VIEWERS: Expected = ("yynnynnn", "yynnynnn")
EXPECTED: Mapping[str, Expected] = {
    # own: admin viewer org team devops user u.viewer key; then the same for a foreign object
    "chat": ("ynyyyyny", "ynyyyyny"),
    "completions": ("ynyyyyny", "ynyyyyny"),
    "messages": ("ynyyyyny", "ynyyyyny"),
    "messages.count_tokens": ("ynyyyyny", "ynyyyyny"),
    "responses": ("ynyyyyny", "ynyyyyny"),
    "responses.retrieve": ("ynyyyyny", "hnhhhhnh"),
    "responses.delete": ("ynyyyyny", "hnhhhhnh"),
    "responses.cancel": ("ynyyyyny", "hnhhhhnh"),
    "responses.input_items": ("ynyyyyny", "hnhhhhnh"),
    "embeddings": ("ynyyyyny", "ynyyyyny"),
    "models": EVERYBODY,
    "models.retrieve": EVERYBODY,
    "model_info.deployments": EVERYBODY,
    "model_info.page": EVERYBODY,
    "model_info.groups": EVERYBODY,
    "explain": EVERYBODY,  # each its own budgets: tests/functions/test_explain.py
    "stored_models.new": ("ynnynnnn", "ynnnnnnn"),
    "connections.test_connection": ("ynnnnnnn", "ynnnnnnn"),
    "stored_models.update": ("ynnynnnn", "ynnhnnnn"),
    "stored_models.patch": ("ynnynnnn", "ynnhnnnn"),
    "stored_models.delete": ("ynnynnnn", "ynnhnnnn"),
    "stored_models.block": ("ynnynnnn", "ynnhnnnn"),
    "stored_models.unblock": ("ynnynnnn", "ynnhnnnn"),
    "credentials.new": ADMINS_ONLY,
    "credentials.list_credentials": ("yynnnnnn", "yynnnnnn"),
    "credentials.by_name": ("yynnnnnn", "yynnnnnn"),
    "credentials.by_model": ("yynnnnnn", "yynnnnnn"),
    "credentials.update": ADMINS_ONLY,
    "credentials.delete": ADMINS_ONLY,
    "local_hosts.list_hosts": ("yynnynnn", "yynnynnn"),
    "local_hosts.show": ("yynnynnn", "yynnynnn"),
    "local_hosts.load": ADMINS_ONLY,
    "local_hosts.unload": ADMINS_ONLY,
    "local_hosts.pull": ADMINS_ONLY,
    "local_hosts.delete": ADMINS_ONLY,
    "guardrails.list_guardrails": EVERYBODY,
    "guardrails.apply_guardrail": ADMINS_ONLY,
    "cache.ping": ADMINS_AND_THEIR_VIEWERS,
    "cache.settings": ADMINS_AND_THEIR_VIEWERS,
    "cache.delete": ADMINS_ONLY,
    "cache.flushall": ADMINS_ONLY,
    "cache.save_settings": ADMINS_ONLY,
    "cache.try_settings": ADMINS_ONLY,
    "router_config.update": ADMINS_ONLY,
    "router_config.settings": ADMINS_AND_THEIR_VIEWERS,
    "router_config.hosts": ADMINS_AND_THEIR_VIEWERS,
    "router_config.set_fallback": ADMINS_ONLY,
    "router_config.fallback": ADMINS_AND_THEIR_VIEWERS,
    "router_config.delete_fallback": ADMINS_ONLY,
    "metrics": ADMINS_AND_THEIR_VIEWERS,
    "alerts": ADMINS_AND_THEIR_VIEWERS,
    "health.liveliness": EVERYBODY,
    "health.readiness": EVERYBODY,
    "health.details": EVERYBODY,
    "health.routes": EVERYBODY,
    "health.deployments": ADMINS_AND_THEIR_VIEWERS,
    "health.history": ADMINS_AND_THEIR_VIEWERS,
    "health.latest": ADMINS_AND_THEIR_VIEWERS,
    "health.provider_budgets": ADMINS_AND_THEIR_VIEWERS,
    "keys.health": EVERYBODY,
    "keys.generate": ("ynyyyynn", "ynhhnnnn"),
    "keys.generate_service_account": ("ynyyhhnn", "ynhhhhnn"),
    "keys.update": ("ynyyyynn", "ynhhhhnn"),
    "keys.bulk_update": ("ynyyyynn", "ynhhhhnn"),
    "keys.info": ("yyyyyyyy", "yyhhyhhh"),
    "keys.info_of_many": ("yyyyyyyy", "yyhhyhhh"),
    "keys.list_keys": ("yyyyyyyy", "yyhhyhhh"),
    "keys.aliases": ("yyyyyyyy", "yyhhyhhh"),
    "keys.block": ("ynyyyynn", "ynhhhhnn"),
    "keys.unblock": ("ynyyyynn", "ynhhhhnn"),
    "keys.regenerate": ("ynyyyynn", "ynhhhhnn"),
    "keys.regenerate_named": ("ynyyyynn", "ynhhhhnn"),
    "keys.reset_spend": ("ynyynnnn", "ynhhhhnn"),
    "keys.delete": ("ynyyyynn", "ynhhhhnn"),
    "users.new": ("ynynnnnn", "ynnnnnnn"),
    "users.update": ("ynyhyynn", "ynhhhhnn"),
    "users.bulk_update": ("ynynnnnn", "ynhnnnnn"),
    "users.delete": ("ynnnnnnn", "ynhnnnnn"),
    "users.block": ("ynnnnnnn", "ynhnnnnn"),
    "users.unblock": ("ynnnnnnn", "ynhnnnnn"),
    "users.info": ("yyyyyyyn", "yyhhyhhn"),
    "users.info_alone": ("yyyyyyyn", "yyhhyhhn"),
    "permissions.user": ("yyyyyyyn", "yyhhyhhn"),
    "permissions.key": ("yyyyyyyy", "yyhhyhhh"),
    "users.list_users": ("yyyyyyyn", "yyhhyhhn"),
    "users.filter_users": ("yyyyyyyn", "yyhhyhhn"),
    "users.available_roles": ("yyyyyyyn", "yyyyyyyn"),
    "teams.new": ("ynynnnnn", "ynhnnnnn"),
    "teams.update": ("ynyynnnn", "ynhhnnnn"),
    "teams.patch": ("ynyynnnn", "ynhhnnnn"),
    "teams.block": ("ynynnnnn", "ynhhnnnn"),
    "teams.unblock": ("ynynnnnn", "ynhhnnnn"),
    "teams.delete": ("ynynnnnn", "ynhhnnnn"),
    "teams.info": ("yyyyyyyy", "yyhhyhhh"),
    "teams.list_teams": ("yyyyyyyy", "yyhhyhhh"),
    "teams.page_teams": ("yyyyyyyy", "yyhhyhhh"),
    "teams.filter_teams": ("yyyyyyyy", "yyhhyhhh"),
    "teams.member_add": ("ynyynnnn", "ynhhnnnn"),
    "teams.bulk_member_add": ("ynyynnnn", "ynhhnnnn"),
    "teams.member_update": ("ynyynnnn", "ynhhnnnn"),
    "teams.member_delete": ("ynyynnnn", "ynhhnnnn"),
    "teams.member_reset_spend": ("ynyynnnn", "ynhhnnnn"),
    "teams.model_add": ("ynyynnnn", "ynhhnnnn"),
    "teams.model_delete": ("ynyynnnn", "ynhhnnnn"),
    "teams.permissions_list": ("yyyyyyyy", "yyhhyhhh"),
    "teams.permissions_update": ("ynyynnnn", "ynhhnnnn"),
    "organizations.new": ADMINS_ONLY,
    "organizations.update": ("ynynnnnn", "ynhnnnnn"),
    "organizations.block": ADMINS_ONLY,
    "organizations.unblock": ADMINS_ONLY,
    "organizations.delete": ADMINS_ONLY,
    "organizations.list_organizations": ("yyyyyyyn", "yyhhyhhn"),
    "organizations.info": ("yyyyyyyn", "yyhhyhhn"),
    "organizations.info_of_many": ("yyyyyyyn", "yyhhyhhn"),
    "organizations.member_add": ("ynynnnnn", "ynhnnnnn"),
    "organizations.member_update": ("ynynnnnn", "ynhnnnnn"),
    "organizations.member_delete": ("ynynnnnn", "ynhnnnnn"),
    "budgets.new": ADMINS_ONLY,
    "budgets.update": ADMINS_ONLY,
    "budgets.delete": ADMINS_ONLY,
    "budgets.info": ADMINS_AND_THEIR_VIEWERS,
    "budgets.list_budgets": ADMINS_AND_THEIR_VIEWERS,
    "budgets.settings": ADMINS_AND_THEIR_VIEWERS,
    "customers.new": ADMINS_ONLY,
    "customers.update": ADMINS_ONLY,
    "customers.block": ADMINS_ONLY,
    "customers.unblock": ADMINS_ONLY,
    "customers.delete": ADMINS_ONLY,
    "customers.info": ADMINS_AND_THEIR_VIEWERS,
    "customers.list_customers": ADMINS_AND_THEIR_VIEWERS,
    "projects.new": ADMINS_ONLY,
    "projects.update": ADMINS_ONLY,
    "projects.delete": ADMINS_ONLY,
    "projects.info": ("yyyyyyyy", "yyhhyhhh"),
    "projects.list_projects": ("yyyyyyyy", "yyhhyhhh"),
    "tags.new": ADMINS_ONLY,
    "tags.update": ADMINS_ONLY,
    "tags.delete": ADMINS_ONLY,
    "tags.info": ADMINS_AND_THEIR_VIEWERS,
    "tags.list_tags": ADMINS_AND_THEIR_VIEWERS,
    "access_groups.new": ADMINS_ONLY,
    "access_groups.update": ADMINS_ONLY,
    "access_groups.delete": ADMINS_ONLY,
    "access_groups.list_groups": ("yyyyynnn", "yyyyynnn"),
    "access_groups.info": ("yyyyynnn", "yyyyynnn"),
    "saved_filters.list_filters": ("yyyyyyyn", "hhhhhhhn"),
    "saved_filters.new": ("yyyyyyyn", "yyyyyyyn"),
    "saved_filters.update": ("yyyyyyyn", "hhhhhhhn"),
    "saved_filters.delete": ("yyyyyyyn", "hhhhhhhn"),
    "audit": ADMINS_AND_THEIR_VIEWERS,
    "audit.one": ADMINS_AND_THEIR_VIEWERS,
    "audit.export": ADMINS_AND_THEIR_VIEWERS,
    "cost.calculate": EVERYBODY,
    "cost.estimate": EVERYBODY,
    "bodies.show": OWN_SPEND,
    "call_budgets.show": OWN_SPEND,
    "corrections.correct": ADMINS_ONLY,
    "recosting.recost": ADMINS_ONLY,
    "reconciliation.compare": ADMINS_ONLY,
    "corrections.uncertain": OWN_SPEND,
    "spend.logs": OWN_SPEND,
    "spend.log_page": OWN_SPEND,
    "spend.export": OWN_SPEND,
    "spend.keys": OWN_SPEND,
    "spend.users": ("yyyyyyyh", "yyhhyhhh"),
    "spend.teams": OWN_SPEND,
    "spend.tags": OWN_SPEND,
    "latency": OWN_SPEND,
    "live.events": EVERYBODY,  # each its own calls: tests/runtime/live/test_hub.py
    "live.calls": EVERYBODY,
    "spend_reports.key": OWN_SPEND,
    "spend_reports.user": ("yyyyyyyh", "yyhhyhhh"),
    "spend_reports.team": OWN_SPEND,
    "spend_reports.organization": OWN_SPEND,
    "global_spend.total": EVERYBODY,  # each its own sum: tests/functions/test_own_reports.py
    "global_spend.logs": OWN_SPEND,
    "global_spend.keys": OWN_SPEND,
    "global_spend.models": OWN_SPEND,
    "global_spend.teams": OWN_SPEND,
    "global_spend.provider": OWN_SPEND,
    "global_spend.tags": OWN_SPEND,
    "global_spend.end_users": OWN_SPEND,
    "global_spend.report": OWN_SPEND,
    "global_spend.reset": ("nnnnnnnn", "nnnnnnnn"),  # the master key alone
    "activity.user": OWN_SPEND,
    "activity.team": OWN_SPEND,
    "activity.organization": OWN_SPEND,
    "activity.customer": OWN_SPEND,
    "activity.tag": OWN_SPEND,
    "activity.user_aggregated": OWN_SPEND,
    "activity.team_aggregated": OWN_SPEND,
    "activity.organization_aggregated": OWN_SPEND,
    "activity.customer_aggregated": OWN_SPEND,
    "activity.tag_aggregated": OWN_SPEND,
    "activity.requests": EVERYBODY,
    "activity.models": EVERYBODY,
    "activity.exceptions": OWN_SPEND,
    "activity.cache_hits": OWN_SPEND,
    "me": EVERYBODY,
    "sessions.list_sessions": ("yyyyyyyn", "yyhhhhhn"),
    "sessions.revoke": ("yyyyyyyn", "yhhhhhhn"),
    "sessions.end_own": ("yyyyyyyn", "yhhhhhhn"),
    "sessions.pgadmin": ADMINS_ONLY,
    "invitations.new": ADMINS_ONLY,
    "invitations.info": ("hhnnnnnn", "hhnnnnnn"),  # there is no such invitation
    "invitations.update": ("hnnnnnnn", "hnnnnnnn"),
    "invitations.delete": ("hnnnnnnn", "hnnnnnnn"),
    "invitations.change_password": ("nnnnnnnn", "nnnnnnnn"),  # not with a key, whoever has it
    "invitations.reset_password": ADMINS_ONLY,
    "sso_settings.show": ("yynnnnnn", "yynnnnnn"),
    "sso_settings.update": ADMINS_ONLY,
    "sso_settings.debug_login": ("hhnnnnnn", "hhnnnnnn"),  # no provider is set up
    "sso_settings.preview": ("hhnnnnnn", "hhnnnnnn"),  # the user has not signed in at a provider
    **{
        f"scim.{name}": ADMINS_ONLY
        for name in (
            *("list_users", "create_user", "show_user", "replace_user", "patch_user", "search_users"),
            *("list_groups", "create_group", "show_group", "replace_group", "patch_group", "delete_group"),
            *("search_groups", "search_all", "provider_config", "schemas", "schema"),
            *("resource_types", "resource_type"),
        )
    },
    "scim.delete_user": ("hnnnnnnn", "hnnnnnnn"),  # there is no such user
    "scim.unknown": ("hnnnnnnn", "hnnnnnnn"),
    **dict.fromkeys(
        (
            *("sso_key_generate", "sso_callback", "sso_settings.readiness"),
            *("login.ui", "login.page", "login", "login.logout"),
            *("invitations.page", "invitations.accept"),
        ),
        EVERYBODY,  # nobody is known yet
    ),
}


REGISTRY = frozenset({"cache", "connections", "credentials", "router_config", "stored_models"})


"""The families that change the registry."""


LISTS = frozenset(
    [
        "keys.list_keys",
        "keys.aliases",
        "keys.info_of_many",
        "users.list_users",
        "users.filter_users",
        "teams.list_teams",
        "teams.filter_teams",
        "organizations.info_of_many",
        "teams.page_teams",
        "projects.list_projects",
        "organizations.list_organizations",
        "keys.bulk_update",
        "users.bulk_update",
        "teams.bulk_member_add",
        "corrections.uncertain",
        "saved_filters.list_filters",
        *(
            name
            for name, expected in EXPECTED.items()
            if name.split(".")[0] in ("spend", "spend_reports", "global_spend", "activity", "latency")
            and expected is not EVERYBODY
        ),
    ]
)


"""What answers 200 also where the object is not in it: then its name must not be in the answer, or it
stands under `failed_updates`, or beside `"success":false`."""


BODIES: Mapping[str, Callable[[Case], Body]] = {
    "chat": lambda case: {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]},
    "completions": lambda case: {"model": "gpt", "prompt": "hi"},
    "messages": lambda case: {
        "model": "gpt",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    },
    "messages.count_tokens": lambda case: {
        "model": "gpt",
        "messages": [{"role": "user", "content": "hi"}],
    },
    "responses": lambda case: {"model": "gpt", "input": "hi"},
    "responses.retrieve": lambda case: {"response_id": case.name},
    "responses.delete": lambda case: {"response_id": case.name},
    "responses.cancel": lambda case: {"response_id": case.name},
    "responses.input_items": lambda case: {"response_id": case.name},
    "embeddings": lambda case: {"model": "gpt", "input": "hi"},
    "models.retrieve": lambda case: {"model": "gpt"},
    "permissions.key": lambda case: {"key": case.key},
    "connections.test_connection": lambda case: {"litellm_params": {"model": "groq/llama-3.1-8b-instant"}},
    "stored_models.new": lambda case: {
        "model_name": case.name, "litellm_params": PROVIDERS_MODEL, "model_info": {"team_id": case.team}},
    "stored_models.update": lambda case: {"model_info": {"id": case.name}, "litellm_params": {"rpm": 5}},
    "stored_models.patch": lambda case: {"model_id": case.name, "litellm_params": {"rpm": 5}},
    "credentials.new": lambda case: {
        "credential_name": f"{case.name}-2", "credential_values": {"api_key": "sk-of-the-provider"}},
    "credentials.by_model": lambda case: {"model_id": case.name},
    "guardrails.apply_guardrail": lambda case: {"guardrail_name": case.name, "text": "hi"},
    "cache.delete": lambda case: {"keys": [case.name]},
    "cache.save_settings": lambda case: {"cache_settings": {"type": "local"}},
    "cache.try_settings": lambda case: {"cache_settings": {"type": "local"}},
    "router_config.update": lambda case: {"router_settings": {"num_retries": 1}},
    "router_config.set_fallback": lambda case: {"model": "gpt", "fallback_models": ["claude"]},
    "router_config.fallback": lambda case: {"model": "gpt"},
    "router_config.delete_fallback": lambda case: {"model": "gpt"},
    "keys.generate": lambda case: case.key_owner,
    "keys.generate_service_account": lambda case: {"team_id": case.team},
    "keys.update": lambda case: {"key": case.key, "tags": ["x"]},
    "keys.bulk_update": lambda case: {"keys": [{"key": case.key, "tags": ["x"]}]},
    "keys.info": lambda case: {"key": case.key},
    "keys.info_of_many": lambda case: {"keys": [case.key]},
    "keys.list_keys": lambda case: {"size": 100},
    "keys.aliases": lambda case: {"size": 100, "search": case.alias},
    "keys.delete": lambda case: {"keys": [case.key]},
    "keys.reset_spend": lambda case: {"key": case.key},
    "users.new": lambda case: {"auto_create_key": False, "organizations": [case.organization]},
    "users.update": lambda case: {"user_id": case.user, "user_alias": "x"},
    "users.bulk_update": lambda case: {"users": [{"user_id": case.user, "user_alias": "x"}]},
    "users.delete": lambda case: {"user_ids": [case.user]},
    "users.list_users": lambda case: {"page_size": 100},
    "teams.new": lambda case: {"organization_id": case.organization},
    "teams.update": lambda case: {"team_id": case.team, "team_alias": "x"},
    "teams.patch": lambda case: {"team_id": case.team, "team_alias": "x"},
    "teams.delete": lambda case: {"team_ids": [case.team]},
    "teams.list_teams": lambda case: {},
    "teams.page_teams": lambda case: {"page_size": 100},
    "teams.member_add": lambda case: {"team_id": case.team, "member": {"user_id": "somebody"}},
    "teams.bulk_member_add": lambda case: {"team_id": case.team, "members": [{"user_id": "somebody"}]},
    "teams.member_update": lambda case: {"team_id": case.team, "user_id": "ada", "role": "user"},
    "teams.member_delete": lambda case: {"team_id": case.team, "user_id": "ada"},
    "teams.member_reset_spend": lambda case: {"team_id": case.team, "user_id": "ada"},
    "teams.model_add": lambda case: {"team_id": case.team, "models": ["x"]},
    "teams.model_delete": lambda case: {"team_id": case.team, "models": ["x"]},
    "teams.permissions_update": lambda case: {"team_id": case.team, "team_member_permissions": []},
    "organizations.new": lambda case: {"organization_alias": "x"},
    "organizations.update": lambda case: {"organization_id": case.organization, "organization_alias": "x"},
    "organizations.delete": lambda case: {"organization_ids": [case.organization]},
    "organizations.list_organizations": lambda case: {},
    "organizations.member_add": lambda case: {
        "organization_id": case.organization, "member": {"user_id": "somebody"}},
    "organizations.member_update": lambda case: {
        "organization_id": case.organization, "user_id": "ada", "role": "internal_user"},
    "organizations.member_delete": lambda case: {"organization_id": case.organization, "user_id": "ada"},
    "budgets.info": lambda case: {"budgets": [case.budget]},
    "budgets.update": lambda case: {"budget_id": case.budget},
    "budgets.settings": lambda case: {"budget_id": case.budget},
    "budgets.delete": lambda case: {"id": case.budget},
    "customers.new": lambda case: {"user_id": case.name},
    "customers.update": lambda case: {"user_id": case.customer},
    "customers.info": lambda case: {"end_user_id": case.customer},
    "projects.new": lambda case: {"team_id": case.team},
    "projects.delete": lambda case: {"project_ids": [case.customer]},
    "projects.list_projects": lambda case: {},
    "tags.new": lambda case: {"name": f"{case.name}-2"},
    "tags.info": lambda case: {"names": [case.customer]},
    "access_groups.new": lambda case: {"access_group_name": case.name},
    "saved_filters.list_filters": lambda case: {"page": "activity"},
    "saved_filters.new": lambda case: {
        "page": "activity", "name": f"{case.name}-2", "filters": {"outcome": "failed"}},
    "saved_filters.update": lambda case: {"filter_id": case.filter_id, "name": f"{case.name}-3"},
    "audit.one": lambda case: {"id": case.audit_id},
    "cost.calculate": lambda case: {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]},
    "cost.estimate": lambda case: {"model": "gpt", "input_tokens": 1, "output_tokens": 1},
    "explain": lambda case: {"model": "gpt"},
    "bodies.show": lambda case: {"request_id": case.name},
    "call_budgets.show": lambda case: {"request_id": case.name},
    "corrections.uncertain": lambda case: {"model": case.name},
    "reconciliation.compare": lambda case: {"csv": "date,model,cost\n2026-11-01,m,1"},
    "recosting.recost": lambda case: {"start_date": "2026-01-01", "model": case.name},
    "corrections.correct": lambda case: {"request_id": case.name, "cost": 1, "reason": "x"},
    "spend.log_page": lambda case: {"request_id": case.name},
    "spend.export": lambda case: {**PERIOD, "request_id": case.name},
    "spend.keys": lambda case: {"limit": 1000},
    "spend.users": lambda case: {"user_id": case.user},
    "spend.teams": lambda case: {"limit": 1000},
    "spend_reports.key": lambda case: {**PERIOD, "api_key": case.key},
    "spend_reports.user": lambda case: {**PERIOD, "internal_user_id": case.user},
    "spend_reports.team": lambda case: {**PERIOD, "team_id": case.team},
    "spend_reports.organization": lambda case: {**PERIOD, "organization_id": case.organization},
    "global_spend.logs": lambda case: {"api_key": case.key},
    "global_spend.keys": lambda case: {"limit": 1000},
    "global_spend.models": lambda case: {"limit": 1000},
    "global_spend.provider": lambda case: PERIOD,
    "global_spend.tags": lambda case: {**PERIOD, "tags": case.name},
    "global_spend.end_users": lambda case: {"api_key": case.key},
    "global_spend.report": lambda case: PERIOD,
    "activity.requests": lambda case: PERIOD,
    "activity.models": lambda case: PERIOD,
    "activity.exceptions": lambda case: {**PERIOD, "model_group": case.name},
    "activity.cache_hits": lambda case: PERIOD,
    "users.filter_users": lambda case: {"user_id": case.user[1:]},
    "organizations.info_of_many": lambda case: {"organizations": [case.organization]},
    "sessions.list_sessions": lambda case: {"user_id": case.me if case.own else "stranger"},
    "sessions.revoke": lambda case: {"user_id": case.me if case.own else "stranger"},
    "sessions.end_own": lambda case: {"user_id": case.me if case.own else "stranger"},
    "invitations.new": lambda case: {"user_id": case.user},
    "invitations.reset_password": lambda case: {"user_id": case.user},
    "invitations.change_password": lambda case: {"current_password": "x", "new_password": "y"},
    "sso_settings.update": lambda case: {"role_claim": "roles"},
    "sso_settings.preview": lambda case: {"user_id": case.user},
    "scim.create_user": lambda case: {"schemas": [SCIM_USER], "userName": case.name},
    "scim.show_user": lambda case: {"id": case.user},
    "scim.replace_user": lambda case: {"id": case.user, "schemas": [SCIM_USER], "userName": case.user},
    "scim.patch_user": lambda case: {"id": case.user, **SCIM_PATCH},
    "scim.create_group": lambda case: {"schemas": [SCIM_GROUP], "displayName": case.name},
    "scim.replace_group": lambda case: {
        "id": case.team, "schemas": [SCIM_GROUP], "displayName": case.name},
    "scim.patch_group": lambda case: {"id": case.team, **SCIM_PATCH},
    "scim.show_group": lambda case: {"id": case.team},
    "scim.delete_group": lambda case: {"id": case.team},
    "scim.schema": lambda case: {"id": SCIM_USER},
    "scim.resource_type": lambda case: {"id": "User"},
}  # fmt: skip


FAMILY_BODIES: Mapping[str, Callable[[Case], Body]] = {
    "scim": lambda case: {"id": case.name},
    "invitations": lambda case: {"invitation_id": case.name},
    "keys": lambda case: {"key": case.key},
    "users": lambda case: {"user_id": case.user},
    "teams": lambda case: {"team_id": case.team},
    "organizations": lambda case: {"organization_id": case.organization},
    "customers": lambda case: {"user_ids": [case.customer]},
    "access_groups": lambda case: {"access_group_id": case.group},
    "tags": lambda case: {"name": case.customer},
    "saved_filters": lambda case: {"filter_id": case.filter_id},
    "local_hosts": lambda case: {"model": "llama3"},
    "projects": lambda case: {"project_id": case.customer},
    "stored_models": lambda case: {"id": case.name},
    "credentials": lambda case: {"credential_name": case.name},
    "permissions": lambda case: {"user_id": case.user},
    "activity": lambda case: {**PERIOD, "api_key": case.key},
    "latency": lambda case: {**PERIOD, "api_key": case.key, "by": "key"},
}


"""For the functions of a family that need no more."""


BODILESS = frozenset(
    [
        "models",
        "live.events",
        "live.calls",
        "model_info.deployments",
        "model_info.page",
        "model_info.groups",
        "credentials.list_credentials",
        "local_hosts.list_hosts",
        "guardrails.list_guardrails",
        "cache.ping",
        "cache.settings",
        "cache.flushall",
        "router_config.settings",
        "router_config.hosts",
        "sessions.pgadmin",
        "health.liveliness",
        "health.readiness",
        "health.details",
        "health.routes",
        "health.deployments",
        "health.history",
        "health.latest",
        "health.provider_budgets",
        "keys.health",
        "metrics",
        "alerts",
        "me",
        "scim.list_users",
        "scim.list_groups",
        "scim.search_users",
        "scim.search_groups",
        "scim.search_all",
        "scim.provider_config",
        "scim.schemas",
        "scim.resource_types",
        "sso_settings.show",
        "sso_settings.debug_login",
        "users.available_roles",
        "budgets.new",
        "budgets.list_budgets",
        "customers.list_customers",
        "access_groups.list_groups",
        "tags.list_tags",
        "audit",
        "audit.export",
        "spend.logs",
        "spend.tags",
        "global_spend.total",
        "global_spend.teams",
        "global_spend.reset",
    ]
)


MARKS: Mapping[str, Callable[[Case], str]] = {
    "keys.aliases": lambda case: case.alias,
    "spend.keys": lambda case: case.key,
    "spend.users": lambda case: case.user,
    "spend.teams": lambda case: case.team,
    "global_spend.logs": lambda case: "date",
    "global_spend.keys": lambda case: case.key,
    "global_spend.teams": lambda case: case.team,
    "activity.exceptions": lambda case: "date",
    "activity.customer_aggregated": lambda case: case.name,
}


"""A name that stands in an answer of LISTS where the object is in it."""


FAMILY_MARKS: Mapping[str, Callable[[Case], str]] = {
    "keys": lambda case: case.key,
    "users": lambda case: case.user,
    "teams": lambda case: case.team,
    "organizations": lambda case: case.organization,
    "projects": lambda case: case.customer,
    "activity": lambda case: case.key,
    "latency": lambda case: case.key,
    "corrections": lambda case: case.name,
    "saved_filters": lambda case: case.name,
    "spend": lambda case: case.name,
    "spend_reports": lambda case: case.name,
    "global_spend": lambda case: case.name,
}


def body_of(manifest: Manifest, case: Case) -> Body:
    if manifest.name in BODILESS:
        return {}
    make = BODIES.get(manifest.name) or FAMILY_BODIES[manifest.family]
    return make(case)


async def outcome(house: House, entry: Entry, case: Case, answer: FakeUpstream) -> str:
    """y, n or h; or the whole answer where it is none of them."""
    manifest = entry.manifest
    body = body_of(manifest, case)
    ledger, caller = FakeLedger(), case.caller()
    if manifest.access is Access.PGADMIN:
        caller = msgspec.structs.replace(caller, key_hash=f"session:{case.name}")
    gateway = Gateway(
        authenticator=Known(caller),  # type: ignore[arg-type]  # all that an endpoint asks of one
        ledger=ledger,
        ports=msgspec.structs.replace(
            house.ports,
            models=house.ports.models if manifest.family in REGISTRY else house.ports.prices,
            routes=house.ports.plans,
            upstream=answer,
            ledger=ledger,
            readiness=Ready(),
            state=kept_for(case),
            cache=local_cache(database=house.database),
            guardrails=FakeGuardrails(case.name),
            local_hosts=FakeLocalHosts(),
            live=FakeLive(),
        ),
        max_body_bytes=100_000,
        body_room=BodyRoom(1_000_000),
        searches=Searches(),
        log_line=lambda line: None,
    )

    async def read_body() -> bytes:
        return msgspec.json.encode(body)

    query = {name: str(value) for name, value in body.items()} if manifest.method == "GET" else {}
    reply = await Endpoint(entry, gateway).invoke(Incoming(headers={}, query=query, read_body=read_body))
    text = reply.body.decode() if isinstance(reply.body, bytes) else ""
    if reply.download is not None:
        text = b"".join([piece async for piece in reply.download.pieces()]).decode()
    if reply.status == 200 and manifest.name in LISTS:
        mark = (MARKS.get(manifest.name) or FAMILY_MARKS[manifest.family])(case)
        inside = f'"{mark}"' in text.split('"failed_updates":[{')[0] and '"success":false' not in text
        return "y" if inside else "h"
    if manifest.name == "responses.cancel" and reply.status == 400:
        return "y"  # the response is found, and is complete
    return {200: "y", 201: "y", 204: "y", 403: "n", 404: "h"}.get(reply.status, f"{reply.status} {text}")


@pytest.fixture(scope="module")
def furnished_dsn(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """One database for all: every case has objects of its own."""
    name = f"matrix_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    dsn = dsn_of(postgres_server, name)

    async def people(house: House) -> None:
        roles = ("admin", "viewer", "team_admin", "org_admin")
        for user_id in ("ada", "ops", "vic", "stranger", "of_acme", "of_red", *roles):
            await house.call(users.new, {"user_id": user_id, "auto_create_key": False})

    in_house(dsn, people)
    yield dsn
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def shared_cases(furnished_dsn: str) -> Sequence[Case]:
    """The cases of the functions that change nothing: an own one for each role, and then a foreign one."""

    async def scenario(house: House) -> Sequence[Case]:
        house.give(entropy=SystemEntropy())
        cases = [Case(role, f"shared-{role}-{own}", own=own) for own in (True, False) for role in ROLES]
        for case in cases:
            await furnish(house, case)
        return cases

    return in_house(furnished_dsn, scenario)


def is_for_everybody(entry: Entry) -> bool:
    """Whether an endpoint asks for no role. It reads nobody's rows then."""
    access, family = entry.manifest.access, entry.manifest.family
    return access is Access.OPEN or (family == "health" and access is not Access.DEPLOYMENTS_READ)


def changes_nothing(entry: Entry) -> bool:
    """Whether an endpoint leaves the objects of a case, and those of the registry, as they are."""
    manifest = entry.manifest
    if manifest.family in REGISTRY:
        return False
    return manifest.method == "GET" or manifest.family in MODELS or manifest.name in READS


MODELS = ("chat", "completions", "messages", "responses", "embeddings")
READS = frozenset(
    [
        *("explain", "cost.calculate", "cost.estimate", "reconciliation.compare"),
        *("keys.info_of_many", "keys.health", "budgets.info", "organizations.info_of_many", "tags.info"),
        *("global_spend.end_users", "sso_settings.preview"),
        *("scim.search_users", "scim.search_groups", "scim.search_all"),
    ]
)


"""What is read with a body."""


GOVERNED = [entry for entry in entries() if not is_for_everybody(entry)]


def judge(name: str, found: Sequence[str]) -> None:
    """Compare what the eight roles got, of their own and of somebody else's."""
    got = {"own": " ".join(found[: len(ROLES)]), "foreign": " ".join(found[len(ROLES) :])}
    wanted = {"own": " ".join(EXPECTED[name][0]), "foreign": " ".join(EXPECTED[name][1])}
    assert got == wanted, f"roles: {' '.join(ROLES)}\n got {got}\nwant {wanted}"


def of_models(entry: Entry) -> FakeUpstream:
    asked = entry.manifest.name in ("chat", "completions", "messages", "responses")
    return FakeUpstream(Answer(body=answers.openai_chat() if asked else answers.openai_embeddings()))


@pytest.mark.parametrize(
    "entry",
    [entry for entry in GOVERNED if changes_nothing(entry)],
    ids=lambda entry: entry.manifest.name,
)
def test_every_role_reads_what_is_its_own_and_nothing_else(
    furnished_dsn: str, shared_cases: Sequence[Case], entry: Entry
) -> None:
    async def scenario(house: House) -> Sequence[str]:
        house.give(entropy=SystemEntropy())
        return [await outcome(house, entry, case, of_models(entry)) for case in shared_cases]

    judge(entry.manifest.name, in_house(furnished_dsn, scenario))


@pytest.mark.parametrize(
    "entry",
    [entry for entry in GOVERNED if not changes_nothing(entry)],
    ids=lambda entry: entry.manifest.name,
)
def test_every_role_changes_what_is_its_own_and_nothing_else(furnished_dsn: str, entry: Entry) -> None:
    name, family = entry.manifest.name, entry.manifest.family

    async def scenario(house: House) -> Sequence[str]:
        house.give(entropy=SystemEntropy())
        if family in REGISTRY:
            registered(house)
        got = []
        for own in (True, False):
            for role in ROLES:
                case = Case(role, f"{name}-{role}-{own}", own=own)
                await furnish(house, case, family)
                if family in REGISTRY:
                    await furnish_registry(house, case, name)
                got.append(await outcome(house, entry, case, of_models(entry)))
        if family in REGISTRY:
            await house.database.pool.execute('DELETE FROM "LiteLLM_ProxyModelTable"')
            await house.database.pool.execute('DELETE FROM "LiteLLM_CredentialsTable"')
        return got

    judge(name, in_house(furnished_dsn, scenario))


def test_what_asks_for_no_role_reads_nobodys_rows() -> None:
    for entry in filter(is_for_everybody, entries()):
        assert entry.manifest.access in (Access.OPEN, Access.HEALTH_READ)
        assert EXPECTED[entry.manifest.name] == EVERYBODY


def test_nothing_is_expected_of_a_route_that_is_not_there() -> None:
    assert set(EXPECTED) == {entry.manifest.name for entry in entries()}
