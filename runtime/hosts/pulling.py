"""A pull under way, and how big it is."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import msgspec

from models_registry.backends.ndjson import LineCutter
from models_registry.backends.ollama.memory import needed_bytes
from models_registry.config.local_hosts import LocalHost
from runtime.hosts.asking import words
from runtime.telemetry.local_counts import DONE, FAILED, STOPPED
from schema.errors.base import GatewayError
from schema.errors.models import ModelTooLarge
from schema.errors.rows import NotFound
from schema.errors.upstream import LocalHostFailed
from schema.local_hosts import PullProgress

SUCCESS = "success"
MAX_LINE_BYTES = 64 * 1024
MAX_LAYERS = 1_000
MAX_AHEAD = 1_000
"""So many lines may come before the size of the first layer."""
GIB = 1024**3


class _PullLine(msgspec.Struct, frozen=True):
    status: str = ""
    digest: str = ""
    total: int = 0
    completed: int = 0
    error: str = ""


_LINES = msgspec.json.Decoder(_PullLine)


class PullAnswer(Protocol):
    """The answer of a host that pulls."""

    def chunks(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None: ...


class OllamaPull:
    """Implements `functions.ports.local_hosts.Pulling`."""

    def __init__(
        self,
        host: LocalHost,
        model: str,
        response: PullAnswer,
        *,
        force: bool,
        ended: Callable[[str], None],
    ) -> None:
        """`ended` is told once how the pull ended: DONE, FAILED or STOPPED."""
        self._host = host
        self._model = model
        self._response = response
        self._force = force
        self._chunks = response.chunks()
        self._cutter = LineCutter(MAX_LINE_BYTES)
        self._waiting: deque[_PullLine] = deque()
        self._seen: deque[PullProgress] = deque()
        self._layers: dict[str, int] = {}
        self._is_done = self._has_failed = False
        self._ended: Callable[[str], None] | None = ended

    async def begin(self) -> None:
        """Read until the size of the first layer is known, which is the model's weights. Raises
        ModelTooLarge, NotFound and LocalHostFailed; the pull is broken off then."""
        try:
            while not self._layers and not self._is_done:
                self._seen.append(await self._next())
                if len(self._seen) > MAX_AHEAD:
                    self._has_failed = True
                    raise LocalHostFailed(
                        f"The pull from {self._host.name} tells of {MAX_AHEAD} steps, and of no size."
                    )
        except BaseException:
            self.close()
            raise

    async def progress(self) -> AsyncIterator[PullProgress]:
        """See Pulling."""
        while self._seen:
            yield self._seen.popleft()
        while not self._is_done:
            yield await self._next()

    def close(self) -> None:
        """See Pulling."""
        self._response.close()
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(DONE if self._is_done else FAILED if self._has_failed else STOPPED)

    async def _next(self) -> PullProgress:
        try:
            return await self._read_on()
        except GatewayError:
            self._has_failed = True
            raise

    async def _read_on(self) -> PullProgress:
        while not self._waiting:
            try:
                data = await anext(self._chunks, None)
                lines = self._cutter.close() if data is None else self._cutter.feed(data)
            except GatewayError as error:
                raise LocalHostFailed(
                    f"The pull from {self._host.name} broke off: {error.message}"
                ) from error
            self._waiting.extend(map(self._read, lines))
            if data is None and not self._waiting:
                raise LocalHostFailed(f"The pull from {self._host.name} ended before it was complete.")
        line = self._waiting.popleft()
        if line.error:
            said = words(line.error)
            if "not exist" in said or "not found" in said:
                raise NotFound(f"The local host {self._host.name}: {said}", param="model")
            raise LocalHostFailed(f"The local host {self._host.name}: {said}")
        if line.digest and line.total > 0 and len(self._layers) < MAX_LAYERS:
            self._layers[line.digest[:100]] = line.total
            check_room(self._host, self._model, sum(self._layers.values()), force=self._force)
        self._is_done = line.status == SUCCESS
        return PullProgress(
            status=words(line.status),
            digest=line.digest[:100],
            total=max(0, line.total),
            completed=max(0, line.completed),
        )

    def _read(self, line: bytes) -> _PullLine:
        try:
            return _LINES.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise LocalHostFailed(
                f"The local host {self._host.name} tells of the pull in another form."
            ) from exc


def check_room(host: LocalHost, model: str, size: int, *, force: bool, needs: int | None = None) -> None:
    """Raise ModelTooLarge where a model of so many bytes does not fit the host's memory, as far as it is
    known. `needs`: what it needs, where that is known better."""
    if host.memory_bytes is None or force:
        return
    wanted = needed_bytes(size, {}, 0) if needs is None else needs
    if wanted > host.memory_bytes:
        raise ModelTooLarge(
            f"The model {model} needs about {wanted / GIB:.1f} GiB, and the local host {host.name} has "
            f"{host.memory_bytes / GIB:.1f} GiB (memory_gb). Send `force: true` to have it anyway.",
            param="model",
        )
