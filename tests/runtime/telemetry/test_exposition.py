"""The text that Prometheus reads."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.catalog import route_of
from runtime.telemetry import exposition
from runtime.telemetry import tally as tally_module
from runtime.telemetry.exposition import Exposition
from runtime.telemetry.local_counts import HostGauge, QueueGauge
from runtime.telemetry.snapshots import Snapshots
from runtime.telemetry.tally import Gauges, Tally
from schema.ledger.rows import Outcome
from schema.usage import Usage
from tests.runtime.attempts import make_settled, make_target


def samples(tmp_path: Path, tally: Tally) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = asyncio.run(Exposition(Snapshots(tmp_path, tally), route_of).text())
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
    tally.cache.looked(70, hit=True)
    tally.cache.looked(0, hit=False)
    tally.cache.kept(30)
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
    cache = ("hits", "misses", "hit_bytes", "kept", "kept_bytes", "failures")
    assert [found[f"switchgear_cache_{name}_total", ()] for name in cache] == [1, 1, 70, 1, 30, 0]


def test_local_hosts_and_queues_are_told_of_as_the_newest_worker_saw_them(tmp_path: Path) -> None:
    def seen(at: float, loaded: int, waiting: int) -> Tally:
        host = HostGauge(host="gpu-1", looked_at=at, up=True, loaded=loaded, waiting=3)
        queue = QueueGauge(model="gpt-4", waiting=waiting)
        return Tally(["gpt-4"], lambda: Gauges(hosts=[host], queues=[queue]))

    other, mine = seen(200.0, 2, 4), seen(100.0, 1, 1)
    for outcome in ("done", "done", "failed"):
        mine.pulled("gpu-1", outcome)
    mine.waited("gpt-4", 0.2, "got")
    other.waited("gpt-4", 30.0, "gave_up")
    other.waited("a name of nobody", 1.0, "got")
    other.pulled("gpu-1", "done")
    written = Snapshots(tmp_path, other)
    found = samples(tmp_path, mine)
    on_host, of_model = (("host", "gpu-1"),), ("model", "gpt-4")
    assert found["switchgear_local_pulls_total", (*on_host, ("outcome", "done"))] == 3
    assert found["switchgear_local_pulls_total", (*on_host, ("outcome", "failed"))] == 1
    assert found["switchgear_slot_wait_seconds_count", (of_model, ("outcome", "got"))] == 1
    assert found["switchgear_slot_wait_seconds_sum", (of_model, ("outcome", "gave_up"))] == 30
    assert found["switchgear_slot_wait_seconds_count", (("model", "other"), ("outcome", "got"))] == 1
    assert found["switchgear_slot_queue", (of_model,)] == 5
    assert found["switchgear_local_host_up", on_host] == 1
    assert found["switchgear_local_models_loaded", on_host] == 2
    assert found["switchgear_local_waiting", on_host] == 3
    assert not any(name == "switchgear_local_slots_busy" for name, _ in found), "the host does not say"
    assert written is not None


def test_hosts_beyond_a_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "MAX_HOSTS", 2)
    tally = Tally(())
    for number in range(5):
        tally.pulled(f"host-{number}", "done")
    assert [(each.host, each.number) for each in tally.counted().pulls] == [
        ("host-0", 1),
        ("host-1", 1),
        ("other", 3),
    ]


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


def test_a_histogram_that_counted_nothing_is_left_out(tmp_path: Path) -> None:
    tally = Tally(["gpt-4"])
    tally.attempt(make_target(), make_settled(), None)
    names = {name for name, _ in samples(tmp_path, tally)}
    assert "switchgear_attempt_seconds_count" in names
    assert not {name for name in names if "first_token" in name}


def test_a_name_with_quotes_newlines_and_backslashes_is_read_as_it_is(tmp_path: Path) -> None:
    name = 'a "model"\\with\nall of \\n'
    tally = Tally([name])
    tally.attempt(msgspec.structs.replace(make_target(), public_name=name), make_settled(), 1.0)
    assert any(("model", name) in labels for _, labels in samples(tmp_path, tally))


def many_models(number: int) -> Tally:
    tally = Tally([f"model-{each}" for each in range(number)])
    for each in range(number):
        target = msgspec.structs.replace(make_target(), public_name=f"model-{each}")
        tally.attempt(target, make_settled(), 1.0)
    return tally


def test_the_event_loop_goes_on_while_metrics_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "STEP_S", 0.0)

    async def run() -> int:
        asking = asyncio.create_task(Exposition(Snapshots(tmp_path, many_models(50)), route_of).text())
        turns = 0
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(run()) > 50 * 10, "a turn for each model in each family"


def test_the_text_is_written_anew_only_when_a_worker_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = []
    render = Exposition._rendered

    async def counted(metrics: Exposition) -> str:
        rendered.append(1)
        return await render(metrics)

    monkeypatch.setattr(Exposition, "_rendered", counted)

    async def run() -> None:
        snapshots = Snapshots(tmp_path, busy())
        metrics = Exposition(snapshots, route_of)
        texts = await asyncio.gather(*(metrics.text() for _ in range(5)))
        assert len({text.content for text in texts}) == len(rendered) == 1
        snapshots.write()
        await metrics.text()
        assert len(rendered) == 2

    asyncio.run(run())
