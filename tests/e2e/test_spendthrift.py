"""A provider that does whatever a request asks for, and how much of that gets past a budget."""

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.e2e.gateway import Gateway, query, serving
from tests.fakes.answers import openai_chat, openai_usage
from tests.fakes.hostile_upstream import HostileUpstream, Seen
from tests.fakes.scripts import Line, Request, Script, whole

OUTPUT_USD = Decimal("0.001")
"""A token."""
BUDGET_USD = 1
TRICKS: tuple[dict[str, object], ...] = (
    {"n_predict": 50_000},
    {"max_new_tokens": 50_000},
    {"max_output_tokens": 50_000},
    {"num_predict": 50_000},
    {"options": {"num_predict": 50_000}},
    {"generation_config": {"max_output_tokens": 50_000}},
    {"use_beam_search": True, "num_beams": 50_000},
    {"best_of": 50_000},
    {"min_tokens": 50_000},
    {"reasoning": {"max_tokens": 50_000}},
    {"thinking": {"type": "enabled", "budget_tokens": 50_000}},
    {"max_tokens": -1},
    {"max_tokens": 0},
    {"max_completion_tokens": 50_000},
    {"prediction": {"type": "content", "content": "x", "tokens": 50_000}},
    {"search_parameters": {"max_search_results": 50_000}},
    {"brand_new_limit": 50_000},
)


class SpendthriftUpstream(HostileUpstream):
    """Makes as many tokens as the largest number in the request, and counts none where it is `silent`."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.limits: list[object] = []

    def script_for(self, seen: Seen) -> Script:
        return self._serve

    async def _serve(self, line: Line, request: Request) -> None:
        assert isinstance(request, Seen)
        numbers = [int(found) for found in re.findall(rb"(?<=[: ])-?\d+(?=[,}])", request.body)]
        tokens = 50_000 if min(numbers, default=0) < 1 else max(numbers)
        self.made += tokens
        self.limits.append(request.fields.get("max_tokens"))
        body = json.loads(openai_chat(usage=openai_usage(9, 0 if request.model == "silent" else tokens)))
        body["choices"][0]["message"]["content"] = "word " * min(tokens, 1_000)
        await line.send(whole(json.dumps(body).encode().replace(b'"logprobs": null', b'"logprobs": NaN')))


@pytest.fixture(scope="module")
def spendthrift() -> Iterator[SpendthriftUpstream]:
    upstream = SpendthriftUpstream()
    with upstream.in_thread():
        yield upstream
        assert upstream.errors == []


@pytest.fixture
def tempted(tmp_path: Path, postgres_dsn: str, spendthrift: SpendthriftUpstream) -> Iterator[Gateway]:
    params = {
        "api_base": f"{spendthrift.url}/v1",
        "api_key": "sk-upstream",
        "input_cost_per_token": 0,
        "output_cost_per_token": float(OUTPUT_USD),
    }
    info = {"supports_reasoning": False}
    config = {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", **params}, "model_info": info}
            for name in ("loud", "silent")
        ]
    }
    with serving(tmp_path, config, postgres_dsn) as gateway:
        yield gateway


def ask(gateway: Gateway, key: str, model: str, **fields: object) -> httpx.Response:
    call_id = str(uuid.uuid4())
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}
    headers = {"authorization": f"Bearer {key}", "x-litellm-call-id": call_id}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    answer.request.headers["x-call"] = call_id
    return answer


def spent(gateway: Gateway, alias: str) -> Decimal:
    sql = """SELECT spend FROM "LiteLLM_VerificationToken" WHERE key_alias = $1"""
    return Decimal(asyncio.run(query(gateway.dsn, sql, alias))[0]["spend"])


def test_no_way_to_ask_for_more_than_was_held_spends_a_budget(
    tempted: Gateway, spendthrift: SpendthriftUpstream
) -> None:
    key = tempted.virtual_key("tempting", max_budget=BUDGET_USD)
    made = spendthrift.made
    for trick in TRICKS:
        for model in ("loud", "silent"):
            answer = ask(tempted, key, model, **({"max_tokens": 1} | trick))
            assert answer.status_code in (400, 422), (trick, answer.text)
            (name,) = [name for name in trick if name in answer.text] or ["Budget"]
            assert name in answer.text
    assert spendthrift.made == made
    assert spent(tempted, "tempting") == 0


def test_what_fits_is_given_and_told_and_what_was_said_is_booked(
    tempted: Gateway, spendthrift: SpendthriftUpstream
) -> None:
    key = tempted.virtual_key("modest", max_budget=BUDGET_USD)
    answer = ask(tempted, key, "silent")
    limit = int(answer.headers["x-switchgear-max-tokens"])
    assert (answer.status_code, limit, spendthrift.limits[-1]) == (200, 1_000, limit)
    assert b"NaN" in answer.content
    row = tempted.row(answer.request.headers["x-call"])
    assert (row.outcome, row.prompt_tokens, row.estimated) == ("ok", 9, True)
    assert row.completion_tokens == limit
    assert Decimal(row.spend) == limit * OUTPUT_USD
    assert ask(tempted, key, "silent").status_code == 422
