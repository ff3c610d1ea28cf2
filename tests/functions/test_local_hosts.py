"""Local hosts over real sockets: two scripted Ollamas on the same files, one serves and one pulls."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from functions import local_hosts
from functions.chat import chat
from functions.local_hosts import public_name_of
from runtime.blueprint import check
from runtime.hosts.manager import MAX_PULLS, HostManager
from runtime.hosts.pull_way import PullTurns
from runtime.upstream.client import HttpUpstream
from runtime.upstream.router import Router
from schema.chat import ChatRequest, Message
from schema.errors.base import GatewayError
from schema.errors.models import ModelTooLarge
from schema.errors.overload import Overloaded
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.errors.upstream import LocalHostFailed
from tests.fakes.hostile_upstream import closed_port
from tests.fakes.ledger import FakeLedger
from tests.fakes.scripted_ollama import GIB, ScriptedOllama, scripted_ollama
from tests.functions.contexts import MEMBER, model_ctx
from tests.functions.governed import House, in_house
from tests.functions.registered import registered

PROMPTS = ("/api/chat", "/api/generate", "/api/embed")
SIZE = 4 * GIB


class Yard:
    """The two hosts, the gateway's manager of them, and what was pulled."""

    def __init__(
        self, serving: ScriptedOllama, pulling: ScriptedOllama, memory_gb: float | None, folder: Path
    ) -> None:
        self.serving, self.pulling = serving, pulling
        self.folder = folder
        self.ended: list[tuple[str, str]] = []
        host: dict[str, Any] = {"api_base": serving.url, "pull_base": pulling.url, "name": "here"}
        if memory_gb is not None:
            host["memory_gb"] = memory_gb
        self.document: dict[str, Any] = {
            "model_list": [
                {
                    "model_name": "mistral-local",
                    "litellm_params": {"model": "ollama/mistral", "api_base": serving.url},
                }
            ],
            "general_settings": {"store_model_in_db": True, "local_hosts": [host]},
            "router_settings": {"num_retries": 0},
        }

    def run(self, dsn: str, scenario: Callable[[House], Awaitable[None]]) -> None:
        async def inside(house: House) -> None:
            upstream = HttpUpstream()
            await upstream.start()
            self.upstream = upstream
            self.made = registered(house, self.document)
            checked = check(self.document, {})
            assert checked.errors == ()
            self.manager = HostManager(
                checked.hosts,
                checked.registry.everything(),
                upstream,
                house.database,
                PullTurns(self.folder),
                pulled=lambda host, how: self.ended.append((host, how)),
            )
            house.give(local_hosts=self.manager)
            try:
                await scenario(house)
            finally:
                await upstream.close()

        in_house(dsn, inside)

    async def say(self, model: str) -> bytes:
        """A call of a model, by what is in force now."""
        checked = self.made.live.in_force.checked
        ctx = model_ctx(self.upstream, caller=MEMBER, ledger=FakeLedger())  # type: ignore[arg-type]  # the real one
        ctx = msgspec.structs.replace(ctx, routes=Router(checked.registry, checked.routing))
        request = ChatRequest(model=model, messages=[Message(role="user", content="secret prompt")])
        request.with_raw(request.fields())
        answer = await chat(request, ctx)
        return answer.wire or msgspec.json.encode(answer)  # type: ignore[union-attr]  # no stream was asked for


@contextmanager
def yard(memory_gb: float | None = None, **library: int) -> Iterator[Yard]:
    files = {"mistral:latest": SIZE}
    with scripted_ollama(files) as serving, scripted_ollama(files) as pulling:
        pulling.library = {f"{name}:latest": size for name, size in library.items()}
        with TemporaryDirectory() as folder:
            yield Yard(serving, pulling, memory_gb, Path(folder))


async def events_of(stream: Any) -> list[dict[str, Any]]:
    try:
        text = b"".join([piece async for piece in stream.events()])
    finally:
        stream.close()
    return [json.loads(line[6:]) for line in text.split(b"\n\n") if line]


