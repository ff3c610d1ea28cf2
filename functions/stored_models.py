"""Models that are stored in Postgres: make, change, block and delete them while calls go on."""

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import RegistryContext
from functions.rules.guardrail_names import check_params
from functions.rules.model_policy import SET_HERE, checked_model, facts_of, reachable, with_model
from functions.rules.stored_values import merged, read_again, shown_values
from models_registry.config.stored import Stored, StoredModel
from models_registry.shown import SECRET
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import AlreadyExists
from schema.fields import UNSET, text
from schema.stored_models import (
    JsonValues,
    ModelDeleted,
    ModelDeleteRequest,
    ModelNewRequest,
    ModelPatchRequest,
    ModelUpdateRequest,
    StoredModelShown,
)
from schema.undeclared import refuse_undeclared


@function("POST", "/model/new", access=Access.MODELS_WRITE)
async def new(request: ModelNewRequest, ctx: RegistryContext) -> StoredModelShown:
    """Store a model. It can be called at once here, and within a second at all other workers."""
    refuse_undeclared(request)
    name = text(request.model_name, param="model_name")
    given = request.model_info or {}
    asked = given.get("id")
    if asked is not None and not isinstance(asked, str):
        raise InvalidRequest("model_info.id: expected a text.", param="model_info.id")
    model_id = text(asked, param="model_info.id") if asked else ctx.entropy.id()
    params = merged({}, request.litellm_params, param="litellm_params").values
    model = StoredModel(
        model_id=model_id, model_name=name, litellm_params=params, model_info=facts_of(given, name)
    )
    checked_model(model, ctx.call.scope, ctx.registry.in_force())
    check_params(params, ctx.guardrails)

    def change(stored: Stored) -> Stored:
        if model_id in ctx.registry.in_force().ids or any(
            each.model_id == model_id for each in stored.models
        ):
            raise AlreadyExists("model_info.id: another model has it; choose another.", param="model_info.id")
        return with_model(stored, model)

    return _shown(await ctx.registry.change(change, call=ctx.call), model_id)


@function("POST", "/model/update", access=Access.MODELS_WRITE)
async def update(request: ModelUpdateRequest, ctx: RegistryContext) -> StoredModelShown:
    """Change a stored model, which `model_info.id` names. A parameter that is absent stays as it is."""
    refuse_undeclared(request)
    info = request.model_info if isinstance(request.model_info, dict) else {}
    model_id = info.get("id")
    if not isinstance(model_id, str) or not model_id:
        raise InvalidRequest("model_info.id: name the model that is to change.", param="model_info.id")
    return await _changed(model_id, request, ctx)


@function("PATCH", "/model/{model_id}/update", access=Access.MODELS_WRITE)
async def patch(request: ModelPatchRequest, ctx: RegistryContext) -> StoredModelShown:
    """Change a stored model. A parameter that is absent stays as it is, and null takes it away."""
    refuse_undeclared(request)
    return await _changed(request.model_id, request, ctx)


@function("POST", "/model/block", access=Access.MODELS_WRITE)
async def block(request: ModelDeleteRequest, ctx: RegistryContext) -> StoredModelShown:
    """Take a stored model out of service. It stays stored."""
    return await _blocked(request, ctx, blocked=True)


@function("POST", "/model/unblock", access=Access.MODELS_WRITE)
async def unblock(request: ModelDeleteRequest, ctx: RegistryContext) -> StoredModelShown:
    """Put a blocked model back into service."""
    return await _blocked(request, ctx, blocked=False)


@function("POST", "/model/delete", access=Access.MODELS_WRITE)
async def delete(request: ModelDeleteRequest, ctx: RegistryContext) -> ModelDeleted:
    """Delete a stored model. Calls under way end as they began."""
    refuse_undeclared(request)

    def change(stored: Stored) -> Stored:
        gone = reachable(stored, request.id, ctx.call.scope, ctx.registry.in_force())
        left = tuple(each for each in stored.models if each.model_id != gone.model_id)
        return msgspec.structs.replace(stored, models=left)

    await ctx.registry.change(change, call=ctx.call)
    return ModelDeleted(message=f"Model: {request.id} deleted successfully")


async def _changed(model_id: str, request: ModelUpdateRequest, ctx: RegistryContext) -> StoredModelShown:
    cleared: list[str] = []

    def change(stored: Stored) -> Stored:
        config = ctx.registry.in_force()
        before = reachable(stored, model_id, ctx.call.scope, config)
        params, unread, flaw = before.litellm_params, before.unread, before.flaw
        if request.litellm_params is not UNSET and request.litellm_params:
            check_params(request.litellm_params, ctx.guardrails)
            read_again(unread, request.litellm_params, param="litellm_params")
            result = merged(before.litellm_params, request.litellm_params, param="litellm_params")
            params, unread = result.values, frozenset()
            cleared[:] = result.cleared
        name = before.model_name
        if isinstance(request.model_name, str):
            name = text(request.model_name, param="model_name")
        after = msgspec.structs.replace(
            before,
            model_name=name,
            litellm_params=params,
            unread=unread,
            model_info=_facts(before, request, name),
            flaw=flaw if unread else "",
        )
        if after.team_id != before.team_id and not ctx.call.scope.everything:
            raise NotAllowed("model_info.team_id: an administrator alone may give a model to another team.")
        checked_model(after, ctx.call.scope, config)
        return with_model(stored, after)

    shown = _shown(await ctx.registry.change(change, call=ctx.call), model_id)
    return msgspec.structs.replace(shown, cleared_params=cleared)


def _facts(before: StoredModel, request: ModelUpdateRequest, name: str) -> JsonValues:
    """The facts after a change: those that it names, over those that were there."""
    given = request.model_info if isinstance(request.model_info, dict) else {}
    facts = {**before.model_info, **given}
    kept = {fact: value for fact, value in facts.items() if value is not None}
    renamed = name != before.model_name and "team_public_model_name" not in given
    if renamed:
        kept.pop("team_public_model_name", None)
    return facts_of(kept, name)


async def _blocked(request: ModelDeleteRequest, ctx: RegistryContext, *, blocked: bool) -> StoredModelShown:
    refuse_undeclared(request)

    def change(stored: Stored) -> Stored:
        model = reachable(stored, request.id, ctx.call.scope, ctx.registry.in_force())
        return with_model(stored, msgspec.structs.replace(model, blocked=blocked))

    return _shown(await ctx.registry.change(change, call=ctx.call), request.id)


def _shown(stored: Stored, model_id: str) -> StoredModelShown:
    """The row, as it was stored. Somebody else may have deleted it in the meantime."""
    model = next((each for each in stored.models if each.model_id == model_id), None)
    if model is None:
        raise InvalidRequest("The model was deleted by somebody else meanwhile.", param="id")
    facts = {name: value for name, value in model.model_info.items() if name not in SET_HERE}
    return StoredModelShown(
        model_id=model.model_id,
        model_name=model.model_name,
        litellm_params=shown_values(model.litellm_params),
        model_info={
            **{name: value for name, value in facts.items() if not SECRET.search(name)},
            "id": model.model_id,
            "db_model": True,
        },
        blocked=model.blocked,
        created_at=model.created_at,
        created_by=model.created_by,
        updated_at=model.updated_at,
        updated_by=model.updated_by,
    )
