"""Deployments and views for tests of the choice among them."""

from typing import Any

from models_registry.dialects import Dialect
from models_registry.routing.choice import NO_TRAITS, CallTraits, ChoiceRules, Shape, View
from models_registry.routing.cooldowns import CooldownRules
from models_registry.routing.fleet import Fleet
from models_registry.target import Target

NOW = 1_000.0


def target(name: str = "a", peers: int = 2, **facts: Any) -> Target:
    """A deployment of the model `m`, whose id is `name`."""
    given: dict[str, Any] = {
        "dialect": Dialect.OPENAI,
        "provider": "openai",
        "api_base": f"http://{name}.test",
    } | facts
    return Target(model_id=name, public_name="m", model=name, peers=peers, **given)


def view(
    fleet: Fleet | None = None,
    *,
    traits: CallTraits = NO_TRAITS,
    now: float = NOW,
    **rules: Any,
) -> View:
    return View(ChoiceRules(**rules), traits, fleet or Fleet(CooldownRules()), now)


def tokens(number: int) -> CallTraits:
    return CallTraits(shape=Shape(input_tokens=lambda: number))
