"""Tags with budgets."""

from typing import Any

import pytest

from functions import budgets, tags
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import AlreadyExists, NotFound
from tests.functions.governed import House, in_house

ALPHA = {"name": "project-alpha", "description": "the first", "max_budget": 5, "budget_duration": "30d"}


def test_a_tag_is_made_changed_shown_and_deleted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(tags.new, ALPHA)
        assert made.message == "Tag project-alpha created successfully"
        assert made.tag.litellm_budget_table is not None
        assert made.tag.description == "the first"
        assert made.tag.litellm_budget_table.max_budget == 5
        changed = await house.call(
            tags.update, {"name": "project-alpha", "max_budget": 7, "description": "still the first"}
        )
        assert changed.tag.litellm_budget_table is not None
        assert changed.tag.litellm_budget_table.max_budget == 7
        assert changed.tag.litellm_budget_table.budget_duration == "30d"
        shown = await house.call(tags.info, {"names": ["project-alpha", "nosuch"]})
        assert shown == {"project-alpha": changed.tag}
        assert [each.name for each in await house.call(tags.list_tags)] == ["project-alpha"]
        await house.call(tags.delete, {"name": "project-alpha"})
        assert await house.call(tags.list_tags) == []
        assert "tag:project-alpha" in house.announced
        audit = await house.database.pool.fetch(
            'SELECT action FROM "LiteLLM_AuditLog" WHERE table_name = $1 ORDER BY updated_at',
            "LiteLLM_TagTable",
        )
        assert [row["action"] for row in audit] == ["created", "updated", "deleted"]

    in_house(postgres_dsn, scenario)


def test_a_tag_may_name_a_budget_that_others_have_too(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "small", "max_budget": 1})
        made = await house.call(tags.new, {"name": "a", "budget_id": "small"})
        assert made.tag.budget_id == "small"
        with pytest.raises(InvalidRequest, match="budget_id"):
            await house.call(tags.new, {"name": "b", "budget_id": "nosuch"})
        with pytest.raises(InvalidRequest, match="not both"):
            await house.call(tags.new, {"name": "b", "budget_id": "small", "max_budget": 1})

    in_house(postgres_dsn, scenario)


def test_a_tag_is_there_once_and_what_is_not_there_is_404(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(tags.new, ALPHA)
        with pytest.raises(AlreadyExists):
            await house.call(tags.new, ALPHA)
        with pytest.raises(NotFound):
            await house.call(tags.update, {"name": "nosuch", "max_budget": 1})
        with pytest.raises(NotFound):
            await house.call(tags.delete, {"name": "nosuch"})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 300),
        ("max_budget", -1),
        ("budget_duration", "soon"),
        ("models", ["gpt-4"]),
        ("allowed_regions", ["eu"]),
    ],
)
def test_what_no_tag_can_have_is_refused_by_name(postgres_dsn: str, field: str, value: Any) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=field):
            await house.call(tags.new, {"name": "a", field: value})

    in_house(postgres_dsn, scenario)
