"""Every way the gateway says no. `runtime/invoke.py` turns one into a status and an envelope.

    GatewayError                       500
    ├── InvalidRequest                 400  the caller's body, path or query
    │   ├── UnsupportedParameter       400  understood, but the target can't honour it
    │   │   └── ThreadUnsupported      400  the target keeps no conversation under an id
    │   ├── FileNotFetched             400  a picture or document at an address of the caller's
    │   ├── ContextLengthExceeded      400
    │   ├── AlreadyExists              400  LiteLLM's status for a taken id of a team or budget
    │   │   └── AlreadyMember          400
    │   ├── UnboundedCost              400  its cost has no known bound, and a budget needs one
    │   ├── GuardrailRefused         400  a guardrail refuses what is asked or answered
    │   ├── NoDeploymentFits           400  no deployment is for what the request asks: tags, region
    │   ├── ModelTooLarge              400  for the memory of a local host
    │   ├── TooComplex                 400  the body holds too many things
    │   ├── BodyTooLarge               413
    │   └── UnsupportedCoding          415
    ├── NotLocal                       403  it may go to local deployments alone
    ├── GuardrailNotLocal              403  it may go to local places alone, and a guardrail is none
    ├── NotAuthenticated               401
    │   ├── UnknownKey                 401
    │   ├── ExpiredKey                 401
    │   ├── BlockedKey                 401
    │   └── SignInFailed               401  at a provider, or by a password
    ├── NotAllowed                     403
    │   ├── CustomerBlocked            403
    │   └── ModelNotAllowed            403
    ├── NotFound                       404
    │   └── ModelNotFound              404
    │       └── ModelInError           404  the config of all its deployments is wrong
    ├── MethodNotAllowed               405
    ├── Conflict                       409
    │   └── PreconditionFailed         412  the caller has another version
    ├── BudgetExceeded                 422  or what the config says
    ├── RateLimited                    429  this gateway's own limits
    │   ├── TooManyTokens              429  larger than the caller's whole token limit
    │   └── DeploymentAtLimit          429  a limit of a deployment or of its provider, and not of the caller
    ├── ClientLeft                     499  nobody is there to be told: for logs and spend rows
    ├── Overloaded                     503  this gateway can't take the call now
    │   ├── ShuttingDown               503
    │   ├── DatabaseUnavailable        503
    │   ├── GuardrailUnavailable       503  a guardrail gave no usable answer
    │   └── ProviderUnavailable        503  the provider that people sign in at
    ├── LocalHostFailed                502  a local host did not do what it was asked for
    └── UpstreamError                  502
        ├── UpstreamUnreachable        500  no connection, so nothing was sent
        │   ├── UpstreamNotInTime      408  no connection within the deadline
        │   └── UpstreamBusy           503  all connections to the provider are in use
        ├── UpstreamTimeout            408
        ├── UpstreamMalformed          502  garbage, an empty 200, too large
        ├── UpstreamCut                502  the answer broke off
        └── ProviderError              the provider's own status

Clients of OpenAI and LiteLLM look at `type` and `code`. `code` is a word where OpenAI has a word for the
error (`openai_code`), and the status as text otherwise. `type` is LiteLLM's. `reason` is our own word
(`word`): it never changes, and `docs/guide.md` has the table of all of them.
"""

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import msgspec

RESET_AT = "%Y-%m-%d %H:%M:%S UTC"
"""How the header `reset_at` writes a moment, as LiteLLM does: `2026-11-29 12:01:00 UTC`."""
SHUTTING_DOWN = "shutting down"
"""The message with which a call is cancelled when its worker stops; without it, the client left."""


MAX_MESSAGE_CHARS = 8_192
MAX_NAME_CHARS = 200
"""The longest part of a caller's own name or path that a message repeats."""


def shortened(text: str, most: int = MAX_NAME_CHARS) -> str:
    """The text, cut where it is longer than `MAX_NAME_CHARS`."""
    return text if len(text) <= most else f"{text[:most]}..."


