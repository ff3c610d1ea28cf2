"""The gateway itself can't take the call or go on with it, or nobody waits for the answer."""

from schema.errors.base import GatewayError

SHUTTING_DOWN = "shutting down"
"""The message with which a call is cancelled when its worker stops; without it, the client left."""


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


class DatabaseUnavailable(Overloaded):
    type = "no_db_connection"
    word = "no_db_connection"


class GuardrailUnavailable(Overloaded):
    """A guardrail gave no usable answer, and the config lets no call pass without one. `unreached`: it could
    not be asked at all."""

    word = "guardrail_unavailable"

    unreached = False


class ProviderUnavailable(Overloaded):
    """The provider that people sign in at can't be used."""

    word = "sign_in_provider_unavailable"
