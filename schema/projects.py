"""Projects: the record and the management wire forms (LiteLLM's field names)."""

from decimal import Decimal

import msgspec

from schema.budgets import BudgetRecord
from schema.fields import UNSET, Json, MaybeFlag, MaybeText, MaybeTexts, StampFields
from schema.metadata import MetadataRequest
from schema.wire import Wire


class ProjectRecord(StampFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_ProjectTable`: a part of a team's work. The limits are those of the project's budget.
    `models` empty allows all that the team may use."""

    project_id: str
    team_id: str
    project_alias: str | None = None
    description: str | None = None
    budget_id: str | None = None
    metadata: Json = {}
    models: list[str] = []
    spend: Decimal = Decimal(0)
    blocked: bool = False


class ProjectFields(MetadataRequest, frozen=True, kw_only=True, dict=True):
    """What a project can be given. An absent field stays as it is; null clears it. The body gives a budget's
    id or limits of the project's own, not both."""

    project_alias: MaybeText = UNSET
    description: MaybeText = UNSET
    budget_id: MaybeText = UNSET
    models: MaybeTexts = UNSET
    blocked: MaybeFlag = UNSET


class ProjectNewRequest(ProjectFields, frozen=True, kw_only=True, dict=True):
    """POST /project/new. Without `project_id` the gateway makes an id."""

    team_id: str
    project_id: str | None = None


class ProjectUpdateRequest(ProjectFields, frozen=True, kw_only=True, dict=True):
    """POST /project/update. A project stays in its team."""

    project_id: str


class ProjectDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """DELETE /project/delete."""

    project_ids: list[str]


class ProjectQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /project/info."""

    project_id: str


class ProjectListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /project/list. `team_id`: the projects of that team alone."""

    team_id: str | None = None


class ProjectInfo(ProjectRecord, frozen=True, kw_only=True):
    litellm_budget_table: BudgetRecord | None = None
