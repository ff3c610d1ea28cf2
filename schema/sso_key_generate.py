"""The way to a provider."""

import msgspec


class SsoKeyGenerateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /sso/key/generate. `return_to` is a path of the gateway for afterwards."""

    provider: str = ""
    return_to: str = ""
