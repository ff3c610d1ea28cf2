"""What the route of a call passes over, and the reason that it notes."""

from typing import Any

import pytest

from models_registry.backends.provider_errors import CONTEXT_CODE
from models_registry.drops import Reason
from models_registry.routing.route import MOST_ATTEMPTS, MOST_DROPS, Route
from models_registry.routing.settings import MAX_FALLBACKS
from runtime.blueprint import check
from schema.errors.base import GatewayError
from schema.errors.callers import ModelNotAllowed
from schema.errors.requests import ContextLengthExceeded
from schema.errors.upstream import ProviderError
from schema.models import AllowedModels
from schema.route_options import AS_CONFIGURED, RouteOptions
from tests.models_registry.routing.test_route import config, provider, route

TOO_LONG = ProviderError("too long", status=400, code=CONTEXT_CODE)


def dropped(way: Route, error: GatewayError) -> list[tuple[str, Reason]]:
    """What was passed over once every attempt failed with this error."""
    for _ in range(500):
        if not way.advance(error):
            return [(drop.model_id or drop.model, drop.reason) for drop in way.drops]
    raise AssertionError("the way has no end")


def test_a_call_that_is_answered_at_once_passes_nothing_over() -> None:
    assert list(route(config("m", "m", "n", fallbacks=[{"m": ["n"]}])).drops) == []


def test_of_the_fallbacks_each_that_is_passed_over_says_why() -> None:
    given = config(
        "m", "n", "closed", num_retries=0, fallbacks=[{"m": ["nobody", "closed", "n"]}, {"n": ["m"]}]
    )
    allowed = (AllowedModels("key", ("m", "n")),)
    way = route(given, allowed=allowed)
    assert dropped(way, provider(500)) == [
        ("nobody", Reason.UNKNOWN),
        ("closed", Reason.NOT_ALLOWED),
        ("m", Reason.ALREADY_TRIED),
    ]
    assert way.drops[1].detail == "key"


def broken(name: str) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": "nowhere/x"}}


def with_entries(given: dict[str, Any], *entries: dict[str, Any]) -> Route:
    checked = check(given | {"model_list": [*given["model_list"], *entries]}, {})
    return Route(checked.registry, checked.routing, "m", allowed=(), options=AS_CONFIGURED, roll=0.0)


def test_a_deployment_in_error_is_passed_over_beside_one_that_works() -> None:
    way = with_entries(config("m"), broken("m"))
    (drop,) = way.drops
    assert (drop.model, drop.reason) == ("m", Reason.IN_ERROR)
    assert "model_list[1]" in drop.detail


def test_a_fallback_in_error_is_passed_over_and_so_is_the_broken_half_of_another() -> None:
    way = with_entries(
        config("m", "n", num_retries=0, fallbacks=[{"m": ["spare", "n"]}]), broken("spare"), broken("n")
    )
    assert dropped(way, provider(500)) == [("spare", Reason.IN_ERROR), ("n", Reason.IN_ERROR)]
    assert way.fallbacks == 1


def test_a_fallback_for_any_model_that_is_not_local_is_not_for_a_local_one() -> None:
    local = {"model_name": "m", "litellm_params": {"model": "ollama/m", "api_base": "http://127.0.0.1:1"}}
    given = config("away", num_retries=0, fallbacks=[{"*": ["away", "nobody"]}])
    assert dropped(with_entries(given, local), provider(500)) == [
        ("away", Reason.NOT_LOCAL),
        ("nobody", Reason.UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TOO_LONG, Reason.CONTEXT_TOO_SMALL),
        (ContextLengthExceeded("too long"), Reason.CONTEXT_TOO_SMALL),
        (provider(400), Reason.SAME_ANSWER),
    ],
)
def test_what_one_deployment_finds_wrong_with_a_request_the_others_are_not_asked(
    error: GatewayError, reason: Reason
) -> None:
    assert dropped(route(config("m", "m", "m")), error) == [("m/b", reason), ("m/c", reason)]


def test_a_deployment_that_would_say_the_same_is_not_asked_again() -> None:
    way = route(config("m", "m", num_retries=5))
    assert dropped(way, provider(401)) == [("m/a", Reason.SAME_ANSWER), ("m/b", Reason.SAME_ANSWER)]


def test_a_deployment_that_wants_to_be_left_alone_for_long_stays_away() -> None:
    assert dropped(route(config("m")), provider(429, retry_after_s=3600)) == [("m/a", Reason.STAYS_AWAY)]


def test_waits_that_are_too_long_together_are_told() -> None:
    found = dropped(route(config("m", num_retries=9)), provider(429, retry_after_s=50))
    assert found == [("m/a", Reason.WAITS_TOO_LONG)]


def test_deployments_that_no_retry_is_left_for_are_told() -> None:
    assert dropped(route(config("m", "m", "m", num_retries=1)), provider(500)) == [
        ("m/c", Reason.NO_RETRIES_LEFT)
    ]


@pytest.mark.parametrize(
    ("options", "more", "error"),
    [
        (RouteOptions(falls_back=False), {}, provider(500)),
        (AS_CONFIGURED, {"fallback_on_unsupported_params": False}, provider(400)),
    ],
)
def test_fallbacks_that_nobody_wants_are_told(
    options: RouteOptions, more: dict[str, Any], error: GatewayError
) -> None:
    way = route(config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}], **more), options=options)
    assert dropped(way, error) == [("n", Reason.NO_FALLBACK_WANTED)]


def test_a_chain_of_fallbacks_that_is_too_long_is_told() -> None:
    given = config("m", "n", "o", num_retries=0, max_fallbacks=1, fallbacks=[{"m": ["n"]}, {"n": ["o"]}])
    assert dropped(route(given), provider(500)) == [("o", Reason.CHAIN_TOO_LONG)]


def test_fallbacks_beyond_the_most_are_told() -> None:
    names = [f"f{number}" for number in range(MAX_FALLBACKS + 2)]
    given = config("m", *names, num_retries=0, fallbacks=[{"m": names}])
    assert dropped(route(given), provider(500)) == [(name, Reason.TOO_MANY) for name in names[-2:]]


def test_a_call_that_made_its_last_attempt_leaves_the_rest() -> None:
    models = ["m", "n", "o", "p", "q", "r", "s"]
    given = config(*models * 8, "last", num_retries=7, fallbacks=[{"m": [*models[1:], "last"]}])
    found = dropped(route(given), provider(500))
    assert found[-1] == ("last", Reason.TOO_MANY)
    assert len(found) == 8 * 7 - MOST_ATTEMPTS + 1


def test_a_fallback_that_a_customer_may_not_use_is_told_when_the_ledger_refuses_it() -> None:
    way = route(config("m", "n", "o", num_retries=0, fallbacks=[{"m": ["n", "o"]}]))
    assert way.advance(provider(500))
    assert way.advance(ModelNotAllowed("not for this customer", level="customer"))
    assert way.target.model_id == "o/a"
    assert [(drop.model, drop.reason, drop.detail) for drop in way.drops] == [
        ("n", Reason.NOT_ALLOWED, "customer")
    ]


def test_what_is_noted_has_an_end() -> None:
    names = [f"nobody-{number}" for number in range(MOST_DROPS + 50)]
    assert (
        len(dropped(route(config("m", num_retries=0, fallbacks=[{"m": names}])), provider(500))) == MOST_DROPS
    )
