"""What LiteLLM 1.109 takes in its management calls: each field with a value, and where the value is found
afterwards; each query parameter; each route. The tables were written from LiteLLM's public interface by hand,
once. `tests/e2e/test_management.py` probes every row of them.

A row that is REFUSED or ABSENT is a difference, and `docs/litellm.md` names it with the reason.
"""

import enum
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

LATER = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0).isoformat()
ALIAS = "{unique}"
"""In a value it stands for a text that nothing else has."""


class Place(enum.Enum):
    """Where a field is found after it was sent. Wherever it is, the answer of the call echoes it."""

    ROW = "in the row"
    METADATA = "inside the row's metadata"
    BUDGET = "in the row's litellm_budget_table"
    ANSWER = "in the answer alone"
    IGNORED = "nowhere: the header x-switchgear-ignored names it"
    REFUSED = "nowhere: the call is 400 and names it"


class Sent(NamedTuple):
    """A field and the value that is sent. `on` says in which calls: new, update or both."""

    name: str
    value: object
    place: Place = Place.ROW
    on: tuple[str, ...] = ("new", "update")
    beside: dict[str, object] = {}
    """What has to be sent with it."""


MISSPELT = "max_budgett"
ROW, METADATA, BUDGET = Place.ROW, Place.METADATA, Place.BUDGET
ANSWER, IGNORED, REFUSED = Place.ANSWER, Place.IGNORED, Place.REFUSED
NEW, UPDATE = ("new",), ("update",)


def _limits(place: Place) -> tuple[Sent, ...]:
    return (
        Sent("max_budget", 5.5, place),
        Sent("soft_budget", 2.5, place),
        Sent("budget_duration", "30d", place),
        Sent("max_parallel_requests", 3, place),
        Sent("tpm_limit", 1000, place),
        Sent("rpm_limit", 10, place),
        Sent("tpd_limit", 5000, place),
        Sent("model_max_budget", {"gpt": {"max_budget": 1, "budget_duration": "1d"}}, place),
    )


SHARED = (
    *_limits(ROW),
    Sent("budget_limits", [{"budget_duration": "1d", "max_budget": 1}]),
    Sent("metadata", {"own": "x"}),
    Sent("tags", ["a"], METADATA),
    Sent("model_rpm_limit", {"gpt": 2}, METADATA),
    Sent("model_tpm_limit", {"gpt": 2}, METADATA),
    Sent("guardrails", ["shield"], METADATA),
    Sent("rpm_limit_type", "best_effort_throughput", METADATA),
    Sent("tpm_limit_type", "best_effort_throughput", METADATA),
    Sent("default_estimated_output_tokens", 77, METADATA),
    Sent("blocked", True),
    Sent("models", ["gpt"]),
    Sent("prompts", ["p"], IGNORED),
    Sent("logging", [{"callback_name": "x"}], IGNORED),
    Sent("rpm_limit_type", "guaranteed_throughput", REFUSED),
    Sent("tpm_limit_type", "dynamic", REFUSED),
    Sent("default_estimated_output_tokens_per_model", {"gpt": 5}, REFUSED),
    Sent("disable_global_guardrails", True, REFUSED),
    Sent("policies", ["p"], REFUSED),
    Sent("object_permission", {"models": ["gpt"]}, REFUSED),
    Sent("router_settings", {"num_retries": 1}, REFUSED),
    Sent("enforced_params", ["user"], REFUSED),
    Sent("mcp_rpm_limit", {"a": 1}, REFUSED),
    Sent("tag_rpm_limit", {"a": 1}, REFUSED),
    Sent("budget_fallbacks", {"gpt": ["x"]}, REFUSED),
)
INCREASE = (
    Sent("temp_budget_increase", 5, METADATA, UPDATE, {"temp_budget_expiry": LATER}),
    Sent("temp_budget_expiry", LATER, METADATA, UPDATE, {"temp_budget_increase": 5}),
)

