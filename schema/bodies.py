"""One call of the log with what was asked and answered."""

import msgspec

from schema.spend import SpendLog

NOTHING = msgspec.Raw(b"{}")
"""LiteLLM's word for a payload that is not there."""


class KeptBody(msgspec.Struct, frozen=True, kw_only=True):
    """The request and the answer of one call, as redacted JSON text. A text that is `truncated` is the
    beginning of the JSON, or None."""

    request: str | None
    response: str | None
    request_truncated: bool
    response_truncated: bool

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # prompts are nobody's to print


NO_BODY = KeptBody(request=None, response=None, request_truncated=False, response_truncated=False)


class BodyQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /spend/logs/ui/{request_id}. The dates are optional and limit the days that are searched."""

    request_id: str
    start_date: str | None = None
    end_date: str | None = None


class LogDetail(SpendLog, frozen=True, kw_only=True):
    """A row with its bodies, under LiteLLM's names. A body is JSON, `{}` where none was kept, or a text where
    the JSON was cut. `proxy_server_request` is the whole request; `messages` holds its messages or its
    input."""

    messages: msgspec.Raw
    response: msgspec.Raw
    proxy_server_request: msgspec.Raw
    request_truncated: bool
    response_truncated: bool


def log_detail(row: SpendLog, body: KeptBody | None) -> LogDetail:
    """The row with its bodies. `body` is None where none was kept, or where the caller may not see it."""
    facts = {name: getattr(row, name) for name in SpendLog.__struct_fields__}
    body = body or NO_BODY
    return LogDetail(
        **facts,
        messages=_messages(body),
        response=_json(body.response, cut=body.response_truncated),
        proxy_server_request=_json(body.request, cut=body.request_truncated),
        request_truncated=body.request_truncated,
        response_truncated=body.response_truncated,
    )


def _json(text: str | None, *, cut: bool) -> msgspec.Raw:
    if text is None:
        return NOTHING
    return msgspec.Raw(msgspec.json.encode(text) if cut else text.encode())


def _messages(body: KeptBody) -> msgspec.Raw:
    if body.request is None or body.request_truncated:
        return NOTHING
    fields = msgspec.json.decode(body.request, type=dict[str, msgspec.Raw])
    return fields.get("messages") or fields.get("input") or NOTHING
