"""Tokens of the input that come from no byte of the request: chat templates and providers add them.

A chat template adds the beginning and the end of each message and the opening of the answer. Some hosts and
some models put a system text of their own before that. Each allowance is above the largest figure recorded.
"""

import enum

from models_registry.facts.addresses import is_at

MESSAGE_TOKENS = 8
"""The tokens of one message's role and separators."""
TEMPLATE_TOKENS = 32
"""The tokens that a chat template adds to any call."""
OWN_TEXT_TOKENS = 512
"""The tokens that a template adds where the model may have a system text of its own, such as the `SYSTEM` of
Ollama's Modelfile."""
TOOLS_TOKENS = 1024
"""The tokens of the prompt that a provider adds where a request has tools or a schema. Recorded: up to 530 at
Anthropic, 487 for Llama 4 at Groq."""
IMAGE_TOKENS = 50_000
"""The most tokens of one image. The largest known is gpt-4o-mini's at high detail: 2,833 + 8 tiles of
5,667."""

HOSTS = (
    ("venice.ai", 2048),
    ("openrouter.ai", 768),
    ("x.ai", 512),
)
"""Hosts that add longer system texts, each with its allowance in tokens. The largest recorded are 1,520 at
Venice, 492 at OpenRouter, 337 at xAI. A subdomain counts as its host."""
MODELS = (("gpt-oss", 96), ("llama-3", 64), ("llama3", 64), ("deepseek-v4", 96), ("nova-2", 128))
"""Parts of the names of models whose template has a system text, each with its allowance in tokens. The
largest recorded are 42 for gpt-oss, 35 for Llama 3, 47 for DeepSeek V4, 57 for Nova 2."""


LEAST_OUTPUT = (("openrouter.ai", 16),)
"""Hosts that raise a limit on the output to this number of tokens where the limit is smaller."""


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
"""Hosts that do not count thinking inside the limit. Recorded: 265 tokens with a limit of 10 at xAI, 246 with
a limit of 64 at Doubleword. Alibaba (`aliyuncs.com`) and SiliconFlow document it."""
THINKING_MODELS = ("grok",)
"""Parts of the names of models whose thinking comes beside the limit at every host."""


FORCES_NO_THINKER = ("deepseek.com",)
"""Hosts at which a model that thinks, as it does unless `thinking` says otherwise, refuses to be made to call
a tool."""


def forces_no_thinker(api_base: str) -> bool:
    """Whether a host refuses a forced tool while its model thinks."""
    return any(is_at(name, api_base) for name in FORCES_NO_THINKER)


def least_output(api_base: str) -> int:
    """The tokens to which a host raises a smaller limit on the output, such as 16. 0: the host takes any
    limit."""
    return max((tokens for name, tokens in LEAST_OUTPUT if is_at(name, api_base)), default=0)


def thinking_of(api_base: str, model: str) -> Thinking:
    """Where the thinking of a model is counted at a host."""
    if any(part in model.lower() for part in THINKING_MODELS):
        return Thinking.BESIDE
    return next((each for name, each in THINKING_HOSTS if is_at(name, api_base)), Thinking.INSIDE)


def template_tokens(own: int, api_base: str, model: str) -> int:
    """The template allowance of a deployment in tokens: the largest of its provider row's (`own`), its host's
    and its model's."""
    of_host = (tokens for name, tokens in HOSTS if is_at(name, api_base))
    of_model = (tokens for part, tokens in MODELS if part in model.lower())
    return max(own, *of_host, *of_model, 0)
