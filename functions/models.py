"""The models that a key may use, in OpenAI's list format."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CatalogueContext
from schema.errors import ModelNotFound
from schema.models import ModelCard, ModelList, ModelQuery, ModelsQuery


@function("GET", "/v1/models", aliases=("/models",), access=Access.MODELS_READ)
async def models(request: ModelsQuery, ctx: CatalogueContext) -> ModelList:
    """List the models that the calling key may use."""
    return ModelList(data=list(ctx.models.cards(allowed=ctx.call.caller.models)))


@function("GET", "/v1/models/{model:path}", aliases=("/models/{model:path}",), access=Access.MODELS_READ)
async def retrieve(request: ModelQuery, ctx: CatalogueContext) -> ModelCard:
    """Show one of the models that the calling key may use."""
    card = ctx.models.card(request.model, allowed=ctx.call.caller.models)
    if card is not None:
        return card
    raise ModelNotFound(f"The model `{request.model[:200]}` does not exist here.", param="model")
