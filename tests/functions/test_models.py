import asyncio

import msgspec
import pytest

from functions import models
from schema.errors.models import ModelNotFound
from schema.models import AllowedModels, ModelQuery, ModelsQuery
from tests.functions.contexts import MEMBER, catalogue_ctx


def test_the_list_is_what_the_key_may_use() -> None:
    everything = asyncio.run(models.models(ModelsQuery(), catalogue_ctx()))
    assert [card.id for card in everything.data] == ["gpt", "claude", "mistral-local", "openai/*"]
    limited = catalogue_ctx(
        msgspec.structs.replace(MEMBER, models=(AllowedModels("key", ("gpt", "openai/*")),))
    )
    some = asyncio.run(models.models(ModelsQuery(), limited))
    assert [card.id for card in some.data] == ["gpt", "openai/*"]


def test_one_model_is_shown_or_not_found() -> None:
    card = asyncio.run(models.retrieve(ModelQuery(model="gpt"), catalogue_ctx()))
    assert (card.id, card.object, card.owned_by) == ("gpt", "model", "openai")
    limited = catalogue_ctx(msgspec.structs.replace(MEMBER, models=(AllowedModels("key", ("claude",)),)))
    with pytest.raises(ModelNotFound):
        asyncio.run(models.retrieve(ModelQuery(model="gpt"), limited))
