"""The budgets and limits of tags.

Every call has tags, and few tags have a budget. So a worker knows all tags that have one, and a call whose
tags have none asks nobody. They are read anew when a tag or a budget was changed, and once a minute.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from runtime.limits.rules import Level, Limits, money_rules, rate_rules
from runtime.postgres.database import Database
from runtime.postgres.row_codec import RowCodec
from schema.budgets import BudgetRecord
from schema.errors.base import GatewayError
from schema.errors.overload import DatabaseUnavailable
from schema.limits import Rule
from schema.tables.budgets import Budget, Tag

AGAIN_S = 60.0
FAILED_S = 1.0
"""The pause after a read that failed."""
MAX_TAGS = 10_000
"""How many tags may have a budget."""
TOPICS = ("tag:", "budget:")

log = logging.getLogger(__name__)


class TagBudgets:
    """The rules of tags, by tag. `known` is empty where no tag has a budget."""

    def __init__(self, database: Database) -> None:
        self.known: Mapping[str, tuple[Rule, ...]] = {}
        self._database = database
        self._budgets = RowCodec(Budget, BudgetRecord)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the tags, and follow their changes. Raises DatabaseUnavailable."""
        await self.read()
        self._task = asyncio.create_task(self._follow(), name="tags")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def heard(self, topic: str) -> None:
        """A governed row was changed, or any row (`all`)."""
        if topic == "all" or topic.startswith(TOPICS):
            self._changed.set()

    def rules(self, tags: Sequence[str]) -> tuple[Rule, ...]:
        """The rules over a call with these tags."""
        known = self.known
        return tuple(rule for tag in dict.fromkeys(tags) if tag in known for rule in known[tag])

    async def read(self) -> None:
        """Read all tags that have a budget. Raises DatabaseUnavailable."""
        with self._database.asking():
            tags = (
                await Tag.select(Tag.tag_name, Tag.budget_id)
                .where(Tag.budget_id.is_not_null())
                .order_by(Tag.tag_name)
                .limit(MAX_TAGS)
            )
            ids = list(dict.fromkeys(row["budget_id"] for row in tags))
            rows = await Budget.select().where(Budget.budget_id.is_in(ids)) if ids else []
        budgets = {row["budget_id"]: self._budgets.decode(row) for row in rows}
        found: dict[str, tuple[Rule, ...]] = {}
        for row in tags:
            budget = budgets.get(row["budget_id"])
            if budget is not None and (rules := _rules_of(row["tag_name"], budget)):
                found[row["tag_name"]] = rules
        self.known = found

    async def _follow(self) -> None:
        """Read the tags again and again. A read that failed is made again soon: its change is announced
        once."""
        pause_s = AGAIN_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self.read()
                pause_s = AGAIN_S
            except DatabaseUnavailable as exc:
                log.debug("tags: %s", exc)
                pause_s = FAILED_S
            except Exception:
                log.exception("tags could not be read")
                pause_s = FAILED_S


def _rules_of(tag: str, budget: BudgetRecord) -> tuple[Rule, ...]:
    """The rules of a tag. A budget that SQL wrote wrong lets nothing pass: what it limited is not free."""
    level = Level(
        kind="tag",
        who="tag",
        subject=f"tag {tag[:100]}",
        id=tag,
        topics=(f"tag:{tag}", f"budget:{budget.budget_id}"),
    )
    limits = Limits(**{name: getattr(budget, name) for name in Limits.__struct_fields__})
    try:
        return (*money_rules(level, limits), *rate_rules(level, limits))
    except GatewayError as exc:
        log.error("tag %s: its budget can't be read: %s", tag, exc.message)
        return tuple(rate_rules(level, Limits(rpm_limit=0)))
