"""LiteLLM's `/model/info` and `/model_group/info`: what each model is, takes and costs."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class ModelInfoQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`litellm_model_id`: the deployment's id, such as `x-litellm-model-id` says it."""

    litellm_model_id: str | None = None


SortBy = Literal["model_name", "created_at", "updated_at", "costs", "status"]


class ModelPageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v2/model/info. `search` is a part of the public name or of the provider's name for the model;
    `model` is a whole public name."""

    page: int = 1
    size: int = 50
    search: str | None = None
    model: str | None = None
    model_id: str | None = msgspec.field(name="modelId", default=None)
    team_id: str | None = msgspec.field(name="teamId", default=None)
    sort_by: SortBy | None = msgspec.field(name="sortBy", default=None)
    sort_order: Literal["asc", "desc"] = msgspec.field(name="sortOrder", default="asc")
    include_team_models: bool | None = None
    user_models_only: bool | None = None
    debug: bool | None = None


class GroupInfoQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`model_group`: the public name of a model."""

    model_group: str | None = None


ShownFacts = Mapping[str, Any]
"""JSON by LiteLLM's names: numbers, texts, flags, lists of texts. What nobody knows is null."""


class DeploymentInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the config. `litellm_params` has no secret in it."""

    model_name: str
    litellm_params: ShownFacts
    model_info: ShownFacts


class DeploymentList(msgspec.Struct, frozen=True, kw_only=True):
    data: list[DeploymentInfo]


class DeploymentPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the deployments."""

    data: list[DeploymentInfo]
    total_count: int
    current_page: int
    total_pages: int
    size: int


class GroupList(msgspec.Struct, frozen=True, kw_only=True):
    """Each group has `model_group` and `providers` beside the facts."""

    data: list[ShownFacts]
