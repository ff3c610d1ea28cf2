"""Guardrails in memory, for functions called directly.

    shield = FakeGuardrails("shield", default_on=True, moments={Moment.BEFORE, Moment.AFTER})
    shield.says = lambda question: Verdict(refuses=True, reason="no")

Each question is kept in `questions`, decoded.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from functions.ports.guardrails import Verdict
from models_registry.config.guardrails import Guardrail, GuardrailRules, Moment
from schema.errors.base import GatewayError

Says = Callable[[Any], Verdict | GatewayError]


def lets_all(question: Any) -> Verdict:
    return Verdict()


class FakeGuardrails:
    """Implements `functions.ports.guardrails.Guardrails`."""

    def __init__(
        self, *names: str, moments: Iterable[Moment] = (Moment.BEFORE,), says: Says = lets_all, **facts: Any
    ) -> None:
        made = {
            name: Guardrail(name=name, url="http://guard.test", moments=frozenset(moments), **facts)
            for name in names
        }
        defaults = tuple(name for name, each in made.items() if each.default_on)
        self.rules = GuardrailRules(guardrails=made, defaults=defaults)
        self.says = says
        self.questions: list[Any] = []
        self.near: list[bool] = []
        self.counts: list[tuple[str, str, str]] = []

    async def ask(
        self, guardrail: Guardrail, question: bytes, *, texts: int, images: int = 0, near: bool
    ) -> Verdict:
        asked = msgspec.json.decode(question)
        assert len(asked["texts"]) == texts
        assert len(asked.get("images", ())) in (0, images)
        self.questions.append({"guardrail": guardrail.name, **asked})
        self.near.append(near)
        said = self.says(asked)
        if isinstance(said, GatewayError):
            raise said
        return said

    def counted(self, name: str, moment: str, status: str, took_s: float) -> None:
        self.counts.append((name, moment, status))
