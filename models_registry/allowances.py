"""Tokens of the input that no byte of a request accounts for: what templates and providers add.

A chat template adds the beginning and the end of each message and the opening of the answer. Some hosts and
some models put a system text of their own before that. The figures are above the largest that was recorded.
"""

from urllib.parse import urlsplit

MESSAGE_TOKENS = 8
"""Role and separators of a message."""
TEMPLATE_TOKENS = 32
"""What a template adds to any call."""
OWN_TEXT_TOKENS = 512
"""The same where a model may have a system text of its own (the `SYSTEM` of Ollama's Modelfile)."""
TOOLS_TOKENS = 1024
"""The prompt that a provider adds where there are tools or a schema (Anthropic: up to 530; Llama 4 at Groq:
487)."""
IMAGE_TOKENS = 50_000
"""An image at its dearest: gpt-4o-mini at high detail takes 2,833 + 8 tiles of 5,667."""
INPUT_TOKENS = 8
"""The frame of one embedded text."""

HOSTS = (
    ("venice.ai", 2048),
    ("openrouter.ai", 768),
    ("x.ai", 512),
)
"""Hosts whose system texts are longer, with the largest recorded: Venice 1,520, OpenRouter 492, xAI 337. A
subdomain counts as its host."""
MODELS = (("gpt-oss", 96), ("llama-3", 64), ("llama3", 64), ("deepseek-v4", 96))
"""What is in the names of models whose template has a system text: gpt-oss 42, Llama 3 35, DeepSeek V4 47."""


def template_tokens(own: int, api_base: str, model: str) -> int:
    """The template allowance of a deployment: `own` is its provider row's."""
    host = (urlsplit(api_base).hostname or "").rstrip(".")
    of_host = (tokens for name, tokens in HOSTS if host == name or host.endswith(f".{name}"))
    of_model = (tokens for part, tokens in MODELS if part in model.lower())
    return max(own, *of_host, *of_model, 0)
