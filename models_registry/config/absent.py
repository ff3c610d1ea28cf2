"""LiteLLM's providers that have no row of their own here, and the lines with which most of them can be
called, since they speak OpenAI's dialect. What a row says is told to an owner whose config names it."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class AbsentProvider(msgspec.Struct, frozen=True):
    """`api_base` empty: it can't be called by this version."""

    prefix: str
    api_base: str = ""
    variable: str = ""
    model: str = "openai/<model>"
    local: bool = False
    """Whether such a server runs on the user's own machines."""

    def advice(self) -> str:
        """What to write. It has nothing of the config in it but the prefix."""
        if not self.api_base:
            return f"the provider {self.prefix} is not in this version"
        return (
            f"the provider {self.prefix} has no row of its own in this version; it speaks OpenAI's dialect: "
            f"write model: {self.model} with api_base: {self.api_base} and "
            f"api_key: os.environ/{self.variable}"
        )


_OPENAI_LIKE = """
groq             https://api.groq.com/openai/v1                          GROQ_API_KEY
deepseek         https://api.deepseek.com/v1                             DEEPSEEK_API_KEY
mistral          https://api.mistral.ai/v1                               MISTRAL_API_KEY
openrouter       https://openrouter.ai/api/v1                            OPENROUTER_API_KEY
xai              https://api.x.ai/v1                                     XAI_API_KEY
together_ai      https://api.together.ai/v1                              TOGETHER_API_KEY
fireworks_ai     https://api.fireworks.ai/inference/v1                   FIREWORKS_API_KEY
perplexity       https://api.perplexity.ai                               PERPLEXITY_API_KEY
deepinfra        https://api.deepinfra.com/v1/openai                     DEEPINFRA_API_KEY
cerebras         https://api.cerebras.ai/v1                              CEREBRAS_API_KEY
nvidia_nim       https://integrate.api.nvidia.com/v1                     NVIDIA_NIM_API_KEY
sambanova        https://api.sambanova.ai/v1                             SAMBANOVA_API_KEY
baseten          https://inference.baseten.co/v1                         BASETEN_API_KEY
nebius           https://api.studio.nebius.ai/v1                         NEBIUS_API_KEY
github           https://models.inference.ai.azure.com                   GITHUB_API_KEY
codestral        https://codestral.mistral.ai/v1                         CODESTRAL_API_KEY
meta_llama       https://api.llama.com/compat/v1                         LLAMA_API_KEY
ai21_chat        https://api.ai21.com/studio/v1                          AI21_API_KEY
moonshot         https://api.moonshot.ai/v1                              MOONSHOT_API_KEY
zai              https://api.z.ai/api/paas/v4                            ZAI_API_KEY
dashscope        https://dashscope-intl.aliyuncs.com/compatible-mode/v1  DASHSCOPE_API_KEY
volcengine       https://ark.cn-beijing.volces.com/api/v3                VOLCENGINE_API_KEY
novita           https://api.novita.ai/v3/openai                         NOVITA_API_KEY
hyperbolic       https://api.hyperbolic.xyz/v1                           HYPERBOLIC_API_KEY
lambda_ai        https://api.lambda.ai/v1                                LAMBDA_API_KEY
nscale           https://inference.api.nscale.com/v1                     NSCALE_API_KEY
featherless_ai   https://api.featherless.ai/v1                           FEATHERLESS_API_KEY
v0               https://api.v0.dev/v1                                   V0_API_KEY
morph            https://api.morphllm.com/v1                             MORPH_API_KEY
inception        https://api.inceptionlabs.ai/v1                         INCEPTION_API_KEY
vercel_ai_gateway  https://ai-gateway.vercel.sh/v1                       VERCEL_AI_GATEWAY_API_KEY
wandb            https://api.inference.wandb.ai/v1                       WANDB_API_KEY
aiml             https://api.aimlapi.com/v1                              AIML_API_KEY
cometapi         https://api.cometapi.com/v1                             COMETAPI_KEY
modelscope       https://api-inference.modelscope.cn/v1                  MODELSCOPE_API_KEY
friendliai       https://api.friendli.ai/serverless/v1                   FRIENDLI_TOKEN
gemini           https://generativelanguage.googleapis.com/v1beta/openai GEMINI_API_KEY
huggingface      https://router.huggingface.co/v1                        HF_TOKEN
"""
"""Prefix, address and variable. Sources: the providers' own API references, and the prefixes that LiteLLM
1.109 documents."""
_NOT_YET = (
    "bedrock vertex_ai vertex_ai_beta cohere cohere_chat sagemaker sagemaker_chat watsonx replicate "
    "databricks snowflake voyage jina_ai palm petals predibase nlp_cloud aleph_alpha clarifai cloudflare "
    "gigachat oci sap azure_text elevenlabs deepgram assemblyai stability recraft"
)
_LOCAL = (
    ("vllm", 8000),
    ("xinference", 9997),
    ("oobabooga", 5000),
    ("triton", 9000),
    ("docker_model_runner", 12434),
    ("infinity", 7997),
    ("lemonade", 8000),
)
"""Servers of one's own, and their usual ports."""
_ROWS = (
    *(
        AbsentProvider(prefix, address, variable)
        for prefix, address, variable in map(str.split, _OPENAI_LIKE.strip().splitlines())
    ),
    *(AbsentProvider(prefix) for prefix in _NOT_YET.split()),
    AbsentProvider(
        "azure",
        "https://<resource>.openai.azure.com/openai/v1",
        "AZURE_API_KEY",
        model="openai/<deployment>",
    ),
    AbsentProvider(
        "azure_ai",
        "https://<resource>.services.ai.azure.com/openai/v1",
        "AZURE_AI_API_KEY",
        model="openai/<deployment>",
    ),
    AbsentProvider("openai_like", "https://<host>/v1", "<NAME>"),
    AbsentProvider("litellm_proxy", "https://<host>/v1", "LITELLM_PROXY_API_KEY"),
    *(
        AbsentProvider(
            prefix, f"http://<host>:{port}/v1", "HOSTED_VLLM_API_KEY", model="hosted_vllm/<model>", local=True
        )
        for prefix, port in _LOCAL
    ),
)

ABSENT: Mapping[str, AbsentProvider] = MappingProxyType({row.prefix: row for row in _ROWS})
