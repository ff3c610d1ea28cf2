"""What each model is, takes and costs: LiteLLM's `/model/info` and `/model_group/info`."""

from functions.contract.function import function
from functions.contract.roles import PROXY_ADMIN, PROXY_ADMIN_VIEWER, Access
from functions.ports.context import CatalogueContext
from schema.errors import NotFound
from schema.model_info import DeploymentList, GroupInfoQuery, GroupList, ModelInfoQuery


@function("GET", "/model/info", aliases=("/v1/model/info",), access=Access.MODELS_READ)
async def deployments(request: ModelInfoQuery, ctx: CatalogueContext) -> DeploymentList:
    """List the deployments that the calling key may use, with what their models take and cost."""
    caller = ctx.call.caller
    found = ctx.models.deployments(
        allowed=caller.models, with_address=not caller.roles.isdisjoint((PROXY_ADMIN, PROXY_ADMIN_VIEWER))
    )
    wanted = request.litellm_model_id
    if wanted is None:
        return DeploymentList(data=list(found))
    data = [each for each in found if each.model_info.get("id") == wanted]
    if not data:
        raise NotFound(f"No deployment has the id {wanted[:100]}.", param="litellm_model_id")
    return DeploymentList(data=data)


@function("GET", "/model_group/info", access=Access.MODELS_READ)
async def groups(request: GroupInfoQuery, ctx: CatalogueContext) -> GroupList:
    """List the model groups that the calling key may use. A wildcard is shown as the models it covers."""
    return GroupList(
        data=list(ctx.models.group_infos(allowed=ctx.call.caller.models, name=request.model_group or None))
    )
