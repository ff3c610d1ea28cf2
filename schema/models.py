"""OpenAI's model list. Source: OpenAI's OpenAPI document 2.3.0, `ListModelsResponse`."""

import msgspec


class AllowedModels(msgspec.Struct, frozen=True, gc=False):
    """One list that a model must be on: whose it is (key, user, team, org, customer), and names,
    wildcards or access groups."""

    level: str
    names: tuple[str, ...]


class ModelsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/models takes nothing."""


class ModelQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/models/{model}; names may hold slashes."""

    model: str


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is Unix time in seconds: when the gateway read its config."""

    id: str
    object: str = "model"
    created: int
    owned_by: str


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[ModelCard]
