"""The list of guardrails, and a question to one of them."""

import asyncio

import msgspec
import pytest

from functions.guardrails import apply_guardrail, list_guardrails
from functions.ports.context import GuardrailContext
from functions.ports.guardrails import Verdict
from models_registry.config.guardrails import Moment
from runtime.blueprint import check
from schema.errors.models import GuardrailRefused
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.guardrails import ApplyRequest, GuardrailsQuery
from schema.secret import Secret
from tests.fakes.guardrails import FakeGuardrails
from tests.functions.contexts import ADMIN, make_call


def test_the_list_shows_no_address_and_no_credential() -> None:
    shield = FakeGuardrails(
        "shield",
        moments=(Moment.BEFORE, Moment.AFTER),
        default_on=True,
        api_key=Secret("of-the-guard"),
        info=msgspec.Raw(b'{"params":[1]}'),
    )
    ctx = GuardrailContext(call=make_call(ADMIN), guardrails=shield)
    found = asyncio.run(list_guardrails(GuardrailsQuery(), ctx))
    text = msgspec.json.encode(found).decode()
    assert "of-the-guard" not in text
    assert "guard.test" not in text
    (shown,) = found.guardrails
    assert (shown.guardrail_name, shown.litellm_params.mode) == ("shield", ["pre_call", "post_call"])
    assert (shown.litellm_params.default_on, shown.guardrail_info) == (True, {"params": [1]})


def test_the_list_names_what_is_not_in_force_and_the_rules_about_contents() -> None:
    checked = check(
        {
            "model_list": [
                {
                    "model_name": "m",
                    "litellm_params": {"model": "openai/m", "api_key": "k", "guardrails": ["gone"]},
                }
            ],
            "guardrails": [
                {"guardrail_name": "names", "litellm_params": {"guardrail": "presidio", "mode": "pre_call"}}
            ],
            "general_settings": {
                "content_rules": [
                    {"name": "mail", "find": "email", "action": "redact", "reads": "both"},
                    {"name": "out", "find": "card", "action": "refuse", "reads": "answer"},
                ]
            },
        },
        {},
    )
    assert checked.errors == ()
    door = FakeGuardrails()
    door.rules = checked.guardrails
    found = asyncio.run(
        list_guardrails(GuardrailsQuery(), GuardrailContext(call=make_call(ADMIN), guardrails=door))
    )
    assert (found.guardrails, found.not_in_force, found.rules) == ([], ["names", "gone"], ["mail", "out"])


def test_a_guardrail_is_asked_about_a_text() -> None:
    shield = FakeGuardrails("shield")
    ctx = GuardrailContext(call=make_call(ADMIN), guardrails=shield)

    def ask(**fields: str) -> str:
        request = ApplyRequest(**{"guardrail_name": "shield", "text": "Ada", **fields})
        return asyncio.run(apply_guardrail(request, ctx)).response_text

    assert ask() == "Ada"
    shield.says = lambda question: Verdict(texts=("[NAME]",))
    assert ask(input_type="response") == "[NAME]"
    assert [each["input_type"] for each in shield.questions] == ["request", "response"]
    shield.says = lambda question: Verdict(refuses=True)
    with pytest.raises(GuardrailRefused):
        ask()
    with pytest.raises(NotFound):
        ask(guardrail_name="x" * 1000)
    with pytest.raises(InvalidRequest):
        ask(input_type="both")
