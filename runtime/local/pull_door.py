"""The door by which the serving Ollama, which has no way out, asks for models: `pull NAME` and `rm NAME`.

The door listens on the network of the models alone and knows nothing else. It asks the pulling Ollama, which
has a way out and shares the folder of the models. One line is a request: `pull llama3`. What comes back are
lines of progress, and at the end `done`, or `error` with the reason.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

import msgspec

MAX_REQUEST_BYTES = 512
REQUEST_S = 10.0
IDLE_S = 300.0
"""How long a pull may say nothing."""
MAX_WAITING = 4
"""How many requests may be at the door. One is worked on at a time."""
MAX_OPEN = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}(:[A-Za-z0-9._-]{1,64})?")
"""The names of the library: `llama3`, `llama3:8b`, `someone/model`. A registry's host has a dot before the
first slash, and is refused."""
VERBS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"pull": ("POST", "/api/pull"), "rm": ("DELETE", "/api/delete")}
)

AskLines = Callable[[str, str, bytes], AsyncIterator[bytes]]
"""Asks the pulling Ollama: method, path, body. Raises DoorError where it can't be reached."""
WriteNote = Callable[[str, str, str], Awaitable[None]]
"""Writes the audit row: the action, the model, the address that asked. Raises DoorError."""


class DoorError(Exception):
    """The door refuses, or what is behind it does. The message is for who asked."""


class PullStep(msgspec.Struct, frozen=True):
    """A line of Ollama's progress."""

    status: str = ""
    error: str = ""
    total: int = 0
    completed: int = 0


class PullDoor:
    """Serves the door. `start` gives the server; whoever started it closes it."""

    def __init__(self, lines: AskLines, note: WriteNote) -> None:
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
        except (DoorError, ValueError) as exc:  # ValueError: a line without an end
            said = str(exc) if isinstance(exc, DoorError) else "expected: pull NAME, or rm NAME"
            writer.write(f"error {said}\n".encode())

    async def _do(self, verb: str, name: str, writer: asyncio.StreamWriter) -> None:
        if self._turn.locked():
            writer.write(b"waiting for another pull\n")
            await writer.drain()
        async with self._turn:
            await self._note(verb, name, str(writer.get_extra_info("peername")[0]))
            async for shown in self._progress(verb, name):
                writer.write(shown.encode() + b"\n")
                await writer.drain()

    async def _progress(self, verb: str, name: str) -> AsyncIterator[str]:
        """What is shown of the work: each step once, and of a download each tenth part."""
        method, path = VERBS[verb]
        shown = ""
        async for line in self._lines(method, path, msgspec.json.encode({"model": name})):
            try:
                step = msgspec.json.decode(line, type=PullStep)
            except msgspec.MsgspecError:
                continue
            if step.error:
                raise DoorError(_one_line(step.error))
            tenth = f" {step.completed * 10 // step.total * 10}%" if step.total else ""
            text = _one_line(f"{step.status}{tenth}")
            if text and text != shown and text != "done":
                shown = text
                yield text


def parsed(line: bytes) -> tuple[str, str]:
    """The verb and the name of a request. Raises DoorError."""
    words = line.decode("latin-1").split()
    if len(words) != 2 or words[0] not in VERBS or not line.endswith(b"\n"):
        raise DoorError("expected: pull NAME, or rm NAME")
    verb, name = words
    first, slash, _ = name.partition("/")
    if not NAME.fullmatch(name) or ".." in name or "//" in name or (slash and "." in first):
        raise DoorError("that is no name of a model of the library, such as llama3 or phi3:mini")
    return verb, name


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
