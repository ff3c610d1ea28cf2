"""The text that Prometheus reads."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from runtime.catalog import route_of
from runtime.telemetry.exposition import Metrics
from runtime.telemetry.snapshots import Snapshots
from runtime.telemetry.tally import Gauges, Tally
from schema.spend import Outcome
from schema.usage import Usage
from tests.runtime.attempts import make_settled, make_target


def samples(tmp_path: Path, tally: Tally) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = Metrics(Snapshots(tmp_path, tally), route_of).text()
    assert text.media_type.startswith("text/plain; version=0.0.4")
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text.content):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, "a series twice"
            found[key] = sample.value
    return found


def busy() -> Tally:
    tally = Tally(["gpt-4"], lambda: Gauges(calls_under_way=4, ledger_rows_waiting=2))
    usage = Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4)
    tally.attempt(make_target(), make_settled(usage=usage, cost_nano=1_500_000_000, duration_ms=30), 12.0)
    tally.attempt(
        make_target(), make_settled(usage=Usage(), outcome=Outcome.FAILED, duration_ms=700, cost_nano=0), None
    )
    tally.request("chat", 200, 31.0)
    tally.request("chat", 502, 702.0)
    tally.request("keys.generate", 200, 3.0)
    tally.hold_exceeded()
    return tally


def test_counts_stand_under_our_names(tmp_path: Path) -> None:
    found = samples(tmp_path, busy())
    provider = ("provider", make_target().provider)
    of_model = (("model", "gpt-4"), provider)
    assert found["switchgear_requests_total", (("function", "chat"), ("status", "502"))] == 1
    assert found["switchgear_spend_usd_total", of_model] == 1.5
    assert found["switchgear_tokens_total", (("kind", "cached"), *of_model)] == 4
    assert found["switchgear_attempts_total", (("model", "gpt-4"), ("outcome", "failed"), provider)] == 1
    assert found["switchgear_attempt_seconds_count", of_model] == 2
    assert found["switchgear_attempt_seconds_sum", of_model] == 0.73
    assert found["switchgear_attempt_seconds_bucket", (("le", "0.05"), *of_model)] == 1
    assert found["switchgear_attempt_seconds_bucket", (("le", "+Inf"), *of_model)] == 2
    assert found["switchgear_hold_exceeded_total", ()] == 1
    assert found["switchgear_calls_under_way", ()] == 4
    assert found["switchgear_ledger_rows_waiting", ()] == 2


def test_what_dashboards_for_litellm_ask_for_is_there(tmp_path: Path) -> None:
    found = samples(tmp_path, busy())
    of_model, route = (("model", "gpt-4"),), ("route", "/v1/chat/completions")
    assert found["litellm_proxy_total_requests_metric_total", (route, ("status_code", "200"))] == 1
    assert found["litellm_proxy_failed_requests_metric_total", (route, ("status_code", "502"))] == 1
    assert ("litellm_proxy_failed_requests_metric_total", (route, ("status_code", "200"))) not in found
    assert found["litellm_spend_metric_total", of_model] == 1.5
    assert found["litellm_input_tokens_metric_total", of_model] == 10
    assert found["litellm_llm_api_latency_metric_count", of_model] == 2
    deployment = (("api_provider", make_target().provider), ("litellm_model_name", "gpt-4"))
    assert found["litellm_deployment_failure_responses_total", deployment] == 1
    assert all("keys" not in str(labels) for name, labels in found if name.startswith("litellm_"))


def test_an_idle_gateway_has_metrics_too(tmp_path: Path) -> None:
    assert samples(tmp_path, Tally(()))["switchgear_workers", ()] == 1
