"""`cache_control_injection_points` in a config: each is understood, or the deployment says what is wrong."""

from typing import Any

import pytest

from models_registry.target import CachePoint
from tests.models_registry.config.test_deployments import compiled, refusal
from tests.models_registry.config.test_params import CLAUDE, GROQ, checked, target_of

NAME = "cache_control_injection_points"


def refused(*given: dict[str, Any]) -> str:
    params: dict[str, Any] = {**CLAUDE, NAME: list(given)}
    return refusal(**params)


def points(*given: dict[str, Any]) -> tuple[CachePoint, ...]:
    params: dict[str, Any] = {**CLAUDE, NAME: list(given)}
    return compiled(**params).cache_points


def test_points_are_read_in_the_peers_words() -> None:
    found = points(
        {"location": "message", "role": "system"},
        {"location": "message", "index": "-1", "control": {"type": "ephemeral", "ttl": "1h"}},
        {"location": "tool_config"},
        {"role": "user", "control": None},
    )
    assert [(each.tools, each.role, each.index) for each in found] == [
        (False, "system", None),
        (False, "", -1),
        (True, "", None),
        (False, "user", None),
    ]
    assert bytes(found[0].control) == b'{"type":"ephemeral"}'
    assert bytes(found[1].control) == b'{"type":"ephemeral","ttl":"1h"}'
    assert points() == ()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"location": "messages", "role": "user"}, f"{NAME}[0].location: expected message or tool_config"),
        ({"location": "message"}, f"{NAME}[0]: expected a role"),
        ({"role": "user", "control": {"type": "persistent"}}, f"{NAME}[0].control: expected"),
        ({"role": "user", "control": {"type": "ephemeral", "ttl": "1d"}}, f"{NAME}[0].control: expected"),
        ({"role": "user", "control": {"type": "ephemeral", "s3cret": 1}}, f"{NAME}[0].control: expected"),
        ({"role": "user", "indx": 1}, f"{NAME}[0]"),
        ({"index": "last"}, f"{NAME}[0].index"),
    ],
)
def test_a_wrong_point_is_told_with_its_path(given: dict[str, Any], says: str) -> None:
    told = refused(given)
    assert told.startswith(says)
    assert "s3cret" not in told


def test_more_points_than_marks_are_refused() -> None:
    assert "at most 4" in refused(*({"index": place} for place in range(5)))


def test_points_without_an_effect_are_warned_of() -> None:
    given: dict[str, Any] = {NAME: [{"role": "system"}]}
    assert checked(CLAUDE | given).warnings == ()
    (warning,) = checked(GROQ | given).warnings
    assert warning == f"model_list[0].litellm_params.{NAME}: has an effect at Anthropic and Bedrock alone"
    found = checked(CLAUDE | given | {"extra_body": {"cache_control": {"type": "ephemeral"}}})
    assert any("has no effect beside cache_control" in each for each in found.warnings)
    assert target_of(checked(CLAUDE | given)).cache_points
