"""Fetches the pictures and documents that callers name by address."""

import asyncio
import base64
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from models_registry.backends.addresses import MAX_ADDRESSES, NamedFile
from models_registry.config.hosts import origin_of
from models_registry.config.networks import ip_of
from runtime.guarded.guard import Forbidden, Guard
from runtime.guarded.media import media_type
from runtime.guarded.rules import SIZE, GuardRules
from runtime.upstream.proxies import Proxy
from schema.errors.overload import Overloaded
from schema.errors.requests import FileNotFetched

AT_ONCE = 16
"""How many files a worker fetches at once."""
A_KEY = 4
"""How many calls of one key fetch files at once in a worker."""
TURN_S = 10.0
"""How long a fetch waits for its turn."""
TOTAL_S = 30.0
MAX_URL_CHARS = 8_192
MAX_ALL_BYTES = 48 * 1024 * 1024
"""The most bytes of all the files of one call."""


class Fetcher:
    """Implements `functions.ports.models.Files`. `proxy_for` gives the proxy that stands before a host, and
    `context` whom to believe on https."""

    def __init__(
        self,
        rules: GuardRules,
        guard: Guard,
        *,
        context: Callable[[], ssl.SSLContext],
        proxy_for: Callable[[str, str, int], Proxy | None],
    ) -> None:
        self._rules = rules
        self._guard = guard
        self._context = context
        self._proxy_for = proxy_for
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._begun: Counter[str] = Counter()
        """How many calls of each key are fetching now."""

    async def fetched(
        self,
        files: Sequence[NamedFile],
        take_room: Callable[[int], None],
        *,
        near: bool = False,
        whose: str = "",
    ) -> Mapping[str, str]:
        """See Files."""
        if len(files) > MAX_ADDRESSES:
            raise FileNotFetched(
                f"The request names {len(files)} files by address, and a call may have {MAX_ADDRESSES} "
                "fetched; send the others as data URIs.",
                param=files[MAX_ADDRESSES].where,
            )
        if self._begun[whose] >= A_KEY:
            raise Overloaded(f"{A_KEY} calls of this key fetch files already; try again.", retry_after_s=1)
        allowance = _Allowance(take_room)
        guard = self._guard.near if near else self._guard
        self._begun[whose] += 1
        try:
            return {file.url: await self._fetched(file, allowance, guard) for file in files}
        finally:
            self._begun[whose] -= 1
            if not self._begun[whose]:
                del self._begun[whose]

    async def _fetched(self, file: NamedFile, allowance: "_Allowance", guard: Guard) -> str:
        try:
            proxy = self._judged(file.url, guard)
            async with self._turn(), asyncio.timeout(TOTAL_S):
                return await self._data_uri(file, allowance, guard, proxy)
        except Forbidden as exc:
            reason = str(exc)
        except TimeoutError:
            reason = f"it did not come within {TOTAL_S:g} s"
        raise FileNotFetched(f"'{file.where}' can't be fetched: {reason}.", param=file.where)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the fetches that a worker makes at once. Raises Overloaded where none is free soon."""
        try:
            async with asyncio.timeout(TURN_S):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("Too many files are being fetched; try again.", retry_after_s=1) from None
        try:
            yield
        finally:
            self._turns.release()

    async def _data_uri(
        self, file: NamedFile, allowance: "_Allowance", guard: Guard, proxy: Proxy | None
    ) -> str:
        from runtime.guarded.getting import whole  # httpx takes 45 ms to import, and few calls need it

        answer = await whole(
            file.url,
            guard if proxy is None else proxy,
            self._context(),
            max_bytes=self._rules.max_bytes,
            count=allowance.take,
        )
        kind = media_type(answer.body[:512], answer.content_type, file.url)
        if kind is None or (file.is_picture and not kind.startswith("image/")):
            wanted = "a picture (JPEG, PNG, GIF or WebP)" if file.is_picture else "a document"
            raise Forbidden(f"it is not {wanted}")
        return f"data:{kind};base64,{base64.b64encode(answer.body).decode('ascii')}"

    def _judged(self, url: str, guard: Guard) -> Proxy | None:
        """The proxy through which an address is reached. Raises Forbidden where nothing is asked there."""
        if not self._rules.max_bytes:
            raise Forbidden(f"this gateway fetches no files ({SIZE} is 0)")
        origin = origin_of(url)
        if origin is None or len(url) > MAX_URL_CHARS:
            raise Forbidden("it is no address of the form https://host/path")
        proxy = self._proxy_for(*origin)
        if proxy is None:
            return None
        if not self._rules.through_proxy:
            raise Forbidden(
                "this gateway reaches it through a proxy only, so that nobody can judge where it leads; an "
                "admin can set general_settings.fetch_through_proxy"
            )
        if guard is not self._guard:
            raise Forbidden("it is reached through a proxy, and this call stays local (local_only)")
        if (ip := ip_of(origin.host)) is not None:
            guard.judge(origin.host, origin.port, str(ip))
        return proxy


class _Allowance:
    """How many bytes of files a call may still have. `take_room` counts them in the worker's memory."""

    def __init__(self, take_room: Callable[[int], None]) -> None:
        self._left = MAX_ALL_BYTES
        self._take_room = take_room

    def take(self, size: int) -> None:
        """Raises Forbidden, Overloaded."""
        self._left -= size
        if self._left < 0:
            raise Forbidden(f"the files of one call have at most {MAX_ALL_BYTES // 1024 // 1024} MB together")
        self._take_room(2 * size)  # the bytes, and their base64
