"""Which models somebody may store, and what of them a team's admin may say."""

from collections.abc import Mapping
from typing import Any

import msgspec

from functions.contract.roles import Scope
from functions.rules.stored_values import checked_values
from models_registry.config.known_keys import REQUEST_PARAMS
from models_registry.config.providers import UnknownProvider, split
from models_registry.config.reader import Config
from models_registry.config.stored import Stored, StoredModel
from models_registry.config.variables import ENV_PREFIX
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import text

NO_SUCH = "There is no such stored model."
OF_A_TEAM = (
    "model_info.team_id: name a team that you administer; models for everybody are an administrator's."
)
TEAMS_PARAMS = (REQUEST_PARAMS - {"extra_body"}) | frozenset(
    (
        *("model", "api_key", "organization", "rpm", "tpm", "weight", "timeout", "stream_timeout"),
        *("num_retries", "max_retries", "drop_params", "additional_drop_params"),
        "cache_control_injection_points",
    )
)
"""The parameters that the admin of a team may set. No address, no price, no account of the gateway's own."""
TEAMS_INFO = frozenset({"id", "team_id", "team_public_model_name", "mode", "description"})
"""The facts that the admin of a team may state. None of them has to do with money."""
SET_HERE = ("db_model", "created_at", "created_by", "updated_at", "updated_by")
"""Facts that the gateway states itself."""


def checked_model(model: StoredModel, scope: Scope, config: Config) -> None:
    """Raise InvalidRequest or NotAllowed for a model that this caller may not store so."""
    checked_values(model.litellm_params, config, param="litellm_params")
    checked_values(model.model_info, config, param="model_info")
    if not scope.everything:
        _check_teams(model, scope)


def reachable(stored: Stored, model_id: str, scope: Scope, config: Config) -> StoredModel:
    """The stored model with this id. Raises NotFound where there is none that the caller reaches, and
    InvalidRequest for a model of the config file."""
    found = next((each for each in stored.models if each.model_id == model_id), None)
    if found is not None and (scope.everything or found.team_id in scope.teams):
        return found
    if scope.everything and any(each.entry.model_info.id == model_id for each in config.deployments):
        raise InvalidRequest(
            "This model stands in the config file. Change it there, or store one with /model/new.", param="id"
        )
    raise NotFound(NO_SUCH, param="id")


def facts_of(given: Mapping[str, Any] | None, model_name: str) -> dict[str, Any]:
    """The facts that are stored. A team's model is called by the name that it was given."""
    facts = {name: value for name, value in (given or {}).items() if name not in (*SET_HERE, "id")}
    team_id = facts.get("team_id")
    if team_id is None:
        facts.pop("team_id", None)
        return facts
    if not isinstance(team_id, str):
        raise InvalidRequest("model_info.team_id: expected a text.", param="model_info.team_id")
    text(team_id, param="model_info.team_id")
    facts.setdefault("team_public_model_name", model_name)
    return facts


def with_model(stored: Stored, model: StoredModel) -> Stored:
    """What is stored, with this model in the place of the one with the same id, or at the end."""
    others = [each for each in stored.models if each.model_id != model.model_id]
    if len(others) == len(stored.models):
        return msgspec.structs.replace(stored, models=(*stored.models, model))
    models = tuple(model if each.model_id == model.model_id else each for each in stored.models)
    return msgspec.structs.replace(stored, models=models)


def _check_teams(model: StoredModel, scope: Scope) -> None:
    """What the admin of a team may say of the team's model. The model brings a key of its own, and goes to
    the provider's own address: else it would spend the gateway's keys, or send prompts anywhere."""
    if model.team_id is None or model.team_id not in scope.teams:
        raise NotAllowed(OF_A_TEAM, param="model_info.team_id")
    for section, values, permitted in (
        ("litellm_params", model.litellm_params, TEAMS_PARAMS),
        ("model_info", model.model_info, TEAMS_INFO),
    ):
        for name, value in values.items():
            if name not in permitted:
                raise NotAllowed(
                    f"{section}.{name}: an administrator alone may set this.", param=f"{section}.{name}"
                )
            if isinstance(value, str) and value.startswith(ENV_PREFIX):
                raise NotAllowed(
                    f"{section}.{name}: an administrator alone may name a variable.",
                    param=f"{section}.{name}",
                )
    key = model.litellm_params.get("api_key")
    if not isinstance(key, str) or len(key) < 8:
        raise NotAllowed(
            "litellm_params.api_key: a team's model needs a key of its own.", param="litellm_params.api_key"
        )
    try:
        provider = split(str(model.litellm_params.get("model")), None)[0]
    except UnknownProvider as exc:
        raise InvalidRequest(f"litellm_params.model: {exc}", param="litellm_params.model") from exc
    if provider.local:
        raise NotAllowed(
            "litellm_params.model: an administrator alone may store a local model.",
            param="litellm_params.model",
        )
