"""Who reads an answer before its client is sent it: rules about contents, and guardrails."""

from collections.abc import Sequence

import msgspec

from models_registry.config.guardrails import Guardrail
from models_registry.contents.rules import ContentRule

RULES_WINDOW_CHARS = 500
"""So many characters of a stream are read by rules together."""
RULES_HELD_CHARS = 256
"""So many stay held back: the longest e-mail address has 254, an IBAN in groups 67."""


class Readers(msgspec.Struct, frozen=True):
    """The rules read first, so that no guardrail is shown what they redact."""

    rules: Sequence[ContentRule] = ()
    guardrails: Sequence[Guardrail] = ()

    @property
    def window_chars(self) -> int:
        """After how many characters of a stream they read."""
        own = [RULES_WINDOW_CHARS] if self.rules else []
        return min([*own, *(each.window_chars for each in self.guardrails)])

    @property
    def held_chars(self) -> int:
        """How many characters stay held back when a window was read."""
        own = [RULES_HELD_CHARS] if self.rules else []
        return max([*own, *(each.held_chars for each in self.guardrails)])

    @property
    def told(self) -> str:
        """The first of them, as an error names it."""
        if self.rules:
            return f"the rule `{self.rules[0].name}`"
        return f"the guardrail `{self.guardrails[0].name}`"
