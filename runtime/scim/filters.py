"""Finds the rows that a filter can fit, where an index helps: most filters of directories name one value."""

import re

import msgspec

from schema.errors.requests import InvalidRequest

MAX_FILTER_CHARS = 2_000
_EQUALS = re.compile(
    r"""\s*(id|userName|externalId|displayName|emails(?:\[type\s+eq\s+"\w+"\])?(?:\.value)?)\s+eq\s+"((?:[^"\\]|\\.)*)"\s*""",
    re.IGNORECASE,
)


class Equality(msgspec.Struct, frozen=True, kw_only=True):
    """A filter that asks for one value of one attribute."""

    attribute: str
    """In lower case, such as `username`; `emails` for an address of any kind."""
    value: str


def equality_of(text: str | None) -> Equality | None:
    """The equality that a filter is. None for any other filter. Raises InvalidRequest for one that is too
    long."""
    if text is None:
        return None
    if len(text) > MAX_FILTER_CHARS:
        raise InvalidRequest(f"filter: at most {MAX_FILTER_CHARS} characters.", code="invalidFilter")
    found = _EQUALS.fullmatch(text)
    if found is None:
        return None
    try:
        value = msgspec.json.decode(f'"{found[2]}"', type=str)
    except msgspec.DecodeError:
        return None
    return Equality(attribute=re.split(r"[\[.]", found[1])[0].lower(), value=value)
