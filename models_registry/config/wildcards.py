"""The targets of wildcards: a deployment whose model the caller names."""

from datetime import datetime

import msgspec

from models_registry.config.providers import PROVIDERS, limit_field, split
from models_registry.config.target_facts import window_of, with_facts
from models_registry.config.vertex import speaks
from models_registry.facts.allowances import template_tokens, thinking_of
from models_registry.facts.families import is_agent
from models_registry.target import Target

ANY_MODEL = "*/*"
"""The `Target.model` of a deployment whose caller names the provider. `expand` puts the named model in its
place."""


def expand(target: Target, matched: str, at: datetime) -> Target | None:
    """The target of a wildcard for the text that its star matched. None: the text names another provider, or
    none, or a model that speaks another dialect."""
    provider, model = PROVIDERS[target.provider], target.model.replace("*", matched, 1)
    if target.model == ANY_MODEL:
        try:
            provider, model = split(matched, None)
        except ValueError:
            return None
    else:
        model = split(f"{provider.prefix}/{model}", None)[1]
    spoken = speaks(provider, model)[0]
    same = provider.prefix == target.provider and target.dialect in (spoken, spoken.facts.without_chat)
    return priced(target, model, at, written=matched) if same else None


def priced(target: Target, model: str, at: datetime, *, written: str = "") -> Target:
    """The target of a wildcard for one concrete model, with that model's price and facts. `written` is the
    name as the caller has it."""
    found = msgspec.structs.replace(
        target,
        model=model,
        price=target.pricing.price(model, at),
        context_window=window_of(target.provider, model),
        is_agent=is_agent(model),
        template_tokens=target.template_tokens
        if target.states_template
        else template_tokens(target.template_tokens, target.api_base, model),
        thinking=thinking_of(target.api_base, model),
        limit_field=limit_field(PROVIDERS[target.provider], target.api_base, model, written),
    )
    return with_facts(found, model)
