"""What is known of a target's model, and what follows for the requests to it."""

import msgspec

from models_registry.config.providers import PROVIDERS
from models_registry.config.responses_alone import dialect_of
from models_registry.facts.refusals import SAMPLING, refused_fields
from models_registry.facts.table import facts_of, overridden
from models_registry.prices.book import find_window
from models_registry.target import Target

NEWER_LIMIT = "max_completion_tokens"
REFUSABLE = frozenset({*SAMPLING, "reasoning_effort", "parallel_tool_calls", "stop"})
"""Fields that a model may refuse and another one of the same provider takes."""


def with_facts(target: Target, model: str) -> Target:
    """The target with what its model takes. `model` is the one whose facts hold: the `base_model` where the
    config has one, which may name its provider (`openai/gpt-4`)."""
    facts = overridden(facts_of(target.provider, model), target.provider, model, target.info)
    refuses = (target.refuses - REFUSABLE) | refused_fields(facts)
    provider = PROVIDERS[target.provider]
    newer = target.limit_field == NEWER_LIMIT and (facts is None or bool(facts.reasoning))
    renames = provider.limit_name or (NEWER_LIMIT if newer and not provider.limit_name else "")
    watched = refuses | {"reasoning_effort"} if facts is not None and facts.efforts else refuses
    most = target.max_output_tokens
    if most is None and facts is not None and target.dialect.facts.needs_limit:
        most = facts.max_output_tokens
    return msgspec.structs.replace(
        target,
        dialect=dialect_of(target, facts),
        facts=facts,
        refuses=refuses,
        renames_limit=renames,
        watched=watched,
        max_output_tokens=most,
    )


def window_of(prefix: str, model: str) -> int | None:
    price_id = PROVIDERS[prefix].price_id
    return None if price_id is None else find_window(price_id, model)
