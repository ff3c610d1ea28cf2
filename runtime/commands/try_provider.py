"""`just try-provider`: the smallest real call to a provider or a model, and what is wrong, in words."""

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from functions.calls.trial import Trial, TrialMode, tried
from functions.contract.call import MASTER_KEY_HASH, Call, Caller
from functions.contract.policy import Policy
from functions.contract.roles import PROXY_ADMIN
from functions.ports.context import ModelContext
from functions.ports.models import Bounds, Hold
from models_registry.config.providers import PROVIDERS
from models_registry.facts.table import facts_of, listed
from models_registry.prices.price import cost_parts
from models_registry.target import Deadlines, Target
from runtime.blueprint import Checked, check
from runtime.config_file import Document
from runtime.credentials.signer import Signer
from runtime.upstream.client import HttpUpstream
from runtime.upstream.loaded import HostContexts
from schema.money import dollars_text
from schema.usage import Usage

DEADLINES = Deadlines(connect_s=10.0, first_byte_s=60.0, idle_s=60.0, total_s=90.0)
"""A local model may have to be loaded."""


MAX_PRICED = 300


class TryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says. `name`: a model of the config, or a provider, with or without a model
    (`groq`, `groq/llama-3.1-8b-instant`)."""

    name: str
    api_base: str | None = None
    api_key_env: str | None = None
    """The variable of the environment that holds the key. None: the provider's usual one."""
    mode: TrialMode | None = None
    """None: what is known of the model decides."""


def try_provider(options: TryOptions, document: Document, env: Mapping[str, str]) -> int:
    """Call each deployment of the name once, and print how it went. Gives 0 where all work, 1 where one does
    not, 2 where the name or the config is wrong."""
    checked = check(document, env)
    targets = () if checked.errors else checked.registry.named(options.name)
    if not targets:
        made = _made(options, env)
        if isinstance(made, str):
            print(f"switchgear: {made}", file=sys.stderr)
            return 2
        checked = made
        targets = checked.registry.named(options.name)
    reasons = checked.registry.why_not(options.name)
    for reason in reasons:
        print(f"failed: {reason}")
    works = bool(targets) and not reasons
    for target in targets:
        mode = options.mode or _mode_of(target)
        works = asyncio.run(_try(target, mode, checked)) and works
    return 0 if works else 1


def _made(options: TryOptions, env: Mapping[str, str]) -> Checked | str:
    """A config of one deployment, or why there is none."""
    provider, _, model = options.name.partition("/")
    row = PROVIDERS.get(provider)
    if row is None:
        return (
            f"{options.name!r} is no model of the config, and no provider has that name: see just providers"
        )
    if not model:
        model = cheapest(provider, options.mode or "chat") or ""
        if not model:
            return f"no model of {provider} is known: name one, as in {provider}/<model>"
        print(f"{provider}: no model is named; the cheapest one that is known is {model}")
    params: dict[str, Any] = {"model": f"{provider}/{model}"}
    if options.api_base is not None:
        params["api_base"] = options.api_base
    elif row.api_base is None and row.usual_base.startswith(("http://127.", "http://localhost")):
        params["api_base"] = row.usual_base
    if options.api_key_env is not None:
        params["api_key"] = f"os.environ/{options.api_key_env}"
    entry = {"model_name": options.name, "litellm_params": params}
    checked = check({"model_list": [entry]}, env)
    return checked.errors[0] if checked.errors else checked


def cheapest(provider: str, mode: TrialMode) -> str | None:
    """The known model of a provider with the lowest price for input and output. Models that know tools come
    first, since the others may be no models for talk; a model without a known price comes last. None: no such
    model is known."""
    today = datetime.now(UTC).date()

    def price_of(model: str) -> float:
        entry = {"model_name": "m", "litellm_params": {"model": f"{provider}/{model}", "api_key": "none"}}
        found = check({"model_list": [entry]}, {}).registry.named("m")
        price = found[0].price if found else None
        if price is None:
            return float("inf")
        return float(sum(cost_parts(price, Usage(prompt_tokens=1_000, completion_tokens=1_000), 0)))

    known = [
        each
        for each in listed(provider)
        if each.mode == mode and (each.deprecated is None or each.deprecated > today)
    ]
    capable = [each.model for each in known if each.tools] or [each.model for each in known]
    return min(capable[:MAX_PRICED], key=price_of, default=None)


def _mode_of(target: Target) -> TrialMode:
    facts = facts_of(target.provider, target.model)
    return "embedding" if facts is not None and facts.mode == "embedding" else "chat"


async def _try(target: Target, mode: TrialMode, checked: Checked) -> bool:
    upstream = HttpUpstream(
        env=checked.config.environment, tls=checked.tls, signer=Signer(checked.config.environment)
    )
    await upstream.start()
    ledger = NoBooks()
    try:
        context = ModelContext(
            call=_call(),
            routes=None,  # type: ignore[arg-type]  # one attempt is no walk
            upstream=upstream,
            ledger=ledger,
            contexts=HostContexts(upstream),
            files=None,  # type: ignore[arg-type]  # the question names no file
            state=None,  # type: ignore[arg-type]  # and nothing is stored
            policy=Policy(),
        )
        trial = await tried(target.under(DEADLINES), mode, context)
    finally:
        await upstream.close()
    _tell(target, trial, ledger)
    return trial.diagnosis is None


def _tell(target: Target, trial: Trial, ledger: "NoBooks") -> None:
    print(f"{target.provider}/{target.model} at {target.api_base}")
    wrong = trial.diagnosis
    if wrong is not None:
        print(f"  failed after {trial.took_ms} ms: {wrong.fault.value}")
        print(f"  said: {wrong.said}")
        print(f"  {wrong.advice}")
        return
    print(f"  works: answered in {trial.took_ms} ms: {trial.answer!r}")
    used = ledger.used
    if used is not None:
        cost = "price unknown"
        if target.price is not None:
            cost = f"${dollars_text(sum(cost_parts(target.price, used, trial.took_ms)))}"
        print(f"  {used.prompt_tokens} tokens in, {used.completion_tokens} out, {cost}; booked nowhere")


def _call() -> Call:
    caller = Caller(role=PROXY_ADMIN, key_hash=MASTER_KEY_HASH)
    return Call(caller=caller, request_id=str(uuid4()), received_at=datetime.now(UTC), received_mono=0.0)


class NoBooks:
    """A ledger that books nothing: there is no database. Implements `Ledger`, and the `Hold` it gives."""

    output_limit: int | None = None

    def __init__(self) -> None:
        self.used: Usage | None = None
        """What the provider reported."""

    async def hold(
        self, call: Call, target: Target, *, streamed: bool, bounds: Bounds, customer: str | None
    ) -> Hold:
        return self

    def first_token(self) -> None:
        return None

    def opened(self, usage: Usage) -> None:
        return None

    def answered(self, response_id: str | None) -> None:
        return None

    def settle_hit(self, usage: Usage) -> None:
        return None

    def settle(self, usage: Usage) -> None:
        self.used = usage

    def fail(self, error: Exception, usage: Usage | None = None, *, final: bool = True) -> None:
        return None

    def cancel(self, usage: Usage) -> None:
        return None

    async def charged(self) -> None:
        return None
