"""What a key, user, team or organization cost in a period: the queries of LiteLLM's scoped reports."""

from schema.reports import PeriodQuery


class KeyReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /key/spend/report; without a key, the calling one."""

    api_key: str | None = None


class UserReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /user/spend/report; without a user, the caller."""

    internal_user_id: str | None = None


class TeamReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /team/spend/report; without a team, that of the calling key."""

    team_id: str | None = None


class OrganizationReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /organization/spend/report; without one, that of the calling key."""

    organization_id: str | None = None
