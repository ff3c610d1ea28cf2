"""Access groups: models under one name (LiteLLM's field names)."""

import msgspec

from schema.fields import UNSET, MaybeText, MaybeTexts, StampFields
from schema.wire import Wire


class AccessGroupRecord(StampFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_AccessGroupTable`."""

    access_group_id: str
    access_group_name: str
    description: str | None = None
    access_model_names: list[str] = []


class AccessGroupNewRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /v1/access_group."""

    access_group_name: str
    description: str | None = None
    access_model_names: list[str] = []


class AccessGroupUpdateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """PUT /v1/access_group/{access_group_id}. An absent field stays as it is; null clears it."""

    access_group_id: str = ""
    access_group_name: str | msgspec.UnsetType = UNSET
    description: MaybeText = UNSET
    access_model_names: MaybeTexts = UNSET


class AccessGroupDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """DELETE /v1/access_group/{access_group_id}."""

    access_group_id: str = ""


class AccessGroupQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /v1/access_group/{access_group_id}."""

    access_group_id: str


class AccessGroupListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /v1/access_group takes nothing."""
