"""A worker goes on answering while it is sent bodies that are large, or hold too much."""

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway, serving
from tests.fakes.hostile_upstream import closed_port

FIELDS = 2_000_000
BODIES = 20
BODY_BYTES = 28_000_000
SLOWEST_S = 1.0
"""A tenth of it on a machine of its own; 3 to 5 s where such bodies are decoded in one go."""


@pytest.fixture
def quiet(tmp_path: Path, postgres_dsn: str) -> Iterator[Gateway]:
    params = {"model": "openai/m", "api_base": f"http://127.0.0.1:{closed_port()}/v1", "api_key": "sk-x"}
    config = {
        "model_list": [{"model_name": "m", "litellm_params": params}],
        "router_settings": {"num_retries": 0},
        "general_settings": {"max_request_bodies_mb": 1024},
    }
    with serving(tmp_path, config, postgres_dsn) as gateway:
        yield gateway


def connected(gateway: Gateway) -> http.client.HTTPConnection:
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    return http.client.HTTPConnection(host, int(port), timeout=60)


class Probe:
    """Asks for liveliness over and over while it is open; `slowest_s` is the longest that an answer took."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.slowest_s = 0.0

    def _run(self) -> None:
        connection = connected(self._gateway)
        while not self._ends.wait(0.005):
            began = time.perf_counter()
            connection.request("GET", "/health/liveliness")
            assert connection.getresponse().read()
            self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
        connection.close()

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ends.set()
        self._thread.join()


def reasons_of(gateway: Gateway, body: bytes, count: int) -> set[str]:
    """What so many calls at once are answered with."""
    found: list[bytes] = []

    def post() -> None:
        connection = connected(gateway)
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        found.append(connection.getresponse().read())
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == count
    return {answer.decode().partition('"reason":"')[2].partition('"')[0] for answer in found}


def test_probes_are_answered_beside_bodies_of_two_million_fields(quiet: Gateway) -> None:
    members = ",".join(f'"k{number}":1' for number in range(FIELDS))
    body = f'{{"model":"m","messages":[{{"role":"user","content":"x"}}],{members}}}'.encode()
    with Probe(quiet) as probe:
        assert reasons_of(quiet, body, 3) == {"request_too_complex"}
    assert probe.slowest_s < SLOWEST_S, probe.slowest_s


def test_probes_are_answered_beside_many_large_bodies(quiet: Gateway) -> None:
    text = b'The quick brown fox, {jumps} over: \\"lazy\\" [dogs].\\n' * (BODY_BYTES // 55)
    body = b'{"model":"m","messages":[{"role":"user","content":"' + text + b'"}]}'
    with Probe(quiet) as probe:
        assert reasons_of(quiet, body, BODIES) == {"upstream_unreachable"}
    assert probe.slowest_s < SLOWEST_S, probe.slowest_s
