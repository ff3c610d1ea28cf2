"""Bodies that a provider compressed, unasked as a rule: gzip and deflate."""

import zlib
from collections.abc import Iterator

STEP_BYTES = 256 * 1024
"""No more is decompressed at once, however much stands behind few bytes."""
GZIP_WBITS = 16 + zlib.MAX_WBITS
ZLIB_METHOD = 8


class Undecodable(Exception):
    """A body that does not decompress, or in a coding that nobody asked for."""


class Decoder:
    """Decompresses one body. Raises Undecodable for a coding that is not known here."""

    def __init__(self, coding: str) -> None:
        self._coding = coding.strip().lower()
        if self._coding not in ("gzip", "x-gzip", "deflate"):
            raise Undecodable(self._coding)
        self._inflate: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What it stands for, in steps."""
        try:
            out = b""
            while data or len(out) == STEP_BYTES:  # a full step may have left some inside
                if self._inflate is None:
                    self._inflate = zlib.decompressobj(self._wbits(data))
                out = self._inflate.decompress(data, STEP_BYTES)
                if out:
                    yield out
                data = self._inflate.unconsumed_tail
                if self._inflate.eof:
                    data, out = self._inflate.unused_data, b""
                    self._inflate = None if self._coding != "deflate" else self._inflate
                    if self._coding == "deflate":
                        return
        except zlib.error as exc:
            raise Undecodable(str(exc)) from exc

    def end(self) -> None:
        """The body is over. Raises Undecodable where it breaks off."""
        if self._inflate is not None and not self._inflate.eof:
            raise Undecodable("it breaks off")

    def _wbits(self, data: bytes) -> int:
        """Servers disagree whether `deflate` has zlib's frame."""
        if self._coding != "deflate":
            return GZIP_WBITS
        return zlib.MAX_WBITS if data[0] & 0x0F == ZLIB_METHOD else -zlib.MAX_WBITS


def decoder_of(codings: list[bytes]) -> Decoder | None:
    """For the `Content-Encoding`s of an answer. Raises Undecodable for several, or one that is unknown."""
    named = [word.strip().lower() for value in codings for word in value.decode("latin-1").split(",")]
    named = [word for word in named if word not in ("", "identity")]
    if not named:
        return None
    if len(named) > 1:
        raise Undecodable("several codings")
    return Decoder(named[0])
