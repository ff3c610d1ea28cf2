"""What each model is, takes and costs: LiteLLM's `/model/info` and `/model_group/info`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from functions.contract.function import function
from functions.contract.roles import PROXY_ADMIN, PROXY_ADMIN_VIEWER, Access
from functions.ports.context import CatalogueContext
from functions.rules.pages import check_page, pages_of
from schema.errors.rows import NotFound
from schema.model_info import (
    DeploymentInfo,
    DeploymentList,
    DeploymentPage,
    GroupInfoQuery,
    GroupList,
    ModelInfoQuery,
    ModelPageQuery,
    ShownFacts,
)

MAX_PAGE = 1_000


@function("GET", "/model/info", aliases=("/v1/model/info",), access=Access.MODELS_READ)
async def deployments(request: ModelInfoQuery, ctx: CatalogueContext) -> DeploymentList:
    """List the deployments that the calling key may use, with what their models take and cost."""
    found = _seen(ctx)
    wanted = request.litellm_model_id
    if wanted is None:
        return DeploymentList(data=found)
    data = [each for each in found if each.model_info.get("id") == wanted]
    if not data:
        raise NotFound(f"No deployment has the id {wanted[:100]}.", param="litellm_model_id")
    return DeploymentList(data=data)


@function("GET", "/v2/model/info", access=Access.MODELS_READ)
async def page(request: ModelPageQuery, ctx: CatalogueContext) -> DeploymentPage:
    """List the deployments that the calling key may use, by page."""
    check_page(request.page, request.size, most=MAX_PAGE, size_param="size")
    found = [each for each in _seen(ctx) if _fits(each, request, ctx)]
    if request.sort_by is not None:
        found.sort(key=_ORDERS[request.sort_by], reverse=request.sort_order == "desc")
    start = (request.page - 1) * request.size
    return DeploymentPage(
        data=found[start : start + request.size],
        total_count=len(found),
        current_page=request.page,
        total_pages=pages_of(len(found), request.size),
        size=request.size,
    )


def _with_state(deployment: DeploymentInfo, states: Mapping[str, ShownFacts]) -> DeploymentInfo:
    """The deployment with how it stands."""
    info = deployment.model_info
    if info.get("status") == "error":
        return deployment
    health = states.get(info["id"]) or {"state": "healthy"}
    return msgspec.structs.replace(deployment, model_info={**info, "health": health})


@function("GET", "/model_group/info", access=Access.MODELS_READ)
async def groups(request: GroupInfoQuery, ctx: CatalogueContext) -> GroupList:
    """List the model groups that the calling key may use. A wildcard is shown as the models it covers."""
    caller = ctx.call.caller
    models = ctx.models.of_team(caller.team_id)
    return GroupList(data=list(models.group_infos(allowed=caller.models, name=request.model_group or None)))


def _fits(each: DeploymentInfo, query: ModelPageQuery, ctx: CatalogueContext) -> bool:
    info = each.model_info
    texts = (each.model_name, str(each.litellm_params.get("model", "")))
    return (
        (query.model is None or each.model_name == query.model)
        and (query.model_id is None or info.get("id") == query.model_id)
        and (query.team_id is None or info.get("team_id") == query.team_id)
        and (not query.search or any(query.search.lower() in text.lower() for text in texts))
        and (not query.user_models_only or info.get("created_by") == ctx.call.caller.user_id)
    )


_ORDERS: Mapping[str, Callable[[DeploymentInfo], Any]] = MappingProxyType(
    {
        "model_name": lambda each: (each.model_name.lower(), each.model_name),
        "created_at": lambda each: (str(each.model_info.get("created_at") or ""),),
        "updated_at": lambda each: (str(each.model_info.get("updated_at") or ""),),
        "costs": lambda each: (each.model_info.get("input_cost_per_token") or 0.0,),
        "status": lambda each: (str(each.model_info.get("status")),),
    }
)


def _seen(ctx: CatalogueContext) -> list[DeploymentInfo]:
    """The deployments that the caller may use. Administrators see those of all teams too, and addresses."""
    caller = ctx.call.caller
    if caller.roles.isdisjoint((PROXY_ADMIN, PROXY_ADMIN_VIEWER)):
        found = list(
            ctx.models.of_team(caller.team_id).deployments(allowed=caller.models, with_address=False)
        )
    else:
        everybodys = ctx.models.of_team(None).deployments(allowed=caller.models, with_address=True)
        found = [*everybodys, *ctx.models.owned_deployments(with_address=True)]
    states = ctx.deployments.states()
    if caller.roles.isdisjoint((PROXY_ADMIN, PROXY_ADMIN_VIEWER)):
        states = {model_id: _without_words(state) for model_id, state in states.items()}
    return [_with_state(each, states) for each in found]


def _without_words(state: ShownFacts) -> ShownFacts:
    """How a deployment stands, for everybody: what its host or provider said to a check is for
    administrators."""
    check = state.get("last_check")
    if not isinstance(check, Mapping):
        return state
    return {**state, "last_check": {name: value for name, value in check.items() if name != "error"}}
