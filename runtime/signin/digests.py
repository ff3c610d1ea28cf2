"""The secrets that browsers hold. Postgres has their SHA-256 alone."""

import hashlib
import hmac
import secrets

SECRET_BYTES = 32
SECRET_CHARS = 43


def new_secret() -> str:
    """256 random bits, URL-safe: 43 characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def is_secret(text: str) -> bool:
    """Whether a text has the form of a secret that `new_secret` made."""
    return len(text) == SECRET_CHARS and text.isascii()


def digest_of(secret: str) -> str:
    """How a secret is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def csrf_of(secret: str) -> str:
    """What a page of ours sends in `x-csrf-token`. It is made of the session's secret: nothing is stored."""
    return hmac.new(secret.encode(), b"switchgear csrf", hashlib.sha256).hexdigest()