KEY = (
    *SHARED,
    *INCREASE,
    Sent("key", f"sk-chosen-{ALIAS}", ANSWER, NEW),
    Sent("key_alias", ALIAS),
    Sent("key_type", "llm_api"),
    Sent("duration", "7d", ANSWER),
    Sent("aliases", {"a": "gpt"}),
    Sent("user_id", "a-user"),
    Sent("team_id", "a-team"),
    Sent("organization_id", "an-organization"),
    Sent("budget_id", "a-budget"),
    Sent("spend", 1.5),
    Sent("allowed_routes", ["/key/info"]),
    Sent("access_group_ids", ["a-group"]),
    Sent("end_user_budget_id", "a-budget", METADATA),
    Sent("agent_id", "a", IGNORED),
    Sent("config", {"a": 1}, IGNORED),
    Sent("auto_rotate", True, IGNORED),
    Sent("rotation_interval", "30d", IGNORED),
    Sent("send_invite_email", True, IGNORED),
    Sent("permissions", {"x": True}, REFUSED),
    Sent("allowed_cache_controls", ["no-cache"], METADATA),
    Sent("allowed_passthrough_routes", ["/x"], REFUSED),
    Sent("denied_passthrough_routes", ["/x"], REFUSED),
    Sent("throttle_on_budget_exceeded", True, REFUSED),
    Sent(MISSPELT, 5, REFUSED),
)
USER = (
    *SHARED,
    *INCREASE,
    Sent("user_id", ALIAS, ROW, NEW),
    Sent("user_email", f"{ALIAS}@example.com"),
    Sent("user_alias", "Ada"),
    Sent("user_role", "internal_user"),
    Sent("sso_user_id", ALIAS),
    Sent("teams", ["a-team"], ROW, NEW),
    Sent("organizations", ["an-organization"], ANSWER, NEW),
    Sent("team_id", "a-team", ANSWER, NEW),
    Sent("auto_create_key", True, ANSWER, NEW),
    Sent("key_alias", ALIAS, ANSWER, NEW),
    Sent("duration", "7d", ANSWER, NEW),
    Sent("send_invite_email", True, IGNORED),
    Sent("config", {"a": 1}, IGNORED),
    Sent("spend", 1.5, REFUSED),
    Sent("aliases", {"a": "gpt"}, ANSWER, NEW),
    Sent("aliases", {"a": "gpt"}, IGNORED, UPDATE),
    Sent("budget_id", "a-budget", REFUSED),
    Sent("permissions", {"x": True}, REFUSED),
    Sent("allowed_cache_controls", ["no-cache"], METADATA),
    Sent("password", "x", REFUSED),
)
TEAM = (
    *SHARED,
    *INCREASE,
    Sent("team_id", ALIAS, ROW, NEW),
    Sent("team_alias", "Red"),
    Sent("organization_id", "an-organization"),
    Sent(
        "members_with_roles",
        [{"role": "user", "user_id": "default_user_id", "user_email": None}],
        ANSWER,
        NEW,
    ),
    Sent("admins", ["a-user"], ANSWER, NEW),
    Sent("members", ["a-user"], ANSWER, NEW),
    Sent("model_aliases", {"a": "gpt"}, METADATA),
    Sent("access_group_ids", ["a-group"]),
    Sent("team_member_permissions", ["/key/info", "/key/health"]),
    Sent("team_member_budget", 3, ANSWER),
    Sent("team_member_budget_duration", "1d", ANSWER),
    Sent("team_member_rpm_limit", 3, ANSWER),
    Sent("team_member_tpm_limit", 3, ANSWER),
    Sent("team_member_key_duration", "3d", REFUSED),
    Sent("default_team_member_models", ["gpt"], REFUSED),
    Sent("allowed_passthrough_routes", ["/x"], REFUSED),
    Sent("throttle_on_budget_exceeded", True, REFUSED),
)
CUSTOMER = (
    *_limits(BUDGET),
    Sent("user_id", ALIAS, ROW, NEW),
    Sent("alias", "Shop"),
    Sent("blocked", True),
    Sent("budget_id", "a-budget"),
    Sent("default_model", "gpt"),
    Sent("models", ["gpt"]),
    Sent("spend", 1.5),
    Sent("allowed_model_region", "eu", REFUSED),
    Sent("object_permission", {"models": ["gpt"]}, REFUSED),
)
BUDGETS = (
    *_limits(ROW),
    Sent("budget_limits", [{"budget_duration": "1d", "max_budget": 1}]),
    Sent("budget_id", ALIAS, ROW, NEW),
    Sent("budget_reset_at", LATER, IGNORED),
    Sent("created_at", LATER, IGNORED),
    Sent("updated_by", "somebody", IGNORED),
    Sent("allowed_models", ["gpt"], REFUSED),
)
ORGANIZATION = (
    *_limits(BUDGET),
    Sent("organization_id", ALIAS, ROW, NEW),
    Sent("organization_alias", ALIAS),
    Sent("budget_id", "a-budget"),
    Sent("models", ["gpt"]),
    Sent("metadata", {"own": "x"}),
    Sent("tags", ["a"], METADATA),
    Sent("model_rpm_limit", {"gpt": 2}, METADATA),
    Sent("model_tpm_limit", {"gpt": 2}, METADATA),
    Sent("blocked", True),
    Sent("object_permission", {"models": ["gpt"]}, REFUSED),
)
MEMBER = (
    Sent("max_budget_in_team", 3, ANSWER),
    Sent("budget_duration", "1d", BUDGET),
    Sent("rpm_limit", 3, BUDGET, UPDATE),
    Sent("tpm_limit", 3, BUDGET, UPDATE),
    Sent("model_max_budget", {"gpt": {"max_budget": 1, "budget_duration": "1d"}}, BUDGET, UPDATE),
    Sent("allowed_models", ["gpt"]),
    Sent("role", "admin", ROW, UPDATE),
    Sent("temp_budget_increase", 5, REFUSED, UPDATE),
    Sent("temp_budget_expiry", LATER, REFUSED, UPDATE),
)


