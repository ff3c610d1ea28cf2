"""What a file is: by its first bytes, else by what its host says."""

import mimetypes
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
TEXTS = frozenset({"text/plain", "text/csv", "text/html", "text/markdown"})
OFFICE: Mapping[str, bytes] = MappingProxyType(
    {
        "application/msword": b"\xd0\xcf\x11\xe0",
        "application/vnd.ms-excel": b"\xd0\xcf\x11\xe0",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": b"PK",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": b"PK",
    }
)
"""How documents of an office begin."""


def media_type(beginning: bytes, told: str | None, url: str) -> str | None:
    """The media type of a picture or a document, such as `image/png`. `beginning` has its first 512 bytes,
    `told` the header `Content-Type`. None: it is neither."""
    for magic, kind in MAGIC:
        if beginning.startswith(magic):
            return kind
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "image/webp"
    word = (told or "").partition(";")[0].strip().lower()
    if word in ("", "application/octet-stream", "binary/octet-stream"):
        word = mimetypes.guess_type(urlsplit(url).path)[0] or ""
    if word in TEXTS and b"\0" not in beginning:
        return word
    return word if word in OFFICE and beginning.startswith(OFFICE[word]) else None