class GatewayError(Exception):
    """The root. `message` goes to the caller: no secret, no stack, no upstream body in it."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal_server_error"
    word: ClassVar[str] = "internal_error"
    """Our own word, sent as `reason`."""
    openai_code: ClassVar[str | None] = None
    """OpenAI's word, sent as `code`. None: OpenAI has none."""
    retry: ClassVar[bool | None] = None
    """Sent as `x-should-retry` when not None: SDKs obey it."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        message = shortened(message, MAX_MESSAGE_CHARS)
        super().__init__(message)
        self.message = message
        self.param = param if param is None else shortened(param)
        self.retry_after_s = retry_after_s
        self._code = code

    @property
    def code(self) -> str:
        return self._code or self.openai_code or str(self.http_status)

    @property
    def reason(self) -> str:
        return self.word

    @property
    def http_status(self) -> int:
        return self.status

    @property
    def error_type(self) -> str:
        return self.type

    @property
    def reply_headers(self) -> Mapping[str, str]:
        """The headers that come with the answer, such as `rate_limit_type`."""
        return {}


class InvalidRequest(GatewayError):
    status = 400
    type = "invalid_request_error"
    word = "invalid_request"


class UnsupportedParameter(InvalidRequest):
    """A parameter the chosen backend has no way to honour; `param` names it."""

    word = "unsupported_parameter"
    openai_code = "unsupported_parameter"


class ThreadUnsupported(UnsupportedParameter):
    """Anthropic's `thread`, at a model that keeps no conversation. Anthropic's SDKs know the word: they carry
    the conversation themselves then."""

    word = "thread_unsupported_request"
    retry = False


class FileNotFetched(InvalidRequest):
    """A picture or document that the request names by address can't be had."""

    word = "file_not_fetched"
    openai_code = "failed_to_download_image"


class ContextLengthExceeded(InvalidRequest):
    word = "context_length_exceeded"
    openai_code = "context_length_exceeded"


class AlreadyExists(InvalidRequest):
    type = "bad_request_error"
    word = "already_exists"


class AlreadyMember(AlreadyExists):
    type = "team_member_already_in_team"
    word = "team_member_already_in_team"


class UnboundedCost(InvalidRequest):
    """A call under a budget whose cost nobody can bound; `param` names the field."""

    word = "unbounded_cost"
    retry = False


class GuardrailRefused(InvalidRequest):
    """A guardrail, or a rule about contents, refuses what is asked, or what was answered. The message names
    it."""

    word = "guardrail_refused"
    openai_code = "content_filter"
    retry = False


class NoDeploymentFits(InvalidRequest):
    """The model has deployments, and none of them is for what the request asks."""

    word = "no_deployment_fits"
    retry = False


class NotLocal(GatewayError):
    """The call may go to local deployments alone, and there is none for it."""

    status = 403
    type = "permission_error"
    word = "local_only"
    retry = False

    @classmethod
    def of(cls, model: str) -> "NotLocal":
        return cls(
            f"This call may go to local deployments alone (local_only), and the model `{model}` has none "
            "that can take it.",
            param="model",
        )


class GuardrailNotLocal(GatewayError):
    """The call may go to local places alone, and a guardrail that it has to pass is none. No other deployment
    would change that."""

    status = 403
    type = "permission_error"
    word = "guardrail_not_local"
    retry = False


class ModelTooLarge(InvalidRequest):
    """A model needs more memory than its local host has."""

    word = "model_too_large"
    retry = False


class LocalHostFailed(GatewayError):
    """A local host did not answer, or says why it does not do what it was asked for."""

    status = 502
    type = "upstream_error"
    word = "local_host_failed"


class TooComplex(InvalidRequest):
    word = "request_too_complex"


class BodyTooLarge(InvalidRequest):
    status = 413
    word = "request_too_large"


class UnsupportedCoding(InvalidRequest):
    """The body's `Content-Encoding` is not understood here."""

    status = 415
    word = "unsupported_coding"

    def __init__(self, message: str, *, param: str | None = None, codings: Sequence[str] = ()) -> None:
        super().__init__(message, param=param)
        self.codings = tuple(codings)

    @property
    def reply_headers(self) -> Mapping[str, str]:
        return {"accept-encoding": ", ".join(self.codings)}


class NotAuthenticated(GatewayError):
    status = 401
    type = "auth_error"
    word = "invalid_api_key"
    openai_code: ClassVar[str | None] = "invalid_api_key"


class UnknownKey(NotAuthenticated):
    type = "token_not_found_in_db"
    word = "unknown_api_key"


class ExpiredKey(NotAuthenticated):
    type = "expired_key"
    word = "expired_key"


class BlockedKey(NotAuthenticated):
    word = "key_blocked"


class SignInFailed(NotAuthenticated):
    """Somebody could not sign in. The message says what a person or an admin can do, and tells a stranger
    nothing of accounts."""

    word = "sign_in_failed"
    openai_code = None


class NotAllowed(GatewayError):
    status = 403
    type = "permission_error"
    word = "not_allowed"


class CustomerBlocked(NotAllowed):
    word = "customer_blocked"