class Asked(NamedTuple):
    """A GET and its query. `status` is 400 for a parameter that is refused by name."""

    path: str
    query: str
    status: int = 200


_DAYS = "start_date=2026-01-01&end_date=2026-01-31"
_TAKEN = tuple(
    Asked(path, f"{days}{query}")
    for paths, days, names in (
        (
            "/key/list",
            "",
            """page=1 size=100 size=500 user_id=a team_id=a organization_id=a key_alias=a
            key_hash=sk-aaaaaaaaaaaaaaaa search=a substring_matching=true return_full_object=true
            include_team_keys=true expand=user
            include_created_by_keys=true sort_by=spend sort_order=asc status=active status=deleted
            expires=2030-01-01 user_email=a access_group_id=a""",
        ),
        ("/key/aliases", "", "page=1 size=10 search=a"),
        (
            "/user/list",
            "",
            """page=1 page_size=10 role=internal_user user_ids=a,b sso_user_ids=a user_email=a team=a
            sort_by=user_id sort_order=asc organization_ids=a""",
        ),
        ("/team/list /v2/team/list", "", "user_id=a organization_id=a team_id=a team_alias=a"),
        ("/v2/team/list", "", "page=1 page_size=10 sort_by=team_alias sort_order=asc search=a"),
        (
            "/spend/logs/v2 /spend/logs/ui",
            f"{_DAYS}&",
            """api_key=a user_id=a request_id=a session_id=a team_id=a end_user=a model=a model_id=a
            model_group=a key_alias=a min_spend=0 max_spend=1 status_filter=success cache_hit_filter=false
            error_code=429
            error_message=a search=a sort_by=spend sort_by=total_tokens sort_by=startTime sort_by=endTime
            sort_by=request_duration_ms sort_by=model sort_by=ttft_ms sort_order=asc page=1 page_size=100
            group_by_session=true""",
        ),
        ("/spend/logs", "", f"request_id=a api_key=a user_id=a {_DAYS} {_DAYS}&summarize=false"),
        (
            """/user/daily/activity /user/daily/activity/aggregated /team/daily/activity /tag/daily/activity
            /organization/daily/activity /customer/daily/activity /global/activity /global/activity/model
            /global/activity/cache_hits /global/spend/provider /global/spend/tags /global/spend/report
            /key/spend/report /user/spend/report""",
            "",
            _DAYS,
        ),
        ("/user/daily/activity", f"{_DAYS}&", "model=a api_key=a page=1 page_size=9"),
        (
            "/v1/models",
            "",
            """return_wildcard_routes=true include_model_access_groups=true only_model_access_groups=true
            include_metadata=true team_id=a""",
        ),
    )
    for path in paths.split()
    for query in names.split()
)
QUERIES = (
    *_TAKEN,
    Asked("/key/list", "project_id=a", 200),
    Asked("/key/list", "agent_id=a", 400),
    Asked("/v2/team/list", "status=deleted", 400),
    Asked("/spend/logs/v2", f"{_DAYS}&span_type=llm", 400),
)

