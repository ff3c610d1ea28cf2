"""The media type of an inline picture. Anthropic and Google refuse a type that is not the picture's own, and
spellings such as `image/jpg`."""

from collections.abc import Mapping
from types import MappingProxyType

from models_registry.backends.content import DataUri

BEGINNINGS = (
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGgo", "image/png"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)
"""How pictures begin, in base64."""
SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "image/jpg": "image/jpeg",
        "image/pjpeg": "image/jpeg",
        "image/jfif": "image/jpeg",
        "image/x-png": "image/png",
    }
)


def media_type_of(picture: DataUri) -> str:
    """What the picture's first bytes say, else its own word in the usual spelling."""
    data = picture.data.lstrip()
    found = next((kind for beginning, kind in BEGINNINGS if data.startswith(beginning)), None)
    return found or SPELLINGS.get(picture.media_type, picture.media_type)
