"""The surfaces: the ways in which clients ask for text."""

import enum


class Surface(enum.Enum):
    """One way in which clients ask, and in which some providers can be asked."""

    CHAT = "chat"
    """OpenAI's chat completions."""
    COMPLETIONS = "completions"
    """OpenAI's legacy completions."""
    RESPONSES = "responses"
    """OpenAI's Responses."""
    MESSAGES = "messages"
    """Anthropic's Messages."""

    __hash__ = object.__hash__
    """By identity, as members are compared. Enum's own takes ten times as long."""
