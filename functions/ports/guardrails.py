"""The port of guardrails: services that are asked about what goes out and what comes back."""

from typing import Protocol

import msgspec

from models_registry.config.guardrails import NO_GUARDRAILS, Guardrail, GuardrailRules
from schema.errors.overload import GuardrailUnavailable


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a guardrail says of some texts."""

    refuses: bool = False
    reason: str = ""
    """Why it refuses, in its own words."""
    texts: tuple[str, ...] | None = None
    """What is to stand in place of the texts. None: they stay."""
    images: tuple[str, ...] | None = None
    """The same for the images."""
    messages: msgspec.Raw | None = None
    """What is to stand in place of `structured_messages`, where neither texts nor images are changed."""


class Guardrails(Protocol):
    """The guardrails of the config, and the way to ask them."""

    @property
    def rules(self) -> GuardrailRules: ...

    async def ask(
        self, guardrail: Guardrail, question: bytes, *, texts: int, images: int = 0, near: bool
    ) -> Verdict:
        """Ask a guardrail about so many texts and images. `near`: only at an address of this machine or of a
        private network. Raises GuardrailUnavailable, and GuardrailNotLocal where it has no such address."""
        ...

    def counted(self, name: str, moment: str, status: str, took_s: float) -> None:
        """Count what a guardrail or a rule about contents decided."""
        ...


class NoGuardrails:
    """A gateway without guardrails. Implements Guardrails."""

    rules = NO_GUARDRAILS

    async def ask(
        self, guardrail: Guardrail, question: bytes, *, texts: int, images: int = 0, near: bool
    ) -> Verdict:
        raise GuardrailUnavailable("There is no such guardrail.")

    def counted(self, name: str, moment: str, status: str, took_s: float) -> None:
        return None


NOBODY_ASKED = NoGuardrails()
