"""LiteLLM's `/model/info` and `/model_group/info`: what each model is, takes and costs."""

from collections.abc import Mapping
from typing import Any

import msgspec


class ModelInfoQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`litellm_model_id`: the deployment's id, such as `x-litellm-model-id` says it."""

    litellm_model_id: str | None = None


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


class GroupList(msgspec.Struct, frozen=True, kw_only=True):
    """Each group has `model_group` and `providers` beside the facts."""

    data: list[ShownFacts]
