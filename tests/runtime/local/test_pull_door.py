"""The door of the local models, on a real socket: what passes, what is refused, and one at a time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.local.pull_door import DoorError, PullDoor, parsed


class Behind:
    """The pulling Ollama and the audit log."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.noted: list[tuple[str, str]] = []
        self.at_once = self.most = 0
        self.answer = [b'{"status":"pulling manifest"}', b'{"status":"success"}']
        self.audit_is_away = False

    async def lines(self, method: str, path: str, body: bytes) -> AsyncIterator[bytes]:
        self.asked.append((method, path, body))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        for line in self.answer:
            await asyncio.sleep(0.01)
            yield line
        self.at_once -= 1

    async def note(self, verb: str, name: str, address: str) -> None:
        if self.audit_is_away:
            raise DoorError("no audit row")
        self.noted.append((verb, name))


def ask(behind: Behind, *requests: bytes) -> list[list[str]]:
    async def one(port: int, request: bytes) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer.decode().splitlines()

    async def run() -> list[list[str]]:
        server = await PullDoor(behind.lines, behind.note).start("127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.gather(*(one(port, request) for request in requests))

    return asyncio.run(run())


def test_a_pull_is_noted_asked_and_its_progress_is_sent_back() -> None:
    behind = Behind()
    assert ask(behind, b"pull llama3\n") == [["pulling manifest", "success", "done"]]
    assert behind.noted == [("pull", "llama3")]
    assert behind.asked == [("POST", "/api/pull", b'{"model":"llama3"}')]


def test_a_download_shows_each_tenth_part_once() -> None:
    behind = Behind()
    behind.answer = [b'{"status":"pulling x","total":100,"completed":%d}' % each for each in range(101)]
    (lines,) = ask(behind, b"pull llama3\n")
    assert lines == [*(f"pulling x {each}%" for each in range(0, 101, 10)), "done"]


def test_an_error_of_ollama_ends_the_answer_without_done() -> None:
    behind = Behind()
    behind.answer = [b'{"status":"pulling manifest"}', b'{"error":"no such\\nmodel"}', b"no json"]
    assert ask(behind, b"rm llama3\n") == [["pulling manifest", "error no such model"]]
    assert behind.asked == [("DELETE", "/api/delete", b'{"model":"llama3"}')]


@pytest.mark.parametrize(
    "request_line",
    [
        b"push llama3\n",
        b"pull\n",
        b"pull a b\n",
        b"pull ../../etc/passwd\n",
        b"pull evil.example/model\n",
        b"pull http://ollama-pull:11434\n",
        b"pull -x\n",
        b"pull llama3",
        b"\n",
        b"GET / HTTP/1.1\r\n",
        b"pull " + b"a" * 600 + b"\n",
        b"pull " + b"a" * 2000,
    ],
)
def test_everything_else_is_refused_and_not_asked(request_line: bytes) -> None:
    behind = Behind()
    (lines,) = ask(behind, request_line)
    assert [line.split()[0] for line in lines] == ["error"]
    assert (behind.asked, behind.noted) == ([], [])


def test_without_an_audit_row_nothing_is_done() -> None:
    behind = Behind()
    behind.audit_is_away = True
    assert ask(behind, b"pull llama3\n") == [["error no audit row"]]
    assert behind.asked == []


def test_one_is_worked_on_at_a_time_and_few_may_wait() -> None:
    behind = Behind()
    answers = ask(behind, *[b"pull llama3\n"] * 8)
    assert behind.most == 1
    assert sum(lines[-1] == "done" for lines in answers) == 4
    assert sum("busy" in lines[-1] for lines in answers) == 4


@pytest.mark.parametrize("name", ["llama3", "llama3:8b-instruct_q4", "someone/model:tag", "phi3.5"])
def test_names_of_the_library_pass(name: str) -> None:
    assert parsed(f"pull {name}\n".encode()) == ("pull", name)
