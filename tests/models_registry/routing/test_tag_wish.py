"""What the tags of a request ask for: one of some, all of others, and none of the rest."""

import time

import pytest

from models_registry.drops import Drop, Reason
from models_registry.routing.choice import CallTraits
from models_registry.routing.nobody import error_of
from models_registry.routing.tag_wish import MAX_ALTERNATIVES, wish_of
from models_registry.target import Target
from tests.models_registry.routing.deployments import target, view
from tests.models_registry.routing.test_choice import reasons

TARGETS = [
    target("openai", tags=frozenset({"provider:openai", "paid", "default"})),
    target("claude", tags=frozenset({"provider:anthropic", "paid"})),
    target("vertex", tags=frozenset({"provider:vertex", "free"})),
    target("plain"),
]


def fit(*tags: str, any_tag: bool = True, targets: list[Target] = TARGETS) -> list[str]:
    """The deployments that a request with these tags may go to."""
    dropped = reasons(targets, view(traits=CallTraits(tags=tags), checks_tags=True, any_tag=any_tag))
    return [each.model_id for each in targets if each.model_id not in dropped]


@pytest.mark.parametrize(
    ("tags", "ids"),
    [
        (("!provider:anthropic",), ["openai"]),
        (("paid", "!provider:anthropic"), ["openai"]),
        (("paid", "!provider:openai"), ["claude"]),
        (("!default",), ["claude", "vertex", "plain"]),
        (("!provider:(anthropic|openai)",), ["vertex", "plain"]),
        (("!provider:(anthropic|openai)", "paid"), []),
        (("!provider:openai", "!free"), ["claude", "plain"]),
        (("&paid",), ["openai", "claude"]),
        (("&paid", "&provider:anthropic"), ["claude"]),
        (("&paid", "&free"), []),
        (("&paid", "provider:vertex", "provider:anthropic"), ["claude"]),
        (("&paid", "!provider:openai", "no-such"), []),
        (("&paid", "no-such"), ["openai"]),
        (("!", "&"), ["openai"]),
        (("!nobody-has-it",), ["openai"]),
    ],
)
def test_a_deployment_with_an_unwanted_tag_is_never_asked(tags: tuple[str, ...], ids: list[str]) -> None:
    assert fit(*tags) == ids


def test_all_tags_are_needed_where_the_config_says_so_beside_those_that_are_not_wanted() -> None:
    assert fit("paid", "provider:anthropic", "!free", any_tag=False) == ["claude"]


@pytest.mark.parametrize(
    "pattern", ["provider:.*", "(a|b", "a)", "[ab]", "a+", "x?", "^a$", "a\\d", "((a|b)|c)", "(a|b)" * 7]
)
def test_a_pattern_that_is_not_understood_lets_no_deployment_through(pattern: str) -> None:
    assert wish_of((f"!{pattern}",)).is_unclear
    assert fit(f"!{pattern}", "paid") == []
    traits = CallTraits(tags=(f"!{pattern}",))
    drops = reasons(TARGETS, view(traits=traits, checks_tags=True))
    assert set(drops.values()) == {Reason.OTHER_TAGS}


def test_a_caller_is_told_what_may_stand_behind_the_mark() -> None:
    error = error_of("m", [Drop(model="m", reason=Reason.OTHER_TAGS)], CallTraits(tags=("!a.*",)))
    assert "groups such as `(a|b)`" in error.message
    error = error_of("m", [Drop(model="m", reason=Reason.OTHER_TAGS)], CallTraits(tags=("!a",)))
    assert "groups" not in error.message


def test_no_pattern_takes_long_or_stands_for_too_many() -> None:
    began = time.perf_counter()
    wish = wish_of(("!" + "(a|b|c|d|e|f|g|h|i|j)" * 10_000,))
    assert wish.is_unclear
    assert time.perf_counter() - began < 1
    assert len(wish_of(("!" + "(a|b)" * 6,)).none) <= MAX_ALTERNATIVES


def test_where_tags_are_not_looked_at_the_marks_mean_nothing() -> None:
    assert reasons(TARGETS, view(traits=CallTraits(tags=("!paid", "&free")))) == {}