def test_a_model_that_is_pulled_can_be_called_at_once_and_prompts_and_pulls_never_meet(
    postgres_dsn: str,
) -> None:
    with yard(llama3=SIZE) as place:

        async def scenario(house: House) -> None:
            stream = await house.call(local_hosts.pull, {"model": "llama3"})
            told = await events_of(stream)
            assert told[0] == {"status": "pulling manifest"}
            assert {"total": SIZE, "completed": SIZE // 2}.items() <= told[2].items()
            assert told[-1] == {"status": "success", "public_name": "llama3-local"}
            assert b"Hello from llama3:latest" in await place.say("llama3-local")
            assert b"Hello from mistral:latest" in await place.say("mistral-local")
            await house.call(local_hosts.load, {"model": "llama3", "host": "here"})
            await house.call(local_hosts.unload, {"model": "llama3"})
            await house.call(local_hosts.delete, {"model": "llama3"})
            with pytest.raises(GatewayError, match="not pulled"):
                await place.say("llama3-local")

        place.run(postgres_dsn, scenario)
        assert place.pulling.paths() == ["/api/pull", "/api/delete"]
        assert "secret prompt" not in json.dumps(place.pulling.asked)
        assert not {"/api/pull", "/api/delete"} & set(place.serving.paths())
        assert place.serving.said("/api/chat")


def test_a_second_pull_makes_no_second_model(postgres_dsn: str) -> None:
    with yard(llama3=SIZE, mistral=SIZE) as place:

        async def scenario(house: House) -> None:
            for _ in range(2):
                done: Any = await house.call(local_hosts.pull, {"model": "llama3", "stream": False})
                assert (done.public_name, done.note) == ("llama3-local", "")
            done = await house.call(local_hosts.pull, {"model": "mistral", "stream": False})
            assert done.public_name == "mistral-local", "the config file has it"
            done = await house.call(
                local_hosts.pull, {"model": "llama3", "stream": False, "public_name": "mistral-local"}
            )
            assert done.public_name is None
            assert "another model's" in done.note
            done = await house.call(
                local_hosts.pull, {"model": "llama3", "stream": False, "public_name": None}
            )
            assert (done.public_name, done.note) == (None, "")
            names = [each.model_name for each in (await place.made.editor.read()).models]
            assert names == ["llama3-local"]

        place.run(postgres_dsn, scenario)


def test_what_does_not_fit_the_hosts_memory_is_refused_with_both_numbers(postgres_dsn: str) -> None:
    with yard(memory_gb=5, llama3=SIZE, giant=40 * GIB) as place:
        place.pulling.layer_pause_s = 0.05

        async def scenario(house: House) -> None:
            with pytest.raises(ModelTooLarge, match=r"giant needs about 42\.3 GiB.* has 5\.0 GiB"):
                await house.call(local_hosts.pull, {"model": "giant"})
            assert "giant:latest" not in place.serving.files
            await house.call(local_hosts.pull, {"model": "llama3", "stream": False})
            with pytest.raises(ModelTooLarge, match=r"llama3 needs about 8\.\d GiB"):
                await house.call(local_hosts.load, {"model": "llama3", "num_ctx": 32768})
            assert place.serving.loaded == {}
            await house.call(local_hosts.load, {"model": "llama3", "num_ctx": 4096})
            assert place.serving.loaded == {"llama3:latest": 4096}
            await house.call(local_hosts.load, {"model": "llama3", "num_ctx": 32768, "force": True})
            await house.call(local_hosts.pull, {"model": "giant", "stream": False, "force": True})
            assert "giant:latest" in place.serving.files
            shown = await house.call(local_hosts.show, {"model": "llama3"})
            assert (shown.context, shown.remote) == (32768, False)
            assert 8 * GIB < (shown.needs_bytes or 0) < 9 * GIB
            assert "tokenizer.ggml.tokens" not in shown.model_info

        place.run(postgres_dsn, scenario)


def test_unknown_memory_refuses_nothing_and_ollamas_own_words_are_told(postgres_dsn: str) -> None:
    with yard(giant=400 * GIB) as place:

        async def scenario(house: House) -> None:
            await house.call(local_hosts.pull, {"model": "giant", "stream": False})
            with pytest.raises(NotFound, match="file does not exist"):
                await house.call(local_hosts.pull, {"model": "nothing"})
            with pytest.raises(NotFound, match="'nothing:latest' not found"):
                await house.call(local_hosts.load, {"model": "nothing"})
            place.pulling.broken_pull = True
            for _ in range(2 * MAX_PULLS):
                begun: Any = await house.call(local_hosts.pull, {"model": "giant"})
                begun.close()
            begun = await house.call(local_hosts.pull, {"model": "giant"})
            for function in (local_hosts.pull, local_hosts.delete):
                with pytest.raises(Overloaded, match="just now"):
                    await house.call(function, {"model": "giant"})
            begun.close()
            stream = await house.call(local_hosts.pull, {"model": "giant"})
            with pytest.raises(LocalHostFailed, match="ended before it was complete"):
                await events_of(stream)

        place.run(postgres_dsn, scenario)


def test_pulls_are_counted_by_how_they_end(postgres_dsn: str) -> None:
    with yard(llama3=SIZE, giant=4 * GIB) as place:

        async def scenario(house: House) -> None:
            await house.call(local_hosts.pull, {"model": "llama3", "stream": False})
            with pytest.raises(NotFound):
                await house.call(local_hosts.pull, {"model": "nothing"})
            place.pulling.broken_pull = True
            begun: Any = await house.call(local_hosts.pull, {"model": "giant"})
            begun.close()
            with pytest.raises(LocalHostFailed):
                await house.call(local_hosts.pull, {"model": "giant", "stream": False})

        place.run(postgres_dsn, scenario)
        assert place.ended == [("here", "done"), ("here", "failed"), ("here", "stopped"), ("here", "failed")]


def test_a_host_that_tells_of_steps_without_end_is_broken_off(postgres_dsn: str) -> None:
    with yard(endless=SIZE) as place:
        place.pulling.endless = True

        async def scenario(house: House) -> None:
            with pytest.raises(LocalHostFailed, match="tells of 1000 steps"):
                await house.call(local_hosts.pull, {"model": "endless", "stream": False})

        place.run(postgres_dsn, scenario)
        assert place.ended == [("here", "failed")]


def test_a_load_keeps_the_context_that_the_model_has(postgres_dsn: str) -> None:
    with yard() as place:

        async def scenario(house: House) -> None:
            place.serving.loaded = {"mistral:latest": 16384}
            await house.call(local_hosts.load, {"model": "mistral", "keep_alive": "30m"})
            (asked,) = place.serving.said("/api/generate")
            assert (asked["options"], asked["keep_alive"]) == ({"num_ctx": 16384}, "30m")
            assert "prompt" not in asked

        place.run(postgres_dsn, scenario)


def test_the_list_says_how_hosts_stand(postgres_dsn: str) -> None:
    with yard(memory_gb=8) as place:
        place.serving.loaded = {"mistral:latest": 8192}
        place.serving.version = "0.1.30"
        place.serving.remote = {"mistral:latest"}
        place.document["general_settings"]["local_hosts"].append(
            {"api_base": f"http://127.0.0.1:{closed_port()}", "name": "gone"}
        )

        async def scenario(house: House) -> None:
            here, gone = (await house.call(local_hosts.list_hosts)).hosts
            assert (here.name, here.up, here.version, here.memory_bytes) == ("here", True, "0.1.30", 8 * GIB)
            assert "CVE-2024-37032" in here.warnings[0]
            (model,) = here.models
            assert (model.loaded, model.context, model.vram_bytes, model.remote) == (True, 8192, 5, True)
            assert model.left_s is not None
            assert 290 < model.left_s <= 300
            assert here.public_names == ["mistral-local"]
            assert (gone.up, gone.models) == (False, [])
            assert "does not answer" in gone.error

        place.run(postgres_dsn, scenario)


def test_a_name_that_is_none_reaches_no_host(postgres_dsn: str) -> None:
    with yard() as place:

        async def scenario(house: House) -> None:
            for model in ("", "../etc", "a b", "-x", "a" * 300, "http://x/y\n"):
                for function in (local_hosts.pull, local_hosts.load, local_hosts.show, local_hosts.delete):
                    with pytest.raises(InvalidRequest):
                        await house.call(function, {"model": model})
            with pytest.raises(NotFound):
                await house.call(local_hosts.show, {"model": "mistral", "host": "http://evil.example"})
            with pytest.raises(InvalidRequest):
                await house.call(local_hosts.load, {"model": "mistral", "keep_alive": "soon"})

        place.run(postgres_dsn, scenario)
        assert place.serving.asked + place.pulling.asked == []


def test_an_admin_asks_the_pulling_ollama_for_names_of_the_library_alone(postgres_dsn: str) -> None:
    """The door inside the serving container takes the same names."""
    with yard() as place:

        async def scenario(house: House) -> None:
            for model in ("evil.example/model", "hf.co/ns/model:Q4", "localhost:5000/model", "a//b"):
                for function in (local_hosts.pull, local_hosts.delete):
                    with pytest.raises(InvalidRequest, match="library"):
                        await house.call(function, {"model": model})

        place.run(postgres_dsn, scenario)
        assert place.pulling.asked == []


def test_what_is_asked_of_a_host_is_in_the_audit_log(postgres_dsn: str) -> None:
    with yard(llama3=SIZE) as place:

        async def scenario(house: House) -> None:
            await house.call(local_hosts.pull, {"model": "llama3", "stream": False, "public_name": None})
            await house.call(local_hosts.delete, {"model": "llama3"})
            async with house.database.connection() as connection:
                rows = await connection.fetch(
                    'SELECT action, object_id FROM "LiteLLM_AuditLog" WHERE table_name = $1 '
                    "ORDER BY updated_at",
                    "local_hosts",
                )
            assert [tuple(row) for row in rows] == [("pulled", "here llama3"), ("deleted", "here llama3")]

        place.run(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("llama3", "llama3-local"),
        ("llama3:latest", "llama3-local"),
        ("qwen3:8b", "qwen3-8b-local"),
        ("hf.co/ns/model:Q4_K_M", "model-Q4_K_M-local"),
    ],
)
def test_a_pulled_model_has_a_name(model: str, name: str) -> None:
    assert public_name_of(model) == name
