"""Tokens of the input that no byte of a request accounts for: what templates and providers add.

A chat template adds the beginning and the end of each message and the opening of the answer. Some hosts and
some models put a system text of their own before that. The figures are above the largest that was recorded.
"""

import enum

from models_registry.facts.addresses import is_at

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

HOSTS = (
    ("venice.ai", 2048),
    ("openrouter.ai", 768),
    ("x.ai", 512),
)
"""Hosts whose system texts are longer, with the largest recorded: Venice 1,520, OpenRouter 492, xAI 337. A
subdomain counts as its host."""
MODELS = (("gpt-oss", 96), ("llama-3", 64), ("llama3", 64), ("deepseek-v4", 96))
"""What is in the names of models whose template has a system text: gpt-oss 42, Llama 3 35, DeepSeek V4 47."""


LEAST_OUTPUT = (("openrouter.ai", 16),)
"""Hosts that raise a smaller limit on the output to so many tokens."""


class Thinking(enum.Enum):
    """Where a model's thinking is counted, and what bounds it."""

    INSIDE = "inside the limit on the output"
    BESIDE = "beside that limit, and no field bounds it"
    BUDGETED = "beside that limit, and `thinking_budget` bounds it"


THINKING_HOSTS = (
    ("x.ai", Thinking.BESIDE),
    ("doubleword.ai", Thinking.BESIDE),
    ("aliyuncs.com", Thinking.BUDGETED),
    ("siliconflow.com", Thinking.BUDGETED),
    ("siliconflow.cn", Thinking.BUDGETED),
)
"""Recorded: 265 tokens with a limit of 10 at xAI, 246 with one of 64 at Doubleword. Alibaba and SiliconFlow
document it."""
THINKING_MODELS = ("grok",)
"""What is in the names of models that do the same at every host."""


def least_output(api_base: str) -> int:
    """What a host makes of a smaller limit on the output; 0 where it takes any."""
    return max((tokens for name, tokens in LEAST_OUTPUT if is_at(name, api_base)), default=0)


def thinking_of(api_base: str, model: str) -> Thinking:
    """Where the thinking of a model is counted at a host."""
    if any(part in model.lower() for part in THINKING_MODELS):
        return Thinking.BESIDE
    return next((each for name, each in THINKING_HOSTS if is_at(name, api_base)), Thinking.INSIDE)


def template_tokens(own: int, api_base: str, model: str) -> int:
    """The template allowance of a deployment: `own` is its provider row's."""
    of_host = (tokens for name, tokens in HOSTS if is_at(name, api_base))
    of_model = (tokens for part, tokens in MODELS if part in model.lower())
    return max(own, *of_host, *of_model, 0)
