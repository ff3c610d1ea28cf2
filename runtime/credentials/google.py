"""Tokens of Google Cloud, by google-auth: service accounts, authorized users, federated identities, and the
application's default credentials. The library asks through `runtime/outbound`, in a thread of its own."""

import asyncio
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any  # google-auth has no types

import msgspec

from models_registry.signing import GoogleSigning
from runtime.credentials.fresh import Lasting, Unsigned
from runtime.outbound import Unreachable, answer_at

TIMEOUT_S = 10.0
MAX_FILE_BYTES = 64 * 1024


async def fetched_token(signing: GoogleSigning) -> Lasting[str]:
    """Raises Unsigned."""
    return await asyncio.to_thread(_fetched, signing)


def _fetched(signing: GoogleSigning) -> Lasting[str]:
    try:
        credentials = _credentials(signing)
        credentials.refresh(_through_outbound)
    except Exception as exc:  # google-auth raises errors of many kinds, with parts of answers in their words
        raise Unsigned(f"Google gave no token ({type(exc).__name__})") from exc
    expiry = credentials.expiry
    for_s = 3000.0 if expiry is None else (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    return Lasting(str(credentials.token), max(0.0, for_s))


def _credentials(signing: GoogleSigning) -> Any:
    import google.auth

    through: Any = _through_outbound
    load: Any = google.auth.load_credentials_from_dict

    if signing.credentials is None:
        return google.auth.default(scopes=[signing.scope], request=through)[0]
    text = signing.credentials.reveal()
    if not text.lstrip().startswith("{"):
        path = Path(text)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError("the file is too large")
        text = path.read_text()
    info = msgspec.json.decode(text, type=dict[str, Any])
    kind, scopes = info.get("type"), [signing.scope]
    if kind == "service_account":
        from google.oauth2 import service_account

        made: Any = service_account.Credentials
        return made.from_service_account_info(info, scopes=scopes)
    if kind == "authorized_user":
        from google.oauth2.credentials import Credentials

        user: Any = Credentials
        return user.from_authorized_user_info(info, scopes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the account is an administrator's own
        return load(info, scopes=scopes, request=through)[0]


class _GoogleAnswer:
    """An answer as google-auth reads it."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


def _through_outbound(
    url: str,
    method: str = "GET",
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: object,
) -> _GoogleAnswer:
    """google-auth's transport. Raises its TransportError."""
    from google.auth.exceptions import TransportError

    content = body.encode() if isinstance(body, str) else body
    try:
        status, told, data = answer_at(
            method,
            url,
            headers=headers or {},
            content=content,
            timeout_s=min(timeout or TIMEOUT_S, TIMEOUT_S),
        )
    except Unreachable as exc:
        raise TransportError(str(exc)) from exc  # type: ignore[no-untyped-call]
    return _GoogleAnswer(status, told, data)
