"""Prefixes of providers that speak OpenAI's dialect at an address of theirs, as a config names them."""

_NAMES = """
    302ai abacus abliteration aiand aihubmix aimlapi alibaba_coding_plan alibaba_coding_plan_cn
    alibaba_token_plan alibaba_token_plan_cn amazon_nova ambient anyapi apertis assemblyai atlascloud
    auriko avian bailing baseten berget cerebras chutes clarifai claudinio clf_ai_gateway
    cloudferro_sherlock codestral cognition cometapi compactifai coralbricks cortecs crof crusoe
    darkbloom dashscope dashscope_cn deepinfra deepseek digitalocean dinference doubleword drun edenai
    empiriolabs empower evroc fastrouter featherless fireworks friendliai frogbot galadriel
    github_models gmi gpustack groq helicone heroku hostinger_router hpc_ai huggingface hyperbolic
    iflowcn inception inceptron inference_net inferenceapis io_net jiekou kenari kilo
    kuae_cloud_coding_plan kyma lambda_ai libertai lilac llamagate llmgateway llmtr lucidquery meganova
    meta meta_llama minimax minimax_cn mistral mixlayer moark modelscope moonshot moonshot_cn morph mzai
    nano_gpt nearai nebius neosantara neuralwatt novita nscale nvidia_nim ollama_cloud openai
    opencode_go opencode_zen openinfer openrouter orcarouter ovhcloud parasail perplexity pinstripes poe
    poolside portkey prism privatemode_ai publicai qihang_ai qiniu_ai refuseless regolo_ai reka requesty
    routing_run sail sakana sambanova scaleway scx_ai siliconflow siliconflow_cn stackit stepfun
    stepfun_ai streamlake subconscious submodel synthetic telnyx tencent_coding_plan tencent_tokenhub
    tencent_tokenhub_intl tensormesh the_grid_ai tinfoil together umans_ai umans_ai_coding_plan upstage
    v0 venice vercel_ai_gateway vivgrid volcengine volcengine_intl vultr wafer wandb xai xiaomi_mimo
    xiaomi_token_plan_ams xiaomi_token_plan_cn xiaomi_token_plan_sgp xpersona zai zai_coding_plan zeldoc
    zenmux zerogpu zhipu zhipu_coding_plan
"""
PROVIDERS = tuple(_NAMES.split())
