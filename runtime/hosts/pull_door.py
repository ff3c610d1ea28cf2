"""The door by which the serving Ollama, which has no way out, asks for models: `pull NAME` and `rm NAME`.

The door listens on the network of the models alone and knows nothing else. It asks the pulling Ollama, which
has a way out and shares the folder of the models, by the way that admins' pulls go too
(`runtime/hosts/pull_way.py`). One line is a request: `pull llama3`. What comes back are lines of progress,
and at the end `done`, or `error` with the reason.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress

import msgspec

from models_registry.config.local_hosts import LocalHost, is_of_library
from runtime.hosts.pull_way import NOT_OF_LIBRARY, PullTurns
from runtime.hosts.pulling import OllamaPull, check_room
from schema.errors.base import GatewayError
from schema.errors.models import ModelTooLarge
from schema.local_hosts import PullProgress

MAX_REQUEST_BYTES = 512
REQUEST_S = 10.0
IDLE_S = 300.0
"""How long a pull may say nothing."""
TURN_S = 0.2
"""The pause before the turn is tried for again."""
MAX_WAITING = 4
"""How many requests may be at the door. One is worked on at a time."""
MAX_OPEN = 32
VERBS = ("pull", "rm")

AskLines = Callable[[str, str, bytes], AsyncGenerator[bytes, None]]
"""Asks the pulling Ollama: method, path, body. Raises DoorError where it can't be reached."""
WriteNote = Callable[[str, str, str], Awaitable[None]]
"""Writes the audit row: the action, the model, the address that asked. Raises DoorError."""


class DoorError(Exception):
    """The door refuses, or what is behind it does. The message is for who asked."""


class _DeletionTold(msgspec.Struct, frozen=True):
    """What Ollama says of a deletion."""

    error: str = ""


class _LinesAnswer:
    """Lines as the answer that `OllamaPull` reads. Whoever made the lines closes them."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines

    async def chunks(self) -> AsyncIterator[bytes]:
        async for line in self._lines:
            yield line + b"\n"

    def close(self) -> None:
        """Nothing is to be done."""


class PullDoor:
    """Serves the door of one host. `start` gives the server; whoever started it closes it."""

    def __init__(self, host: LocalHost, turns: PullTurns, lines: AskLines, note: WriteNote) -> None:
        self._host = host
        self._turns = turns
        self._lines = lines
        self._note = note
        self._turn = asyncio.Lock()
        self._waiting = self._open = 0

    async def start(self, host: str, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._serve, host, port, limit=MAX_REQUEST_BYTES)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_OPEN:
                await self._answer(reader, writer)
        except (ConnectionError, TimeoutError):
            pass  # who asked is gone, or says nothing
        finally:
            self._open -= 1
            with suppress(ConnectionError):
                await writer.drain()
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                line = await reader.readline()
            verb, name = parsed(line)
            if self._waiting >= MAX_WAITING:
                raise DoorError("the door is busy: try again later")
            self._waiting += 1
            try:
                await self._do(verb, name, writer)
            finally:
                self._waiting -= 1
            writer.write(b"done\n")
        except GatewayError as exc:
            writer.write(f"error {_one_line(exc.message)}\n".encode())
        except (DoorError, ValueError) as exc:  # ValueError: a line without an end
            said = str(exc) if isinstance(exc, DoorError) else "expected: pull NAME, or rm NAME"
            writer.write(f"error {said}\n".encode())

    async def _do(self, verb: str, name: str, writer: asyncio.StreamWriter) -> None:
        if self._turn.locked():
            await _say(writer, "waiting for another pull")
        async with self._turn:
            end_turn = await self._turn_of_host(writer)
            try:
                action = "pulled" if verb == "pull" else "deleted"
                await self._note(action, name, str(writer.get_extra_info("peername")[0]))
                await (self._pull(name, writer) if verb == "pull" else self._delete(name))
            finally:
                end_turn()

    async def _turn_of_host(self, writer: asyncio.StreamWriter) -> Callable[[], None]:
        """Wait until no admin pulls either."""
        has_said = False
        while (end_turn := self._turns.take(self._host)) is None:
            if not has_said:
                await _say(writer, "waiting for another pull")
                has_said = True
            await asyncio.sleep(TURN_S)
        return end_turn

    async def _pull(self, name: str, writer: asyncio.StreamWriter) -> None:
        """Each step is shown once, and of a download each tenth part. A model that is too large for the
        memory is pulled all the same, with a warning: the command has no word to insist by."""
        shown, sizes, warned = "", dict[str, int](), False
        async with aclosing(self._lines("POST", "/api/pull", _body(name))) as lines:
            pulling = OllamaPull(self._host, name, _LinesAnswer(lines), force=True, ended=_nobody_counts)
            await pulling.begin()
            async for step in pulling.progress():
                if step.digest and step.total:
                    sizes[step.digest] = step.total
                if not warned and (warning := self._too_large(name, sum(sizes.values()))):
                    warned = True
                    await _say(writer, warning)
                text = _shown(step)
                if text and text != shown:
                    shown = text
                    await _say(writer, text)

    def _too_large(self, name: str, size: int) -> str:
        try:
            check_room(self._host, name, size, force=False)
        except ModelTooLarge as exc:
            return f"warning: {exc.message.partition(' Send `force')[0]}"
        return ""

    async def _delete(self, name: str) -> None:
        async with aclosing(self._lines("DELETE", "/api/delete", _body(name))) as lines:
            async for line in lines:
                with suppress(msgspec.MsgspecError):
                    if told := msgspec.json.decode(line, type=_DeletionTold).error:
                        raise DoorError(_one_line(told))


def parsed(line: bytes) -> tuple[str, str]:
    """The verb and the name of a request. Raises DoorError."""
    words = line.decode("latin-1").split()
    if len(words) != 2 or words[0] not in VERBS or not line.endswith(b"\n"):
        raise DoorError("expected: pull NAME, or rm NAME")
    verb, name = words
    if not is_of_library(name):
        raise DoorError(NOT_OF_LIBRARY)
    return verb, name


def _nobody_counts(*_: str) -> None:
    """The end of a pull: its turn ends in `_do`."""


def _body(name: str) -> bytes:
    return msgspec.json.encode({"model": name})


def _shown(step: PullProgress) -> str:
    tenth = f" {step.completed * 10 // step.total * 10}%" if step.total else ""
    return _one_line(f"{step.status}{tenth}")


async def _say(writer: asyncio.StreamWriter, text: str) -> None:
    """A line of progress. A step of Ollama's that is called `done` or `error` is not the door's own word."""
    if text.split(" ", 1)[0] not in ("done", "error"):
        writer.write(text.encode() + b"\n")
        await writer.drain()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
