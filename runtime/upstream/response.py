"""A provider's answer whose head has arrived: its body, whole or in pieces, within limits."""

import time
from collections.abc import AsyncIterator, Mapping

from models_registry.target import Deadlines
from runtime.upstream.connection import Breakage, Connection, Wanted
from runtime.upstream.decoding import Decoder, Undecodable, decoder_of
from runtime.upstream.pool import Pool
from schema.errors.upstream import UpstreamCut, UpstreamError, UpstreamMalformed, UpstreamTimeout

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The most that a plain answer may have, decompressed."""
MAX_STREAM_BYTES = 512 * 1024 * 1024
"""The most that a streamed answer may have, decompressed."""


class HttpResponse:
    """An answer whose head has arrived; `UpstreamResponse` says what its methods promise."""

    took_s = 0.0

    def __init__(
        self, connection: Connection, pool: Pool, deadlines: Deadlines, *, began_mono: float
    ) -> None:
        self.status = connection.status
        self._connection: Connection | None = connection
        self.raw_headers = connection.headers
        self._began_mono = began_mono
        self._pool = pool
        self._deadlines = deadlines
        self._is_read = False
        """Whether the body was read to its end."""

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers}

    async def read(self) -> bytes:
        connection = self._connection
        if connection is None:
            return self._after_close()
        try:
            decoder = self._decoder()
            if decoder is not None:
                return b"".join([piece async for piece in self._decoded(decoder, MAX_BODY_BYTES)])
            connection.limit_bytes = MAX_BODY_BYTES
            while not connection.is_whole and connection.broken is None:
                if connection.waiting_bytes > MAX_BODY_BYTES:
                    raise self._too_large(MAX_BODY_BYTES)
                await connection.wait(Wanted.END)
            if connection.waiting_bytes > MAX_BODY_BYTES:
                raise self._too_large(MAX_BODY_BYTES)
            if connection.broken is not None:
                raise self._error(connection.broken)
            pieces = connection.take()
            self._end(connection)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            self.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            decoder = self._decoder()
            if decoder is not None:
                async for piece in self._decoded(decoder, MAX_STREAM_BYTES):
                    yield piece
                return
            received = 0
            while piece := await self._some():
                received += len(piece)
                if received > MAX_STREAM_BYTES:
                    raise self._too_large(MAX_STREAM_BYTES)
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.is_whole and not connection.pieces:
            self._pool.give_back(connection)
        else:
            connection.abort()

    async def _some(self) -> bytes:
        """What has come; empty at the end of the body."""
        connection = self._connection
        if connection is None:
            return self._after_close()
        while not connection.pieces:
            if connection.is_whole:
                self._end(connection)
                return b""
            if connection.broken is not None:
                raise self._error(connection.broken)
            await connection.wait(Wanted.PIECE)
        pieces = connection.take()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _decoded(self, decoder: Decoder, limit: int) -> AsyncIterator[bytes]:
        received = 0
        try:
            while piece := await self._some():
                for out in decoder.feed(piece):
                    received += len(out)
                    if received > limit:
                        raise self._too_large(limit)
                    yield out
            decoder.end()
        except Undecodable as exc:
            self._abort()
            raise UpstreamMalformed("The provider sent a body that does not decompress.") from exc

    def _decoder(self) -> Decoder | None:
        codings = [value for name, value in self.raw_headers if name.lower() == b"content-encoding"]
        if not codings:
            return None
        try:
            return decoder_of(codings)
        except Undecodable as exc:
            self._abort()
            raise UpstreamMalformed("The provider sent a body that does not decompress.") from exc

    def _abort(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _after_close(self) -> bytes:
        if not self._is_read:
            raise self._error(Breakage.CUT)
        return b""

    def _end(self, connection: Connection) -> None:
        self._connection = None
        self._is_read = True
        self.took_s = time.monotonic() - self._began_mono
        self._pool.give_back(connection)

    def _too_large(self, limit: int) -> UpstreamMalformed:
        return UpstreamMalformed(f"The provider sent more than {limit >> 20} MiB.")

    def _error(self, why: Breakage) -> UpstreamError:
        match why:
            case Breakage.BODY_LATE:
                return UpstreamTimeout("The provider sent the head of an answer and then nothing.")
            case Breakage.IDLE:
                return UpstreamTimeout(f"The provider sent nothing for {self._deadlines.idle_s:g} s.")
            case Breakage.TOTAL:
                return UpstreamTimeout(f"The provider did not finish within {self._deadlines.total_s:g} s.")
            case Breakage.MALFORMED:
                return UpstreamMalformed("The provider sent a body that is not HTTP.")
            case _:
                return UpstreamCut("The provider broke off before the answer was whole.")