SERVED = """
POST /key/generate
POST /key/service-account/generate
POST /key/update
POST /key/bulk_update
POST /key/delete
GET /key/info
POST /v2/key/info
GET /key/list
GET /key/aliases
POST /key/block
POST /key/unblock
POST /key/regenerate
POST /key/{key}/regenerate
POST /key/{key}/reset_spend
POST /key/health
POST /user/new
GET /user/info
GET /v2/user/info
POST /user/update
POST /user/bulk_update
POST /user/delete
GET /user/list
GET /user/available_roles
GET /user/daily/activity
GET /user/daily/activity/aggregated
GET /key/spend/report
GET /user/spend/report
GET /team/spend/report
GET /organization/spend/report
POST /team/new
POST /team/update
PATCH /team/{team_id}
POST /team/member_add
POST /team/member_update
POST /team/member_delete
POST /team/bulk_member_add
POST /team/delete
GET /team/info
GET /team/list
GET /v2/team/list
POST /team/block
POST /team/unblock
POST /team/model/add
POST /team/model/delete
GET /team/permissions_list
POST /team/permissions_update
GET /team/daily/activity
POST /team/{team_id}/member/{user_id}/reset_spend
POST /organization/new
PATCH /organization/update
DELETE /organization/delete
GET /organization/list
GET /organization/info
POST /organization/info
POST /organization/member_add
PATCH /organization/member_update
DELETE /organization/member_delete
GET /organization/daily/activity
POST /budget/new
POST /budget/update
POST /budget/info
POST /budget/delete
GET /budget/list
GET /budget/settings
POST /customer/new
GET /customer/info
GET /customer/list
POST /customer/update
POST /customer/delete
POST /customer/block
POST /customer/unblock
POST /end_user/new
GET /tag/daily/activity
GET /model/info
GET /v1/model/info
GET /model_group/info
GET /spend/logs
GET /spend/logs/v2
GET /spend/logs/ui
GET /spend/logs/ui/{request_id}
GET /spend/keys
GET /spend/users
GET /spend/tags
POST /spend/calculate
GET /global/spend
GET /global/spend/logs
GET /global/spend/keys
GET /global/spend/models
GET /global/spend/teams
GET /global/spend/provider
GET /global/spend/tags
POST /global/spend/end_users
GET /global/spend/report
POST /global/spend/reset
GET /global/activity
GET /global/activity/model
GET /global/activity/cache_hits
GET /global/activity/exceptions
GET /audit
GET /audit/{id}
GET /health/liveliness
GET /health/readiness
GET /health/readiness/details
GET /metrics
GET /routes
POST /user/password/change
POST /invitation/new
POST /project/new
GET /project/list
POST /tag/new
GET /tag/list
POST /model/new
POST /model/update
POST /model/delete
GET /v2/model/info
GET /credentials
POST /config/update
GET /router/settings
POST /login
GET /sso/key/generate
GET /provider/budgets
GET /cache/ping
GET /cache/settings
POST /cache/settings
POST /cache/settings/test
POST /cache/delete
POST /cache/flushall
GET /health
GET /health/history
"""
"""The routes of LiteLLM's that are served, by the paths of its document."""

ABSENT = """
GET /user/daily/activity/export
POST /team/key/bulk_update
GET /onboarding/get_token
GET /team/spend/by_user
GET /team/{team_id}/callback
GET /tag/summary
GET /access_group/list
GET /config/list
GET /cache/redis/info
GET /health/services
GET /public/model_hub
"""
"""Routes of LiteLLM's that are 404 here. `docs/litellm.md` names their families."""
