"""The ids of requests: ours, and those that clients bring."""

from datetime import datetime

MAX_CALL_ID_CHARS = 256
VARIANTS = "89ab"
"""The variant of a UUID stands in two bits of this digit."""


def is_id(text: str) -> bool:
    """Whether an id of the client's own can be kept and sent back as it is."""
    return len(text) <= MAX_CALL_ID_CHARS and text.isascii() and text.isprintable()


def uuid7(at: datetime, luck: bytes) -> str:
    """RFC 9562, section 5.7: milliseconds, then random bits, so that ids sort by time."""
    ms, hexed = f"{int(at.timestamp() * 1000):012x}", luck.hex()
    variant = VARIANTS[luck[2] >> 4 & 0x3]
    return f"{ms[:8]}-{ms[8:]}-7{hexed[:3]}-{variant}{hexed[5:8]}-{hexed[8:]}"
