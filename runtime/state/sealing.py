"""Seals values under the salt key: AES-256-GCM, with a random nonce for each value.

The value's kind, owner and id are bound to it as associated data, so that a sealed value that is moved to
another row can't be opened. The key is derived from the salt key's text (HKDF-SHA256), which may be any text,
as at LiteLLM.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schema.secret import Secret

KEY_BYTES = 32
NONCE_BYTES = 12
ID_CHARS = 16
_PURPOSE = b"switchgear state v1"


class CantOpen(Exception):
    """A sealed value of another salt key, of another row, or one that was changed."""


class Sealer:
    """Seals and opens under one salt key. `id` names the key, and tells nothing of it."""

    def __init__(self, salt_key: Secret) -> None:
        text = salt_key.reveal().encode()
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_PURPOSE).derive(text)
        self._cipher = AESGCM(derived)
        self._naming = hashlib.sha256(_PURPOSE + b" names" + derived).digest()
        self.id = hashlib.sha256(_PURPOSE + b" id" + derived).hexdigest()[:ID_CHARS]

    def named(self, text: str) -> str:
        """A name that stands for a text: the same for the same text, and nobody without the salt key can try
        texts against it."""
        return hmac.new(self._naming, text.encode(), hashlib.sha256).hexdigest()

    def seal(self, value: bytes, *, kind: str, owner: str, id: str) -> bytes:
        """The sealed value, with its nonce in front."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, _bound(kind, owner, id))

    def open(self, sealed: bytes, *, kind: str, owner: str, id: str) -> bytes:
        """Raises CantOpen."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(kind, owner, id))
        except (InvalidTag, ValueError) as exc:
            raise CantOpen(f"The sealed {kind} can't be opened by the salt key {self.id}.") from exc


def _bound(kind: str, owner: str, id: str) -> bytes:
    """What a value is bound to. The lengths keep two texts from being read as others."""
    return b"".join(b"%d:%s" % (len(part.encode()), part.encode()) for part in (kind, owner, id))
