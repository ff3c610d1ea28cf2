"""Retries and fallbacks as a client sees them, and what Postgres has of each attempt."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.e2e.gateway import Gateway, serving
from tests.fakes.billing_upstream import BILLS, INPUT_NANO, OUTPUT_NANO, BillingUpstream

DEPLOYMENTS = {"lucky": ("bills", "answers"), "hopeless": ("refuses",), "falls back": ("refuses",)}


@pytest.fixture(scope="module")
def bills() -> Iterator[BillingUpstream]:
    upstream = BillingUpstream()
    with upstream.in_thread():
        yield upstream
        assert upstream.errors == []


@pytest.fixture
def walking(tmp_path: Path, postgres_dsn: str, bills: BillingUpstream) -> Iterator[Gateway]:
    params = {
        "api_base": f"{bills.url}/v1",
        "api_key": "sk-upstream",
        "input_cost_per_token": INPUT_NANO / 1e9,
        "output_cost_per_token": OUTPUT_NANO / 1e9,
    }
    config = {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{model}", **params},
                "model_info": {"bills_failures": model == BILLS},
            }
            for name, models in DEPLOYMENTS.items()
            for model in models
        ],
        "router_settings": {"num_retries": 1, "fallbacks": [{"falls back": ["lucky"]}]},
    }
    with serving(tmp_path, config, postgres_dsn) as gateway:
        yield gateway


def test_a_call_is_answered_by_whoever_can_and_every_attempt_is_on_the_bill(
    walking: Gateway, bills: BillingUpstream
) -> None:
    key = walking.virtual_key("retrying", max_budget=1, rpm_limit=20)
    client = openai.OpenAI(base_url=f"{walking.url}/v1", api_key=key, max_retries=0)
    minutes, lefts = [], []
    for number in range(10):
        call_id = f"{uuid.uuid4()}"
        minutes.append(int(time.time() // 60))
        answer = client.chat.completions.with_raw_response.create(
            model="falls back" if number % 2 else "lucky",
            messages=[{"role": "user", "content": call_id}],
            max_tokens=12,
            stream=False,
            extra_headers={"x-litellm-call-id": call_id},
        )
        assert answer.parse().choices[0].message.content
        attempts = sum(count for (call, _), count in bills.attempts.items() if call == call_id)
        rows = walking.rows(call_id, count=attempts)
        assert len(rows) == attempts
        *earlier, last = rows
        assert (last.model, last.outcome) == ("answers", "ok")
        assert len(last.request_id) == 36
        assert [row.request_id for row in earlier] == [
            f"{last.request_id}-a{place}" for place in range(1, attempts)
        ]
        if attempts > 1:
            assert answer.headers["x-litellm-attempted-fallbacks"] == str(number % 2)
        assert answer.headers["x-litellm-model-group"] == "lucky"
        lefts.append(int(answer.headers["x-ratelimit-api_key-remaining-requests"]))
        for row in rows:
            charged = bills.bill[call_id, row.model]
            nano = round(float(row.spend) * 1e9)
            assert (row.outcome == "uncertain") == (row.model == BILLS)
            assert nano == charged if row.outcome != "uncertain" else nano >= charged
    whole = 20 - max(minutes.count(each) for each in minutes)  # a new minute has all its requests
    assert min(lefts) in (whole, whole + 1), "a call is one request, however often it was attempted"


def test_where_nobody_answers_the_sdk_raises_what_the_model_asked_for_said(walking: Gateway) -> None:
    client = openai.OpenAI(base_url=f"{walking.url}/v1", api_key=walking.key, max_retries=0)
    with pytest.raises(openai.RateLimitError) as failed:
        client.chat.completions.create(
            model="hopeless",
            messages=[{"role": "user", "content": "x"}],
            extra_body={"num_retries": 0, "fallbacks": ["hopeless"]},
        )
    assert failed.value.status_code == 429
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(
            model="hopeless",
            messages=[{"role": "user", "content": "x"}],
            extra_body={"fallbacks": ["nobody"]},
        )
