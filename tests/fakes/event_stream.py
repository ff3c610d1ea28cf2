"""Amazon's event streams, written by botocore's own rules: each event as one frame."""

import json
import struct
from binascii import crc32
from collections.abc import Iterable
from typing import Any  # JSON


def bedrock_frames(events: Iterable[tuple[str, dict[str, Any]]]) -> list[bytes]:
    """A frame for each event of a name."""
    return [
        frame({":event-type": name, ":content-type": "application/json", ":message-type": "event"}, body)
        for name, body in events
    ]


def exception_frame(name: str, message: str) -> bytes:
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, {"message": message})


def frame(headers: dict[str, str], body: dict[str, Any]) -> bytes:
    told = b"".join(
        struct.pack(">B", len(name))
        + name.encode()
        + b"\x07"
        + struct.pack(">H", len(value))
        + value.encode()
        for name, value in headers.items()
    )
    payload = json.dumps(body).encode()
    prelude = struct.pack(">II", len(told) + len(payload) + 16, len(told))
    data = prelude + struct.pack(">I", crc32(prelude)) + told + payload
    return data + struct.pack(">I", crc32(data))
