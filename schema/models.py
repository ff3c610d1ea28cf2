"""OpenAI's model list. Source: OpenAI's OpenAPI document 2.3.0, `ListModelsResponse`."""

import msgspec


class AllowedModels(msgspec.Struct, frozen=True, gc=False):
    """One list that a model must be on: its owner (`key`, `user`, `team`, `org` or `customer`), and the
    names, wildcards and access groups on it."""

    level: str
    names: tuple[str, ...]


class ModelsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/models. LiteLLM's parameters; other names are ignored, as OpenAI ignores them. Wildcards are
    listed unless `return_wildcard_routes` is false."""

    return_wildcard_routes: bool | None = None
    include_model_access_groups: bool | None = None
    only_model_access_groups: bool | None = None


class ModelQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/models/{model}; names may hold slashes."""

    model: str


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the list. `created` is when the gateway read its config, in seconds since 1970."""

    id: str
    object: str = "model"
    created: int
    owned_by: str


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[ModelCard]
