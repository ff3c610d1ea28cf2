"""Bodies of HTML forms, for the few functions that browsers post to."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from schema.errors.requests import BodyTooLarge, InvalidRequest

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 20
MAX_BYTES = 64 * 1024


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether a body is a form's. The names in `headers` are in lower case."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def form_as_json(body: bytes) -> bytes:
    """The fields of a form as a JSON object of texts. Raises InvalidRequest for a body that is no form, or
    that has a field twice."""
    if len(body) > MAX_BYTES:
        raise BodyTooLarge(f"A form has at most {MAX_BYTES} bytes.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as exc:  # UnicodeDecodeError is one
        raise InvalidRequest("The form can't be read.") from exc
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequest("The form has a field twice.")
    return msgspec.json.encode(fields)