class ModelNotAllowed(NotAllowed):
    """`level` says whose list of models the model is not on: key, user, team, org or customer."""

    word = "key_model_access_denied"

    def __init__(self, message: str, *, param: str | None = None, level: str = "key") -> None:
        super().__init__(message, param=param)
        self.level = level

    @property
    def reason(self) -> str:
        return f"{self.level}_model_access_denied"

    @property
    def error_type(self) -> str:
        return self.reason


class NotFound(GatewayError):
    status = 404
    type = "not_found_error"
    word = "not_found"


class ModelNotFound(NotFound):
    type = "invalid_request_error"
    word = "model_not_found"
    openai_code = "model_not_found"


class ModelInError(ModelNotFound):
    """A model that the config names, but no deployment of it can be called. The message gives the reasons by
    their paths in the config. Waiting does not help."""

    word = "deployment_in_error"
    retry = False


class MethodNotAllowed(GatewayError):
    status = 405
    type = "invalid_request_error"
    word = "method_not_allowed"


class Conflict(GatewayError):
    status = 409
    type = "conflict_error"
    word = "conflict"


class PreconditionFailed(Conflict):
    status = 412
    word = "precondition_failed"


class BudgetExceeded(GatewayError):
    """A budget is too small for the call, and nothing was sent. The message has the arithmetic. Waiting a
    moment does not help."""

    status = 422
    type = "budget_exceeded"
    word = "budget_exceeded"
    retry = False

    def __init__(self, message: str, *, status: int = 422, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self._status = status

    @property
    def http_status(self) -> int:
        return self._status


class Left(NamedTuple):
    """What is left of an account, in the unit of its meter."""

    account: str
    amount: int


class RateLimited(GatewayError):
    """A limit of this gateway. The answer's headers say which kind of limit, and when it begins anew."""

    status = 429
    type = "throttling_error"
    word = "rate_limit_exceeded"
    openai_code = "rate_limit_exceeded"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        limit_type: str = "requests",
        reset_at_s: float | None = None,
        left: Left | None = None,
    ) -> None:
        """`limit_type` is LiteLLM's word: `requests`, `tokens` or `max_parallel_requests`. `reset_at_s` is in
        seconds since 1970. `left` is what is left of the limit that was short."""
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        self.limit_type = limit_type
        self.left = left
        self.reset_at_s = reset_at_s

    @property
    def reply_headers(self) -> Mapping[str, str]:
        headers = {"rate_limit_type": self.limit_type}
        if self.reset_at_s is not None:
            headers["reset_at"] = datetime.fromtimestamp(math.ceil(self.reset_at_s), UTC).strftime(RESET_AT)
        return headers


class TooManyTokens(RateLimited):
    """A call that is larger than a whole limit on tokens. Waiting does not help."""

    word = "tokens_limit_exceeded"
    retry = False


class DeploymentAtLimit(RateLimited):
    """A limit or budget of one deployment, or of its provider. Another deployment may have room. `waits`: the
    deployment has room again as soon as one of its calls ends."""

    word = "deployment_at_limit"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        limit_type: str = "requests",
        reset_at_s: float | None = None,
        waits: bool = False,
    ) -> None:
        super().__init__(
            message, param=param, retry_after_s=retry_after_s, limit_type=limit_type, reset_at_s=reset_at_s
        )
        self.waits = waits
        self.takes_less = False
        """Whether the deployment may take the call if its answer is limited."""
        self.position: int | None = None
        """How many calls wait before this one. None: nobody waits."""

    @property
    def reply_headers(self) -> Mapping[str, str]:
        headers = dict(super().reply_headers)
        if self.position is not None:
            headers["x-switchgear-queue-position"] = str(self.position)
        return headers


class ClientLeft(GatewayError):
    """499 is nginx's number for a client that left."""

    status = 499
    type = "client_left"
    word = "client_left"


class Overloaded(GatewayError):
    """The gateway can't take the call now. The error says when to try again: in a second, unless a better
    time is known."""

    status = 503
    type = "service_unavailable"
    word = "overloaded"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = 1.0,
    ) -> None:
        super().__init__(message, param=param, code=code, retry_after_s=retry_after_s)


class ShuttingDown(Overloaded):
    """This worker stops, and the time that calls under way were given is up."""

    word = "shutting_down"


class GuardrailUnavailable(Overloaded):
    """A guardrail gave no usable answer, and the config lets no call pass without one. `unreached`: it could
    not be asked at all."""

    word = "guardrail_unavailable"

    unreached = False


class ProviderUnavailable(Overloaded):
    """The provider that people sign in at can't be used."""

    word = "sign_in_provider_unavailable"


class DatabaseUnavailable(Overloaded):
    type = "no_db_connection"
    word = "no_db_connection"


class ProviderAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer, head and body. `status` is the provider's own, such as 529; the caller may be told
    another one."""

    status: int
    in_envelope: bool
    """True where the body is an error in the provider's dialect, so that no proxy in between wrote it."""


class UpstreamError(GatewayError):
    """A provider did not deliver."""

    status = 502
    type = "upstream_error"
    word = "upstream_error"

    answer: ProviderAnswer | None = None
    """The failing answer; None where none was complete, or the error stood inside a 200."""
    said: str = ""
    """The provider's own words without credentials, for the log and the row. `message` may lack them."""


class Unreached(enum.Enum):
    """How far the way to a provider went."""

    ADDRESS = "address"
    """Nobody listens there, or the address can't be written."""
    NAME = "name"
    """The host's name has no address."""
    PROXY = "proxy"
    TLS = "tls"
    """The host could not prove who it is."""
    CREDENTIAL = "credential"
    """There is nothing to sign the call with."""


class UpstreamUnreachable(UpstreamError):
    """No connection could be made: the provider did no work and charges nothing."""

    status = 500
    type = "internal_server_error"
    word = "upstream_unreachable"

    def __init__(self, message: str, *, at: Unreached = Unreached.ADDRESS, **more: Any) -> None:
        """`more` as with every error."""
        super().__init__(message, **more)
        self.at = at


class UpstreamNotInTime(UpstreamUnreachable):
    """No connection could be made within the deployment's deadline, or within the call's own."""

    status = 408
    type = "timeout_error"
    word = "upstream_connect_timeout"


class UpstreamBusy(UpstreamUnreachable):
    """All connections that may be open to a provider are in use."""

    status = 503
    type = "overloaded_error"
    word = "upstream_busy"


class UpstreamTimeout(UpstreamError):
    status = 408
    type = "timeout_error"
    word = "upstream_timeout"


class UpstreamMalformed(UpstreamError):
    word = "upstream_malformed"


class UpstreamCut(UpstreamError):
    word = "upstream_cut"


PROVIDER_ERROR_TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        413: "invalid_request_error",
        422: "invalid_request_error",
        429: "rate_limit_error",
    }
)
"""The `type` an answer gets by its status, where the provider gave none (LiteLLM's words)."""


class ProviderError(UpstreamError):
    """The provider answered with an error of its own; status, code and Retry-After are kept."""

    word = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        kind: str | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code, retry_after_s=retry_after_s)
        self._status = status
        fallback = "invalid_request_error" if status < 500 else "internal_server_error"
        self._kind = kind or PROVIDER_ERROR_TYPES.get(status, fallback)

    @property
    def http_status(self) -> int:
        return self._status

    @property
    def error_type(self) -> str:
        return self._kind


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An error as a value that can be kept. A raised exception holds the frames that it passed, and the
    frames hold the call's body. Where a frame also reaches the object that keeps the exception, nothing of
    this is freed before the next garbage collection."""

    kind: type[GatewayError]
    facts: Mapping[str, object]
    """The attributes of the exception, such as `message` and `retry_after_s`."""

    @classmethod
    def of(cls, error: GatewayError) -> "Told":
        return cls(kind=type(error), facts=dict(vars(error)))

    def error(self) -> GatewayError:
        """A new exception with the same attributes."""
        error = self.kind.__new__(self.kind, self.facts["message"])
        vars(error).update(self.facts)
        return error


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of OpenAI's error envelope, with `reason` added."""

    message: str
    type: str
    param: str | None
    code: str
    """A word where OpenAI has one for the error, or the provider gave one. Else the status as text."""
    reason: str
    """Our own word for what went wrong, such as `budget_exceeded`."""
    status: int | msgspec.UnsetType = msgspec.UNSET
    """The status of the call, in a stream whose head said 200."""


class ErrorEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every failed call answers, and what an `error` event in a stream carries."""

    error: ErrorBody


def envelope(error: GatewayError, *, in_stream: bool = False) -> ErrorEnvelope:
    """The error as its wire form. In a stream it says its status too."""
    return ErrorEnvelope(
        error=ErrorBody(
            message=error.message,
            type=error.error_type,
            param=error.param,
            code=error.code,
            reason=error.reason,
            status=error.http_status if in_stream else msgspec.UNSET,
        )
    )


ErrorForm = Callable[[GatewayError, str | None], msgspec.Struct]
"""How a dialect writes an error. The second argument is the id of the call; None: there is no call yet."""


def openai_form(error: GatewayError, _request_id: str | None) -> ErrorEnvelope:
    """An ErrorForm: OpenAI's, which has no id in it."""
    return envelope(error)
