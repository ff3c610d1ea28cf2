"""Questions to local hosts that are no calls of models: JSON in, JSON out, within limits."""

from typing import Any

import msgspec

from functions.ports.models import Upstream, UpstreamResponse
from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.credentials import without_credentials
from models_registry.config.hosts import is_near
from models_registry.config.local_hosts import LocalHost
from models_registry.target import Deadlines
from schema.errors.base import GatewayError, shortened
from schema.errors.rows import NotFound
from schema.errors.upstream import LocalHostFailed

QUICK = Deadlines(connect_s=2.0, first_byte_s=3.0, idle_s=3.0, total_s=5.0)
MAX_BYTES = 8 * 1024 * 1024
MAX_SAID_CHARS = 500


class _Said(msgspec.Struct, frozen=True):
    error: Any = None  # a text, or OpenAI's mapping


_SAID = msgspec.json.Decoder(_Said)


class HostAsking:
    """Asks hosts by the client that calls providers. An address that looks near is called only while it leads
    to one."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def open(
        self,
        host: LocalHost,
        path: str,
        *,
        body: object = None,
        method: str = "GET",
        deadlines: Deadlines = QUICK,
        pulls: bool = False,
    ) -> UpstreamResponse:
        """A good answer, not yet read. `pulls`: at the host's `pull_base`. Raises NotFound and
        LocalHostFailed."""
        base = host.pull_base if pulls else host.api_base
        headers = {} if host.api_key is None else {"authorization": f"Bearer {host.api_key.reveal()}"}
        content = b"" if body is None else msgspec.json.encode(body)
        if body is not None:
            headers["content-type"] = "application/json"
        request = UpstreamRequest(
            url=f"{base}{path}", headers=headers, body=content, method=method, tls=host.tls
        )
        try:
            response = await self._upstream.open(request, deadlines, near=is_near(base))
            if response.status < 300:
                return response
            told = await read_bounded(response, host)
        except LocalHostFailed:
            raise
        except GatewayError as error:
            raise LocalHostFailed(f"The local host {host.name} does not answer: {error.message}") from error
        said = _words(told)
        if response.status == 404:
            raise NotFound(f"The local host {host.name}: {said or 'not found'}", param="model")
        raise LocalHostFailed(
            f"The local host {host.name} answers with status {response.status}: {said or 'no words'}"
        )

    async def ask(
        self,
        host: LocalHost,
        path: str,
        *,
        body: object = None,
        method: str = "GET",
        deadlines: Deadlines = QUICK,
        pulls: bool = False,
    ) -> bytes:
        """The body of a good answer. Raises NotFound and LocalHostFailed."""
        response = await self.open(host, path, body=body, method=method, deadlines=deadlines, pulls=pulls)
        try:
            return await read_bounded(response, host)
        except LocalHostFailed:
            raise
        except GatewayError as error:
            raise LocalHostFailed(f"The local host {host.name} broke off: {error.message}") from error


async def read_bounded(response: UpstreamResponse, host: LocalHost) -> bytes:
    """Raises LocalHostFailed for more than `MAX_BYTES`."""
    pieces, size = [], 0
    try:
        async for piece in response.chunks():
            size += len(piece)
            if size > MAX_BYTES:
                raise LocalHostFailed(f"The local host {host.name} answers with more than {MAX_BYTES} bytes.")
            pieces.append(piece)
    finally:
        response.close()
    return b"".join(pieces)


def _words(body: bytes) -> str:
    """What a host says of an error."""
    try:
        said = _SAID.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    text = said.get("message") if isinstance(said, dict) else said
    return without_credentials(shortened(text, MAX_SAID_CHARS)) if isinstance(text, str) else ""


def words(text: str) -> str:
    """A host's own words, bounded and without a credential."""
    return without_credentials(shortened(text, MAX_SAID_CHARS))
