"""LiteLLM's `/model/new`, `/model/update`, `/model/delete`: models that are stored in Postgres."""

from datetime import datetime
from typing import Any

import msgspec

from schema.fields import UNSET, MaybeText
from schema.wire import Wire

MAX_PARAMS_BYTES = 64 * 1024
"""The longest JSON of a model's parameters, or of its facts."""

JsonValues = dict[str, Any]  # JSON, checked as a config entry is
MaybeValues = JsonValues | msgspec.UnsetType | None


class ModelNewRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /model/new. `litellm_params` and `model_info` have the keys of an entry of `model_list`.
    `model_info.team_id`: the team that the model is for; without it, it is for everybody."""

    model_name: str
    litellm_params: JsonValues
    model_info: JsonValues | None = None


class ModelUpdateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /model/update, with the id in `model_info.id`. A parameter that is absent stays as it is, and null
    takes it away."""

    model_name: MaybeText = UNSET
    litellm_params: MaybeValues = UNSET
    model_info: MaybeValues = UNSET


class ModelPatchRequest(ModelUpdateRequest, frozen=True, kw_only=True, dict=True):
    """PATCH /model/{model_id}/update."""

    model_id: str = ""


class ModelDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /model/delete, /model/block and /model/unblock."""

    id: str


class ModelDeleted(msgspec.Struct, frozen=True, kw_only=True):
    message: str


class StoredModelShown(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_ProxyModelTable`. In `litellm_params` each value that may be a secret is masked:
    `****wxyz`."""

    model_id: str
    model_name: str
    litellm_params: JsonValues
    model_info: JsonValues
    blocked: bool = False
    created_at: datetime | None = None
    created_by: str | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None
    cleared_params: list[str] = []
    """The secrets that were taken away, since the model's address changed and they were not sent again."""
