"""Providers that speak OpenAI's dialect, one line each.

    prefix | address | variables of the key, the usual one first: A/B | what differs | sources of the line

`{NAME}` in an address stands for the environment variable NAME, and `-` says that the config has to give the
address. What can differ:

    price=ID            its id in the price data
    also=NAME           another name of the provider in configs (LiteLLM's)
    header=NAME         the header that carries the key, in place of `Authorization: Bearer`
    local               such servers run on the user's own machines: the config gives the address, and the line's is
                        the usual one
    key-optional        it may be called without a key
    older-limit         it takes `max_tokens`, and does not know `max_completion_tokens`
    newer-limit         it takes `max_completion_tokens`, and does not know `max_tokens`
    no-stream-options   it refuses `stream_options`
    joined-content      a message's content must be one text
    no-store            `store` must be false
    not-back=A,B        its own hosts refuse these fields of an earlier answer in messages
    messages=URL        its own hosts have Anthropic's Messages too, at this address up to `/messages`

A line with one source is `unverified` in the docs. Sources: models.dev (MIT, its provider.toml files),
LiteLLM (MIT), Pydantic AI (MIT), any-llm and Vercel's AI SDK (Apache-2.0), recorded exchanges, and the
providers' own documentation."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from models_registry.config.provider import Provider
from models_registry.dialects import Dialect
from models_registry.turns.surfaces import Surface

_PLACE = re.compile(r"\{[A-Za-z_]+\}")
OLDER, NEWER = "max_tokens", "max_completion_tokens"


def openai_like() -> Iterator[Provider]:
    """A row for each line of the table, and one for each further name."""
    for line in TABLE.strip().splitlines():
        yield from rows_of(line)


def rows_of(line: str) -> Iterator[Provider]:
    """The rows that one line stands for: its own, and the same under its other names."""
    prefix, address, variables, differs, sources = (part.strip() for part in line.split("|", 4))
    flags = dict(flag.partition("=")[::2] for flag in differs.split() if not flag.startswith("also="))
    is_local = "local" in flags
    for name in (prefix, *(flag[5:] for flag in differs.split() if flag.startswith("also="))):
        yield Provider(
            prefix=name,
            dialect=Dialect.OPENAI,
            api_base=None if is_local or address == "-" else address,
            usual_base=address if is_local else "",
            hosts=() if is_local or address == "-" else hosts_of(address),
            api_base_env=(f"{name.upper().replace('-', '_')}_API_BASE",),
            api_key_env=tuple(variables.split("/")) if variables != "-" else (),
            key_header=flags.get("header", "authorization"),
            needs_key=not (is_local or "key-optional" in flags),
            local=is_local,
            price_id=flags.get("price"),
            limit_name=OLDER if "older-limit" in flags else NEWER if "newer-limit" in flags else "",
            takes_stream_options="no-stream-options" not in flags,
            joins_content="joined-content" in flags,
            refused_in_messages=tuple(filter(None, flags.get("not-back", "").split(","))),
            surfaces=(Surface.MESSAGES,) if "messages" in flags else (),
            messages_base=flags.get("messages", ""),
            defaults=(("store", b"false"),) if "no-store" in flags else (),
            sources=tuple(sources.split()),
        )


def hosts_of(address: str) -> tuple[str, ...]:
    """The provider's own hosts, by an address of it. A place to fill in stands for one label, unless it is
    the whole host: then no host is known."""
    host = _PLACE.sub("*", urlsplit(address).netloc)
    return () if host == "*" else (host,)


TABLE = """
302ai | https://api.302.ai/v1 | 302AI_API_KEY |  | models.dev
abacus | https://routellm.abacus.ai/v1 | ABACUS_API_KEY |  | models.dev
abliteration | https://api.abliteration.ai/v1 | ABLIT_KEY/ABLITERATION_API_KEY |  | models.dev litellm
ai21_chat | https://api.ai21.com/studio/v1 | AI21_API_KEY | also=ai21 | litellm
aiand | https://api.aiand.com/v1 | AIAND_API_KEY |  | litellm
aihubmix | https://aihubmix.com/v1 | AIHUBMIX_API_KEY |  | models.dev litellm
aimlapi | https://api.aimlapi.com/v1 | AIML_API_KEY | also=aiml | litellm
alibaba_coding_plan | https://coding-intl.dashscope.aliyuncs.com/v1 | ALIBABA_CODING_PLAN_API_KEY |  | models.dev
alibaba_coding_plan_cn | https://coding.dashscope.aliyuncs.com/v1 | ALIBABA_CODING_PLAN_API_KEY |  | models.dev
alibaba_token_plan | https://token-plan.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1 | ALIBABA_TOKEN_PLAN_API_KEY |  | models.dev
alibaba_token_plan_cn | https://token-plan.cn-beijing.maas.aliyuncs.com/compatible-mode/v1 | ALIBABA_TOKEN_PLAN_API_KEY |  | models.dev
amazon_nova | https://api.nova.amazon.com/v1 | NOVA_API_KEY/AMAZON_NOVA_API_KEY |  | models.dev litellm
ambient | https://api.ambient.xyz/v1 | AMBIENT_API_KEY |  | models.dev
anyapi | https://api.anyapi.ai/v1 | ANYAPI_API_KEY |  | models.dev
apertis | https://api.stima.tech/v1 | STIMA_API_KEY | older-limit | litellm
assemblyai | https://llm-gateway.assemblyai.com/v1 | ASSEMBLYAI_API_KEY |  | litellm
atlascloud | https://api.atlascloud.ai/v1 | ATLASCLOUD_API_KEY |  | any-llm
atomic_chat | http://127.0.0.1:1337/v1 | ATOMIC_CHAT_API_KEY | key-optional local | models.dev
auriko | https://api.auriko.ai/v1 | AURIKO_API_KEY |  | models.dev
avian | https://api.avian.io/v1 | AVIAN_API_KEY | price=avian | recordings
bailing | https://api.tbox.cn/api/llm/v1 | BAILING_API_TOKEN |  | models.dev
baseten | https://inference.baseten.co/v1 | BASETEN_API_KEY | price=baseten | models.dev litellm vercel-ai
bedrock_mantle | https://bedrock-mantle.{region}.api.aws/openai/v1 | AWS_BEARER_TOKEN_BEDROCK |  | recordings
berget | https://api.berget.ai/v1 | BERGET_API_KEY |  | models.dev
cascadia | http://localhost:9090/v1 | CASCADIA_API_KEY | key-optional local | any-llm
cerebras | https://api.cerebras.ai/v1 | CEREBRAS_API_KEY | price=cerebras not-back=reasoning_content,reasoning_details,thinking_blocks,provider_specific_fields | models.dev litellm pydantic-ai vercel-ai
chutes | https://llm.chutes.ai/v1 | CHUTES_API_KEY | older-limit | models.dev litellm
clarifai | https://api.clarifai.com/v2/ext/openai/v1 | CLARIFAI_PAT/CLARIFAI_API_KEY |  | models.dev litellm
claudinio | https://api.claudin.io/v1 | CLAUDINIO_API_KEY |  | models.dev
clf_ai_gateway | https://api.clfaigateway.dev/v1 | CLF_AI_GATEWAY_API_KEY |  | litellm
cloudferro_sherlock | https://api-sherlock.cloudferro.com/openai/v1 | CLOUDFERRO_SHERLOCK_API_KEY |  | models.dev
cloudflare | https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1 | CLOUDFLARE_API_KEY | price=cloudflare | models.dev
codestral | https://codestral.mistral.ai/v1 | CODESTRAL_API_KEY | not-back=reasoning_content,reasoning_details,thinking_blocks,provider_specific_fields,reasoning older-limit | litellm
cognition | https://api.cognition.ai/v1 | COGNITION_API_KEY |  | litellm
cohere | https://api.cohere.ai/compatibility/v1 | COHERE_API_KEY | price=cohere no-stream-options | docs models.dev vercel-ai
cometapi | https://api.cometapi.com/v1 | COMETAPI_KEY |  | litellm
compactifai | https://api.compactif.ai/v1 | COMPACTIFAI_API_KEY |  | litellm
coralbricks | https://inference.coralbricks.ai/v1 | CORALBRICKS_API_KEY |  | litellm
cortecs | https://api.cortecs.ai/v1 | CORTECS_API_KEY |  | models.dev litellm
crof | https://crof.ai/v1 | CROF_API_KEY |  | models.dev
crusoe | https://api.inference.crusoecloud.com/v1 | CRUSOE_API_KEY | older-limit | litellm pydantic-ai
darkbloom | https://api.darkbloom.dev/v1 | DARKBLOOM_API_KEY | older-limit | litellm
dashscope | https://dashscope-intl.aliyuncs.com/compatible-mode/v1 | DASHSCOPE_API_KEY/ALIBABA_API_KEY |  | models.dev pydantic-ai vercel-ai any-llm
dashscope_cn | https://dashscope.aliyuncs.com/compatible-mode/v1 | DASHSCOPE_API_KEY |  | models.dev
databricks | https://{DATABRICKS_HOST}/ai-gateway/mlflow/v1 | DATABRICKS_TOKEN | older-limit | models.dev
deepinfra | https://api.deepinfra.com/v1/openai | DEEPINFRA_API_KEY |  | models.dev litellm vercel-ai any-llm
deepseek | https://api.deepseek.com | DEEPSEEK_API_KEY | price=deepseek messages=https://api.deepseek.com/anthropic/v1 older-limit | docs models.dev litellm pydantic-ai
digitalocean | https://inference.do-ai.run/v1 | DIGITALOCEAN_ACCESS_TOKEN |  | models.dev
dinference | https://api.dinference.com/v1 | DINFERENCE_API_KEY |  | models.dev
docker_model_runner | http://localhost:12434/engines/v1 | DOCKER_MODEL_RUNNER_API_KEY | key-optional local | docs litellm
doubleword | https://api.doubleword.ai/v1 | DOUBLEWORD_API_KEY | price=doubleword | recordings
drun | https://chat.d.run/v1 | DRUN_API_KEY |  | models.dev
edenai | https://api.edenai.run/v3 | EDENAI_API_KEY |  | litellm any-llm
empiriolabs | https://api.empiriolabs.ai/v1 | EMPIRIOLABS_API_KEY | older-limit | litellm
empower | https://app.empower.dev/api/v1 | EMPOWER_API_KEY |  | litellm
evroc | https://models.think.evroc.com/v1 | EVROC_API_KEY |  | models.dev
fastrouter | https://go.fastrouter.ai/api/v1 | FASTROUTER_API_KEY |  | models.dev
featherless | https://api.featherless.ai/v1 | FEATHERLESS_AI_API_KEY/FEATHERLESS_API_KEY | also=featherless_ai | litellm
fireworks | https://api.fireworks.ai/inference/v1 | FIREWORKS_API_KEY/FIREWORKS_AI_API_KEY/FIREWORKSAI_API_KEY | price=fireworks also=fireworks_ai | models.dev litellm pydantic-ai vercel-ai
friendliai | https://api.friendli.ai/serverless/v1 | FRIENDLI_TOKEN/FRIENDLIAI_API_KEY |  | models.dev litellm
frogbot | https://app.frogbot.ai/api/v1 | FROGBOT_API_KEY |  | models.dev
galadriel | https://api.galadriel.com/v1 | GALADRIEL_API_KEY |  | litellm
github_models | https://models.github.ai/inference | GITHUB_TOKEN/GITHUB_API_KEY | also=github | models.dev litellm pydantic-ai any-llm
gmi | https://api.gmi-serving.com/v1 | GMICLOUD_API_KEY/GMI_API_KEY/GMI_CLOUD_APIKEY |  | models.dev litellm vercel-ai any-llm
gpustack | http://localhost/v1 | GPUSTACK_API_KEY | local | recordings
groq | https://api.groq.com/openai/v1 | GROQ_API_KEY | price=groq not-back=reasoning_content,reasoning_details,thinking_blocks,provider_specific_fields | models.dev litellm pydantic-ai vercel-ai
helicone | https://ai-gateway.helicone.ai/v1 | HELICONE_API_KEY |  | models.dev litellm
heroku | https://us.inference.heroku.com/v1 | HEROKU_INFERENCE_KEY |  | recordings pydantic-ai
hostinger_router | https://router.hostinger.com/v1 | HOSTINGER_ROUTER_API_KEY |  | litellm
hpc_ai | https://api.hpc-ai.com/inference/v1 | HPC_AI_API_KEY |  | models.dev
huggingface | https://router.huggingface.co/v1 | HF_TOKEN/HUGGINGFACE_API_KEY |  | models.dev litellm vercel-ai
hyperbolic | https://api.hyperbolic.xyz/v1 | HYPERBOLIC_API_KEY |  | litellm
iflowcn | https://apis.iflow.cn/v1 | IFLOW_API_KEY |  | models.dev
inception | https://api.inceptionlabs.ai/v1 | INCEPTION_API_KEY |  | models.dev litellm any-llm
inceptron | https://api.inceptron.io/v1 | INCEPTRON_API_KEY |  | models.dev
inference_net | https://inference.net/v1 | INFERENCE_API_KEY |  | models.dev
inferenceapis | https://api.inferenceapis.com/v1 | INFERENCEAPIS_API_KEY |  | litellm
infinity | http://localhost:7997/v1 | INFINITY_API_KEY | local key-optional | litellm
io_net | https://api.intelligence.io.solutions/api/v1 | IOINTELLIGENCE_API_KEY |  | models.dev
jina_ai | https://api.jina.ai/v1 | JINA_AI_API_KEY/JINA_API_KEY |  | litellm
jiekou | https://api.jiekou.ai/openai | JIEKOU_API_KEY |  | models.dev
kenari | https://kenari.id/v1 | KENARI_API_KEY |  | any-llm
kilo | https://api.kilo.ai/api/gateway | KILO_API_KEY |  | models.dev
kuae_cloud_coding_plan | https://coding-plan-endpoint.kuaecloud.net/v1 | KUAE_API_KEY |  | models.dev
kyma | https://kymaapi.com/v1 | KYMA_API_KEY |  | litellm
lambda_ai | https://api.lambda.ai/v1 | LAMBDA_API_KEY |  | litellm
lemonade | http://localhost:8000/api/v1 | LEMONADE_API_KEY | key-optional local | litellm
libertai | https://api.libertai.io/v1 | LIBERTAI_API_KEY | older-limit | litellm
lilac | https://api.getlilac.com/v1 | LILAC_API_KEY |  | models.dev
litellm_proxy | - | LITELLM_PROXY_API_KEY | key-optional | litellm
llamagate | https://api.llamagate.dev/v1 | LLAMAGATE_API_KEY | older-limit | litellm
llmgateway | https://api.llmgateway.io/v1 | LLMGATEWAY_API_KEY |  | models.dev
llmtr | https://llmtr.com/v1 | LLMTR_API_KEY |  | models.dev
lucidquery | https://api.lucidquery.com/v1 | LUCIDQUERY_API_KEY |  | models.dev
meganova | https://api.meganova.ai/v1 | MEGANOVA_API_KEY |  | models.dev
meta | https://api.meta.ai/v1 | META_API_KEY/MODEL_API_KEY | price=meta | litellm any-llm
meta_llama | https://api.llama.com/compat/v1 | LLAMA_API_KEY |  | models.dev litellm any-llm
minimax | https://api.minimax.io/v1 | MINIMAX_API_KEY | price=minimax messages=https://api.minimax.io/anthropic/v1 | models.dev litellm vercel-ai any-llm
minimax_cn | https://api.minimaxi.com/v1 | MINIMAX_API_KEY | price=minimax | litellm models.dev
mistral | https://api.mistral.ai/v1 | MISTRAL_API_KEY | price=mistral not-back=reasoning_content,reasoning_details,thinking_blocks,provider_specific_fields,reasoning older-limit | recordings models.dev litellm vercel-ai
mistralrs | http://localhost:1234/v1 | - | key-optional local | recordings
mixlayer | https://models.mixlayer.ai/v1 | MIXLAYER_API_KEY |  | models.dev
moark | https://moark.com/v1 | MOARK_API_KEY |  | models.dev
modelscope | https://api-inference.modelscope.cn/v1 | MODELSCOPE_API_KEY |  | models.dev litellm
moonshot | https://api.moonshot.ai/v1 | MOONSHOT_API_KEY/MOONSHOTAI_API_KEY | price=moonshotai messages=https://api.moonshot.ai/anthropic/v1 | docs models.dev litellm pydantic-ai vercel-ai
moonshot_cn | https://api.moonshot.cn/v1 | MOONSHOT_API_KEY | price=moonshotai | models.dev
morph | https://api.morphllm.com/v1 | MORPH_API_KEY |  | models.dev litellm
mzai | https://platform-api.any-llm.ai/api/v1 | ANY_LLM_KEY |  | any-llm
nano_gpt | https://nano-gpt.com/api/v1 | NANO_GPT_API_KEY/NANOGPT_API_KEY | older-limit also=nano-gpt | models.dev litellm
nearai | https://cloud-api.near.ai/v1 | NEARAI_API_KEY |  | models.dev
nebius | https://api.tokenfactory.nebius.com/v1 | NEBIUS_API_KEY | older-limit | models.dev litellm pydantic-ai any-llm
neosantara | https://api.neosantara.xyz/v1 | NEOSANTARA_API_KEY | older-limit | litellm any-llm
neuralwatt | https://api.neuralwatt.com/v1 | NEURALWATT_API_KEY |  | models.dev
novita | https://api.novita.ai/openai | NOVITA_API_KEY | price=novita | models.dev litellm
nscale | https://inference.api.nscale.com/v1 | NSCALE_API_KEY |  | litellm
nvidia_nim | https://integrate.api.nvidia.com/v1 | NVIDIA_API_KEY/NVIDIA_NIM_API_KEY |  | models.dev litellm
ollama_cloud | https://ollama.com/v1 | OLLAMA_API_KEY |  | models.dev
oobabooga | http://localhost:5000/v1 | OOBABOOGA_API_KEY | local key-optional | litellm
openai_like | - | OPENAI_LIKE_API_KEY | key-optional | litellm
opencode_go | https://opencode.ai/zen/go/v1 | OPENCODE_API_KEY |  | models.dev
opencode_zen | https://opencode.ai/zen/v1 | OPENCODE_API_KEY/OPENCODE_GO_API_KEY |  | models.dev litellm
openinfer | https://api.openinfer.ai/v1 | OPENINFER_API_KEY |  | litellm
openrouter | https://openrouter.ai/api/v1 | OPENROUTER_API_KEY/OR_API_KEY | price=openrouter | models.dev litellm pydantic-ai any-llm
orcarouter | https://api.orcarouter.ai/v1 | ORCAROUTER_API_KEY |  | models.dev
ovhcloud | https://oai.endpoints.kepler.ai.cloud.ovh.net/v1 | OVHCLOUD_API_KEY | price=ovhcloud | models.dev pydantic-ai any-llm
parasail | https://api.parasail.io/v1 | PARASAIL_API_KEY | no-store | litellm
perplexity | https://api.perplexity.ai | PERPLEXITY_API_KEY/PERPLEXITYAI_API_KEY | price=perplexity | models.dev litellm vercel-ai any-llm
pinstripes | https://pinstripes.io/v1 | PINSTRIPES_API_KEY | older-limit | litellm
poe | https://api.poe.com/v1 | POE_API_KEY | older-limit | models.dev litellm
poolside | https://inference.poolside.ai/v1 | POOLSIDE_API_KEY |  | models.dev
portkey | https://api.portkey.ai/v1 | PORTKEY_API_KEY |  | any-llm
prism | https://api.prisminference.com/v1 | PRISM_API_KEY |  | litellm
privatemode_ai | http://localhost:8080/v1 | PRIVATEMODE_API_KEY | local | models.dev
publicai | https://api.publicai.co/v1 | PUBLICAI_API_KEY | older-limit joined-content | litellm
qihang_ai | https://api.qhaigc.net/v1 | QIHANG_API_KEY |  | models.dev
qiniu_ai | https://api.qnaigc.com/v1 | QINIU_API_KEY |  | models.dev any-llm
refuseless | https://api.refuseless.com/v1 | REFUSELESS_API_KEY |  | litellm
regolo_ai | https://api.regolo.ai/v1 | REGOLO_API_KEY |  | models.dev
reka | https://api.reka.ai/v1 | REKA_API_KEY |  | litellm
requesty | https://router.requesty.ai/v1 | REQUESTY_API_KEY |  | models.dev any-llm
routing_run | https://ai.routing.sh/v1 | ROUTING_RUN_API_KEY |  | models.dev
sail | https://api.sailresearch.com/v1 | SAIL_API_KEY |  | litellm
sakana | https://api.sakana.ai/v1 | SAKANA_API_KEY |  | models.dev
sambanova | https://api.sambanova.ai/v1 | SAMBANOVA_API_KEY |  | litellm pydantic-ai any-llm
sarvam | https://api.sarvam.ai/v1 | SARVAM_API_KEY | older-limit header=api-subscription-key | models.dev litellm
scaleway | https://api.scaleway.ai/v1 | SCALEWAY_API_KEY/SCW_SECRET_KEY |  | models.dev litellm
scx_ai | https://api.scx.ai/v1 | SCX_API_KEY | older-limit | litellm
siliconflow | https://api.siliconflow.com/v1 | SILICONFLOW_API_KEY |  | models.dev
siliconflow_cn | https://api.siliconflow.cn/v1 | SILICONFLOW_CN_API_KEY |  | models.dev
snowflake | https://{SNOWFLAKE_ACCOUNT}.snowflakecomputing.com/api/v2/cortex/v1 | SNOWFLAKE_CORTEX_PAT/SNOWFLAKE_TOKEN |  | models.dev pydantic-ai
stackit | https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1 | STACKIT_API_KEY |  | models.dev
stepfun | https://api.stepfun.com/v1 | STEPFUN_API_KEY |  | models.dev
stepfun_ai | https://api.stepfun.ai/step_plan/v1 | STEPFUN_API_KEY |  | models.dev
streamlake | https://vanchin.streamlake.ai/api/gateway/v1/endpoints | STREAMLAKE_API_KEY | newer-limit | litellm
subconscious | https://api.subconscious.dev/v1 | SUBCONSCIOUS_API_KEY |  | models.dev
submodel | https://llm.submodel.ai/v1 | SUBMODEL_INSTAGEN_ACCESS_KEY |  | models.dev
synthetic | https://api.synthetic.new/openai/v1 | SYNTHETIC_API_KEY | older-limit | models.dev litellm
telnyx | https://api.telnyx.com/v2/ai | TELNYX_API_KEY |  | any-llm
tencent_coding_plan | https://api.lkeap.cloud.tencent.com/coding/v3 | TENCENT_CODING_PLAN_API_KEY |  | models.dev
tencent_tokenhub | https://tokenhub.tencentmaas.com/v1 | TENCENT_TOKENHUB_API_KEY |  | models.dev
tencent_tokenhub_intl | https://tokenhub-intl.tencentcloudmaas.com/v1 | TENCENT_API_KEY |  | litellm
tensormesh | https://serverless.tensormesh.ai/v1 | TENSORMESH_INFERENCE_API_KEY | older-limit | litellm
the_grid_ai | https://api.thegrid.ai/v1 | THEGRIDAI_API_KEY |  | models.dev
tinfoil | https://inference.tinfoil.sh/v1 | TINFOIL_API_KEY |  | models.dev
together | https://api.together.xyz/v1 | TOGETHER_API_KEY/TOGETHER_AI_API_KEY/TOGETHERAI_API_KEY | price=together also=together_ai | models.dev litellm pydantic-ai vercel-ai
triton | http://localhost:9000/v1 | TRITON_API_KEY | local key-optional | litellm
umans_ai | https://api.code.umans.ai/v1 | UMANS_AI_API_KEY |  | models.dev
umans_ai_coding_plan | https://api.code.umans.ai/v1 | UMANS_AI_CODING_PLAN_API_KEY |  | models.dev
upstage | https://api.upstage.ai/v1/solar | UPSTAGE_API_KEY |  | models.dev
v0 | https://api.v0.dev/v1 | V0_API_KEY |  | models.dev litellm
venice | https://api.venice.ai/api/v1 | VENICE_API_KEY/VENICE_AI_API_KEY | also=veniceai | models.dev litellm
vercel_ai_gateway | https://ai-gateway.vercel.sh/v1 | AI_GATEWAY_API_KEY/VERCEL_AI_GATEWAY_API_KEY/VERCEL_OIDC_TOKEN |  | models.dev litellm pydantic-ai
vivgrid | https://api.vivgrid.com/v1 | VIVGRID_API_KEY |  | models.dev
vllm | http://localhost:8000/v1 | VLLM_API_KEY | key-optional local | any-llm
volcengine | https://ark.cn-beijing.volces.com/api/v3 | VOLCENGINE_API_KEY | older-limit | litellm
volcengine_intl | https://ark.ap-southeast.bytepluses.com/api/v3 | ARK_API_KEY |  | vercel-ai
voyage | https://api.voyageai.com/v1 | VOYAGE_API_KEY/VOYAGE_AI_API_KEY/VOYAGE_AI_TOKEN | price=voyageai | litellm pydantic-ai vercel-ai
vultr | https://api.vultrinference.com/v1 | VULTR_API_KEY |  | models.dev
wafer | https://pass.wafer.ai/v1 | WAFER_API_KEY |  | models.dev
wandb | https://api.inference.wandb.ai/v1 | WANDB_API_KEY | older-limit | models.dev litellm
xai | https://api.x.ai/v1 | XAI_API_KEY | price=x-ai | models.dev litellm pydantic-ai vercel-ai
xiaomi_mimo | https://api.xiaomimimo.com/v1 | XIAOMI_API_KEY/XIAOMI_MIMO_API_KEY | older-limit | models.dev litellm
xiaomi_token_plan_ams | https://token-plan-ams.xiaomimimo.com/v1 | XIAOMI_API_KEY |  | models.dev
xiaomi_token_plan_cn | https://token-plan-cn.xiaomimimo.com/v1 | XIAOMI_API_KEY |  | models.dev
xiaomi_token_plan_sgp | https://token-plan-sgp.xiaomimimo.com/v1 | XIAOMI_API_KEY |  | models.dev
xinference | http://localhost:9997/v1 | XINFERENCE_API_KEY | local key-optional | litellm
xpersona | https://www.xpersona.co/v1 | XPERSONA_API_KEY |  | models.dev
zai | https://api.z.ai/api/paas/v4 | ZHIPU_API_KEY/ZAI_API_KEY | price=zai also=zhipuai older-limit | models.dev litellm pydantic-ai any-llm
zai_coding_plan | https://api.z.ai/api/coding/paas/v4 | ZHIPU_API_KEY | messages=https://api.z.ai/api/anthropic/v1 older-limit | docs models.dev
zeldoc | https://api.zeldoc.ai/v1 | ZELDOC_API_KEY |  | models.dev
zenmux | https://zenmux.ai/api/v1 | ZENMUX_API_KEY |  | models.dev
zerogpu | https://api.zerogpu.ai/v1 | ZEROGPU_API_KEY |  | litellm
zhipu | https://open.bigmodel.cn/api/paas/v4 | ZHIPU_API_KEY/BIGMODEL_API_KEY | price=zhipuai older-limit | models.dev litellm
zhipu_coding_plan | https://open.bigmodel.cn/api/coding/paas/v4 | ZHIPU_API_KEY | older-limit | models.dev
"""
