"""The door of the local models, on a real socket: what passes, what is refused, and one at a time."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from models_registry.config.local_hosts import GIB, HostKind, LocalHost
from runtime.hosts.pull_door import DoorError, PullDoor, parsed
from runtime.hosts.pull_way import PullTurns

HOST = LocalHost(
    name="ollama-pull:11434",
    kind=HostKind.OLLAMA,
    api_base="http://ollama:11434",
    pull_base="http://ollama-pull:11434",
    memory_bytes=2 * GIB,
)
SUCCESS = b'{"status":"success"}'


class Behind:
    """The pulling Ollama and the audit log."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.noted: list[tuple[str, str]] = []
        self.at_once = self.most = 0
        self.answer = [b'{"status":"pulling manifest"}', b'{"status":"success"}']
        self.audit_is_away = False

    async def lines(self, method: str, path: str, body: bytes) -> AsyncGenerator[bytes, None]:
        self.asked.append((method, path, body))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            for line in self.answer:
                await asyncio.sleep(0.01)
                yield line
        finally:
            self.at_once -= 1

    async def note(self, action: str, name: str, address: str) -> None:
        if self.audit_is_away:
            raise DoorError("no audit row")
        self.noted.append((action, name))


def ask(folder: Path, behind: Behind, *requests: bytes) -> list[list[str]]:
    async def one(port: int, request: bytes) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer.decode().splitlines()

    async def run() -> list[list[str]]:
        server = await PullDoor(HOST, PullTurns(folder), behind.lines, behind.note).start("127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.gather(*(one(port, request) for request in requests))

    return asyncio.run(run())


def test_a_pull_is_noted_asked_and_its_progress_is_sent_back(tmp_path: Path) -> None:
    behind = Behind()
    assert ask(tmp_path, behind, b"pull llama3\n") == [["pulling manifest", "success", "done"]]
    assert behind.noted == [("pulled", "llama3")]
    assert behind.asked == [("POST", "/api/pull", b'{"model":"llama3"}')]


def test_a_download_shows_each_tenth_part_once(tmp_path: Path) -> None:
    behind = Behind()
    step = b'{"status":"pulling x","digest":"sha256:x","total":100,"completed":%d}'
    behind.answer = [*(step % each for each in range(101)), SUCCESS]
    (lines,) = ask(tmp_path, behind, b"pull llama3\n")
    assert lines == [*(f"pulling x {each}%" for each in range(0, 101, 10)), "success", "done"]


def test_a_model_that_does_not_fit_the_memory_is_pulled_with_a_warning(tmp_path: Path) -> None:
    behind = Behind()
    step = b'{"status":"pulling x","digest":"sha256:x","total":5368709120,"completed":5368709120}'
    behind.answer = [step, step, SUCCESS]
    (lines,) = ask(tmp_path, behind, b"pull llama3\n")
    assert lines[0].startswith("warning: The model llama3 needs about 5.")
    assert "2.0 GiB" in lines[0]
    assert lines[1:] == ["pulling x 100%", "success", "done"]


@pytest.mark.parametrize("answer", [[b'{"status":"pulling manifest"}'], [b"no json"], []])
def test_a_pull_that_ends_without_success_is_not_done(tmp_path: Path, answer: list[bytes]) -> None:
    behind = Behind()
    behind.answer = answer
    (lines,) = ask(tmp_path, behind, b"pull llama3\n")
    assert lines[-1].startswith("error ")
    assert "done" not in lines


def test_the_command_waits_while_an_admin_pulls(tmp_path: Path) -> None:
    """The turn is one for all processes of the data directory."""
    behind = Behind()

    async def run() -> list[str]:
        end_turn = PullTurns(tmp_path).take(HOST)
        assert end_turn is not None
        server = await PullDoor(HOST, PullTurns(tmp_path), behind.lines, behind.note).start("127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"pull llama3\n")
            first = await reader.readline()
            assert (behind.asked, behind.noted) == ([], [])
            end_turn()
            rest = await reader.read()
            writer.close()
        return (first + rest).decode().splitlines()

    assert asyncio.run(run()) == ["waiting for another pull", "pulling manifest", "success", "done"]


def test_an_error_of_ollama_ends_the_answer_without_done(tmp_path: Path) -> None:
    behind = Behind()
    behind.answer = [b'{"status":"deleting"}', b'{"error":"no such\\nmodel"}', b"no json"]
    assert ask(tmp_path, behind, b"rm llama3\n") == [["error no such model"]]
    assert behind.noted == [("deleted", "llama3")]
    assert behind.asked == [("DELETE", "/api/delete", b'{"model":"llama3"}')]


@pytest.mark.parametrize(
    "request_line",
    [
        b"push llama3\n",
        b"pull\n",
        b"pull a b\n",
        b"pull ../../etc/passwd\n",
        b"pull evil.example/model\n",
        b"pull git/someone/model\n",
        b"pull localhost/someone/model:latest\n",
        b"pull 2130706433/someone/model\n",
        b"pull http://ollama-pull:11434\n",
        b"pull -x\n",
        b"pull llama3",
        b"\n",
        b"GET / HTTP/1.1\r\n",
        b"pull " + b"a" * 600 + b"\n",
        b"pull " + b"a" * 2000,
    ],
)
def test_everything_else_is_refused_and_not_asked(tmp_path: Path, request_line: bytes) -> None:
    behind = Behind()
    (lines,) = ask(tmp_path, behind, request_line)
    assert [line.split()[0] for line in lines] == ["error"]
    assert (behind.asked, behind.noted) == ([], [])


def test_without_an_audit_row_nothing_is_done(tmp_path: Path) -> None:
    behind = Behind()
    behind.audit_is_away = True
    assert ask(tmp_path, behind, b"pull llama3\n") == [["error no audit row"]]
    assert behind.asked == []


def test_one_is_worked_on_at_a_time_and_few_may_wait(tmp_path: Path) -> None:
    behind = Behind()
    answers = ask(tmp_path, behind, *[b"pull llama3\n"] * 8)
    assert behind.most == 1
    assert sum(lines[-1] == "done" for lines in answers) == 4
    assert sum("busy" in lines[-1] for lines in answers) == 4


@pytest.mark.parametrize("name", ["llama3", "llama3:8b-instruct_q4", "someone/model:tag", "phi3.5"])
def test_names_of_the_library_pass(name: str) -> None:
    assert parsed(f"pull {name}\n".encode()) == ("pull", name)
