"""`just dev` as a person uses it, and `just invoke` beside it."""

import asyncio
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from runtime.local.model import Address
from tests.e2e.conftest import config_for
from tests.e2e.gateway import ROOT, Process, clean_environment, free_port, query, until
from tests.fakes.answers import TEXT, ollama_chat
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.in_thread import answering

TAGS = {
    "models": [
        {"name": "mistral:latest", "model": "mistral:latest"},
        {"name": "qwen3:0.6b", "model": "qwen3:0.6b"},
        {
            "name": "gpt-oss:120b-cloud",
            "remote_model": "gpt-oss:120b",
            "remote_host": "https://ollama.com:443",
        },
    ]
}
PROMPT = "Say hello."
JUST = Path(sys.executable).with_name("just")
COUNT = "SELECT count(*) AS n FROM \"LiteLLM_SpendLogs\" WHERE outcome = 'ok' AND model_group = $1"


class Dev:
    """A running `just dev`, and what it printed."""

    def __init__(self, process: Process, banner: str) -> None:
        self.process = process
        self.banner = banner
        self.curl = next(line for line in banner.splitlines() if line.startswith("curl "))
        self.key = re.findall(r"^Key +(sk-\S+)$", banner, re.MULTILINE)[0]
        self.dsn = re.findall(r'psql "(\S+)"', banner)[0]
        self.url = re.findall(r"^URL +(http://\S+)/v1 ", banner, re.MULTILINE)[0]

    def count(self, model: str) -> int:
        """Completed calls on its books."""
        return int(asyncio.run(query(self.dsn, COUNT, model))[0]["n"])


@contextlib.contextmanager
def developing(data: Path, **env: str) -> Iterator[Dev]:
    """By `just` where it is installed. Ended by a Ctrl-C: the terminal sends its signal to the whole
    process group."""
    port = free_port()
    program = (str(JUST),) if JUST.exists() else (sys.executable, "-m", "runtime")
    arguments, whole_env = (
        ["dev", "--port", str(port)],
        {"SWITCHGEAR_DATA": str(data), "SWITCHGEAR_BUILD_UI": "0", **env},
    )
    process = Process(arguments, whole_env, data / f"{port}.log", program=program)
    try:
        until(
            lambda: "Ctrl-C stops all of it." in process.log() or process.exit_code is not None,
            90,
            what="the banner",
        )
        assert process.exit_code is None, process.log()
        yield Dev(process, process.log())
        assert process.stop(signal.SIGINT, to_group=True) in (0, 130), process.log()
        assert "Traceback" not in process.log()
        assert "workers keep dying" not in process.log()
    except BaseException:
        process.kill_all()
        raise


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_dev_answers_its_own_curl_line_and_comes_back_with_its_data(data: Path, model: Address) -> None:
    with developing(data) as dev:
        assert "+ smollm2-local" in dev.banner
        assert "- OpenAI: no OPENAI_API_KEY" in dev.banner
        assert "- Anthropic: no ANTHROPIC_API_KEY" in dev.banner
        assert "Ollama" in dev.banner
        names = {process.name() for process in dev.process.family()}
        assert any(name.startswith("postgres") for name in names)
        answer = httpx.post(
            f"{dev.url}/v1/chat/completions",
            json={
                "model": "smollm2-local",
                "messages": [{"role": "user", "content": PROMPT}],
                "max_tokens": 8,
            },
            headers={"authorization": f"Bearer {dev.key}"},
            timeout=60,
        )
        assert answer.json()["choices"][0]["message"]["content"]
        until(lambda: dev.count("smollm2-local") == 1, what="the row")
    assert not (data / "postgres" / "postmaster.pid").exists()
    with developing(data) as again:
        assert again.key == dev.key
        assert again.count("smollm2-local") == 1
        check_printed_curl(again)


def check_printed_curl(dev: Dev) -> None:
    """The line through a shell, as it was printed."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: the printed line was not run")
    before = dev.count("smollm2-local")
    done = subprocess.run(["sh", "-c", dev.curl], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]
    until(lambda: dev.count("smollm2-local") == before + 1, what="the row of the curl line")


class Ollama(BaseHTTPRequestHandler):
    """An Ollama's list of models, and its chat by way of the fake provider's answers."""

    def do_GET(self) -> None:
        self._send(json.dumps(TAGS).encode() if self.path == "/api/tags" else b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._send(ollama_chat(body["model"]))

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def ollama() -> Iterator[None]:
    """On Ollama's own port: that is where `just dev` looks."""
    try:
        server = ThreadingHTTPServer(("127.0.0.1", 11434), Ollama)
    except OSError as exc:
        pytest.skip(f"port 11434 is not free: {exc}")
    with answering(server):
        yield


