"""Thinking and effort as `reasoning_effort`, for models that are known to think.

Clients ask every model to think, whatever it is: Claude Code does. A model that is not known to think would
refuse to be asked, so it is not.
"""

import msgspec

from models_registry.facts.table import EFFORTS
from models_registry.target import Target
from schema.errors.requests import InvalidRequest
from schema.wire import MaybeRaw, present

STEPS = ((2048, "low"), (8192, "medium"))
"""Budgets of thinking in tokens below which a level of effort is asked for. A larger one asks for `high`."""


class ThinkingWish(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""
    budget_tokens: int | None = None


def effort_of(thinking: MaybeRaw, effort: str | None, target: Target) -> str | None:
    """The level of reasoning to ask for, one that the model has. None: nothing is asked for. Raises
    InvalidRequest."""
    if not _thinks(target):
        return None
    wish = _wish(thinking)
    if wish.kind == "disabled":
        return _level("none", target) if _can_stop(target) else _least(target)
    wanted = effort
    if wanted is None and wish.kind == "enabled":
        budget = wish.budget_tokens or 0
        wanted = next((level for most, level in STEPS if budget < most), "high")
    return None if wanted is None else _level(wanted, target)


def _wish(thinking: MaybeRaw) -> ThinkingWish:
    if not present(thinking):
        return ThinkingWish()
    try:
        return msgspec.json.decode(thinking, type=ThinkingWish)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"'thinking' is malformed: {exc}", param="thinking") from exc


def _thinks(target: Target) -> bool:
    if target.supports_reasoning is not None:
        return target.supports_reasoning
    return target.facts is not None and target.facts.reasoning is True


def _can_stop(target: Target) -> bool:
    facts = target.facts
    if facts is None or not facts.efforts:
        return target.dialect.facts.shows_thinking
    return "none" in facts.efforts


def _least(target: Target) -> str | None:
    """The least level of a model that always thinks. None: nobody knows its levels."""
    facts = target.facts
    return None if facts is None else next((each for each in EFFORTS if each in facts.efforts), None)


def _level(wanted: str, target: Target) -> str | None:
    """The wanted level, or the nearest one that the model has; of two as near, the lower."""
    if wanted not in EFFORTS:
        raise InvalidRequest(
            f"'output_config.effort' must be one of: {', '.join(EFFORTS)}.", param="output_config.effort"
        )
    facts = target.facts
    levels = [each for each in EFFORTS if facts is None or not facts.efforts or each in facts.efforts]
    at = EFFORTS.index(wanted)
    return min(levels, key=lambda each: abs(EFFORTS.index(each) - at), default=None)
