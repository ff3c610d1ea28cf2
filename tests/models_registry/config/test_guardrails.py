"""What a config says of guardrails."""

from typing import Any

import pytest

from models_registry.config.guardrails import GuardrailRules, Moment
from models_registry.target import Residency
from runtime.blueprint import Checked, check

BASE = {"guardrail": "generic_guardrail_api", "mode": "pre_call", "api_base": "http://guard.lan:8080"}
MODEL = {"model_name": "m", "litellm_params": {"model": "openai/gpt-4", "api_key": "k"}}


def of(*entries: object, env: dict[str, str] | None = None, **more: Any) -> Checked:
    return check({"model_list": [MODEL], "guardrails": list(entries), **more}, env or {})


def entry(name: str = "shield", **params: Any) -> dict[str, Any]:
    return {"guardrail_name": name, "litellm_params": {**BASE, **params}}


def rules(*entries: object, **more: Any) -> GuardrailRules:
    found = of(*entries, **more)
    assert (found.errors, found.warnings) == ((), ())
    return found.guardrails


def test_litellms_section_is_read() -> None:
    found = rules(
        entry(
            mode=["pre_call", "post_call"],
            api_base="https://guard.example/",
            api_key="os.environ/GUARD",
            default_on=True,
            unreachable_fallback="fail_open",
            fail_on_error=False,
            additional_provider_specific_params={"threshold": 0.8},
            headers={"X-Tenant": "red"},
            timeout=3,
        ),
        entry("other", mode="during_call"),
        env={"GUARD": "sk-of-the-guard"},
    )
    shield, other = found.guardrails["shield"], found.guardrails["other"]
    assert shield.url == "https://guard.example/beta/litellm_basic_guardrail_api"
    assert shield.api_key is not None
    assert shield.api_key.reveal() == "sk-of-the-guard"
    assert shield.headers["x-tenant"].reveal() == "red"
    assert (shield.moments, other.moments) == (frozenset(Moment), frozenset({Moment.BEFORE}))
    assert (shield.opens_unreached, shield.opens_failed, shield.deadlines.total_s) == (True, True, 3.0)
    assert bytes(shield.params) == b'{"threshold":0.8}'
    assert found.defaults == ("shield",)
    assert not (other.opens_unreached)
    assert not (other.opens_failed)
    assert not (other.default_on)


def test_the_section_may_stand_in_litellm_settings() -> None:
    found = check({"litellm_settings": {"guardrails": [entry()]}}, {})
    assert list(found.guardrails.guardrails) == ["shield"]
    assert found.errors == ()


@pytest.mark.parametrize(
    ("address", "params", "residency"),
    [
        ("http://guard.lan", {}, Residency.NEAR),
        ("http://127.0.0.1:9", {}, Residency.NEAR),
        ("https://guard.example", {}, Residency.ANYWHERE),
        ("http://guard.lan", {"residency": "cloud"}, Residency.ANYWHERE),
        ("https://guard.example", {"residency": "local"}, Residency.LOCAL),
        ("https://8.8.8.8", {"residency": "local", "allow_public_local": True}, Residency.TRUSTED),
    ],
)
def test_a_guardrail_has_a_residency(address: str, params: dict[str, Any], residency: Residency) -> None:
    found = rules(entry(api_base=address, **params))
    assert found.guardrails["shield"].residency is residency


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"api_base": None}, "api_base"),
        ({"api_base": "guard.lan"}, "api_base"),
        ({"api_base": "http://user:pw@guard"}, "api_base"),
        ({"mode": None}, "mode"),
        ({"mode": "sometimes"}, "mode"),
        ({"mode": {"tags": {}}}, "mode"),
        ({"mode": []}, "mode"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"unreachable_fallback": "open"}, "unreachable_fallback"),
        ({"fail_on_error": "no"}, "fail_on_error"),
        ({"residency": "mars"}, "residency"),
        ({"residency": "local", "api_base": "https://8.8.8.8"}, "residency"),
        ({"api_key": "os.environ/NOWHERE"}, "api_key"),
        ({"api_key": "two\nlines-secret"}, "api_key"),
        ({"headers": {"bad name": "x"}}, "headers"),
        ({"headers": {"x-a": "a\r\nsecret"}}, "headers"),
        ({"additional_provider_specific_params": [1]}, "additional_provider_specific_params"),
        ({"stream_window_chars": 0}, "stream_window_chars"),
        ({"max_parallel": True}, "max_parallel"),
        ({"exclude_payload_fields": "tools"}, "exclude_payload_fields"),
    ],
)
def test_what_is_wrong_is_an_error_with_its_path_and_no_value(params: dict[str, Any], path: str) -> None:
    (error, *_) = of(entry(**params)).errors
    assert error.startswith(f"guardrails[0].litellm_params.{path}: ")
    assert "secret" not in error


def test_names_are_checked_and_stand_once() -> None:
    assert of(entry("a b")).errors[0].startswith("guardrails[0].guardrail_name")
    assert of(entry(), entry()).errors == ("guardrails[1].guardrail_name: another guardrail has this name",)
    assert of("x").errors == ("guardrails[0]: expected a mapping",)
    assert check({"guardrails": {"a": 1}}, {}).errors == ("guardrails: expected a list, found a mapping",)


def test_other_kinds_are_named_in_a_warning() -> None:
    presidio = {"guardrail_name": "pii", "litellm_params": {"guardrail": "presidio", "mode": "pre_call"}}
    assert of(presidio).warnings == ("guardrails (pii): has no effect in this version",)


def test_a_model_that_names_a_guardrail_which_is_not_in_force_is_told_of() -> None:
    params = {**MODEL["litellm_params"], "guardrails": ["pii"]}  # type: ignore[dict-item]
    found = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, {})
    (warning,) = found.warnings
    assert warning.startswith("model_list[0].litellm_params.guardrails: there is no guardrail 'pii' in force")
    assert found.registry.target("m", allowed=(), roll=0.0).guardrails == ("pii",)
