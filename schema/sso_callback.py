"""The return of a browser from a provider."""

import msgspec


class SsoCallbackQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /sso/callback, as the provider sends it (RFC 6749, section 4.1.2)."""

    code: str = ""
    state: str = ""
    error: str = ""
    error_description: str = ""
    iss: str = ""
    """The issuer, where the provider tells it (RFC 9207)."""
