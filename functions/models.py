"""The models that a key may use, in OpenAI's list format."""

from collections.abc import Iterator

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CatalogueContext
from schema.errors.models import ModelNotFound
from schema.models import ModelCard, ModelList, ModelQuery, ModelsQuery


@function("GET", "/v1/models", aliases=("/models", "/openai/v1/models"), access=Access.MODELS_READ)
async def models(request: ModelsQuery, ctx: CatalogueContext) -> ModelList:
    """List the models that the calling key may use, and its own names for models (aliases)."""
    caller = ctx.call.caller
    seen = ctx.models.of_team(caller.team_id)
    groups = list(seen.group_cards(allowed=caller.models, more=caller.access_groups))
    if request.only_model_access_groups:
        return ModelList(data=groups)
    found = [*seen.cards(allowed=caller.models), *_aliases(ctx)]
    if request.return_wildcard_routes is False:
        found = [card for card in found if "*" not in card.id]
    if request.include_model_access_groups:
        found += groups
    return ModelList(data=list({card.id: card for card in reversed(found)}.values())[::-1])


@function(
    "GET",
    "/v1/models/{model:path}",
    aliases=("/models/{model:path}", "/openai/v1/models/{model:path}"),
    access=Access.MODELS_READ,
)
async def retrieve(request: ModelQuery, ctx: CatalogueContext) -> ModelCard:
    """Show one of the models that the calling key may use, by its name or by an alias."""
    caller = ctx.call.caller
    name = caller.aliases.get(request.model, request.model)
    card = ctx.models.of_team(caller.team_id).card(name, allowed=caller.models)
    if card is not None:
        return msgspec.structs.replace(card, id=request.model)
    raise ModelNotFound(f"The model `{request.model[:200]}` does not exist here.", param="model")


def _aliases(ctx: CatalogueContext) -> Iterator[ModelCard]:
    """A card for each alias that stands for a model the caller may use."""
    caller = ctx.call.caller
    seen = ctx.models.of_team(caller.team_id)
    for alias, name in caller.aliases.items():
        card = seen.card(name, allowed=caller.models)
        if card is not None:
            yield msgspec.structs.replace(card, id=alias)
