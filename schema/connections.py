"""LiteLLM's `/health/test_connection`: a deployment that is not stored yet is called once."""

from typing import Any, Literal

import msgspec

from schema.wire import Wire


class ConnectionTestRequest(Wire, frozen=True, kw_only=True, dict=True):
    """`litellm_params` as `/model/new` takes them. `mode`: what the model is for, `chat` where nobody says.
    `model_info.mode` counts where `mode` does not stand."""

    litellm_params: dict[str, Any]
    model_info: dict[str, Any] | None = None
    mode: str | None = None
    request_data: dict[str, Any] | None = None


class ConnectionResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the call went. `fault` is one of the words of `docs/guide.md`, such as `key`, `model` or `tls`.
    `error` has the provider's own words without credentials, `advice` says what to do."""

    model: str
    took_ms: int = 0
    answer: str | None = None
    fault: str | None = None
    error: str | None = None
    advice: str | None = None


class ConnectionTested(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["success", "error"]
    result: ConnectionResult
