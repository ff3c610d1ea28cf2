"""Refusals of who calls, and of what that caller may not do."""

from typing import ClassVar

from schema.errors.base import GatewayError


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