def test_dev_finds_ollama_and_the_keys_of_the_environment(data: Path, ollama: None) -> None:
    with developing(data, OPENAI_API_KEY="sk-openai-secret", ANTHROPIC_API_KEY="sk-ant-secret") as dev:
        assert "+ mistral-local: Ollama's mistral:latest" in dev.banner
        assert "+ qwen3:0.6b-local" in dev.banner
        assert "- Ollama gpt-oss:120b-cloud: runs in a cloud" in dev.banner
        assert "+ OpenAI: gpt-4, gpt-3.5-turbo" in dev.banner
        assert "+ Anthropic: claude-3-sonnet" in dev.banner
        assert "sk-openai-secret" not in dev.banner
        headers = {"authorization": f"Bearer {dev.key}"}
        listed = httpx.get(f"{dev.url}/v1/models", headers=headers).json()["data"]
        names = {card["id"] for card in listed}
        assert {"mistral-local", "qwen3:0.6b-local", "gpt-4", "claude-3-sonnet"} <= names
        assert not any("cloud" in name for name in names)
        body = {"model": "mistral-local", "messages": [{"role": "user", "content": PROMPT}]}
        answer = httpx.post(f"{dev.url}/v1/chat/completions", json=body, headers=headers, timeout=30)
        assert answer.json()["choices"][0]["message"]["content"] == "".join(TEXT)
        master = Path(data / "master.key")
        assert master.stat().st_mode & 0o777 == 0o600


def run_invoke(data: Path, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "runtime", "invoke", *arguments],
        cwd=ROOT,
        env=clean_environment({"SWITCHGEAR_DATA": str(data), **env}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_invoke_answers_without_http_and_books_the_call(
    data: Path, postgres_dsn: str, upstream: HostileUpstream
) -> None:
    config = data / "config.yaml"
    config.write_text(json.dumps(config_for(upstream.url)))
    env = {"DATABASE_URL": postgres_dsn, "CONFIG_FILE_PATH": str(config)}
    body: dict[str, object] = {"model": "hostile/happy", "messages": [{"role": "user", "content": PROMPT}]}
    plain = run_invoke(data, "chat", json.dumps(body), **env)
    assert plain.returncode == 0, plain.stderr
    assert json.loads(plain.stdout)["choices"][0]["message"]["content"] == "".join(TEXT)
    streamed = run_invoke(data, "chat", json.dumps({**body, "stream": True}), **env)
    assert streamed.stdout.endswith("data: [DONE]\n\n")
    made = run_invoke(data, "keys", '{"key_alias": "by-hand"}', **env)
    assert json.loads(made.stdout)["key"].startswith("sk-")
    vectors = run_invoke(data, "embeddings", '{"model": "hostile/happy", "input": "x"}', **env)
    assert json.loads(vectors.stdout)["data"][0]["embedding"]
    spent = json.loads(run_invoke(data, "spend", **env).stdout)
    assert [row["outcome"] for row in spent] == ["ok", "ok", "ok"]
    failed = run_invoke(data, "chat", '{"model": "no-such-model", "messages": []}', **env)
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["error"]["code"] == "model_not_found"


def test_invoke_without_a_config_asks_the_real_model(data: Path, postgres_dsn: str, model: Address) -> None:
    body = {"model": "smollm2-local", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 8}
    done = run_invoke(data, "chat", json.dumps(body), DATABASE_URL=postgres_dsn)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_invoke_says_what_exists(data: Path) -> None:
    done = run_invoke(data, "nope")
    assert done.returncode == 2
    assert "no function 'nope'" in done.stderr
    assert "chat" in done.stderr
    assert "spend.logs" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "code", "says"),
    [
        (["models", "nonsense"], {}, 2, "no JSON object"),
        (["chat", "nonsense"], {}, 1, "not valid JSON"),
        (["chat", "{}"], {"DATABASE_URL": "postgresql://ada:secret@127.0.0.1:1/x"}, 3, "database"),
        (["chat", "{}"], {"DATABASE_URL": "mysql://x"}, 2, "DATABASE_URL"),
    ],
)
def test_invoke_says_what_is_wrong(
    data: Path, postgres_dsn: str, arguments: list[str], env: dict[str, str], code: int, says: str
) -> None:
    config = data / "config.yaml"
    config.write_text("model_list: [{model_name: a, litellm_params: {model: ollama/a}}]")
    whole = {"DATABASE_URL": postgres_dsn, "CONFIG_FILE_PATH": str(config), **env}
    done = run_invoke(data, *arguments, **whole)
    assert done.returncode == code
    assert says in done.stdout + done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
