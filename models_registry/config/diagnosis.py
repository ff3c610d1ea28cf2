"""Why a call to a deployment failed, in words that say what to do."""

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.provider_errors import CONTENT_CODE
from models_registry.config.hosts import origin_of
from models_registry.config.providers import PROVIDERS
from models_registry.target import Target
from schema.errors.base import GatewayError
from schema.errors.requests import UnsupportedParameter
from schema.errors.upstream import (
    Unreached,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)


class Fault(enum.Enum):
    """What is wrong, in one word."""

    NAME = "name"
    ADDRESS = "address"
    PROXY = "proxy"
    TLS = "tls"
    KEY = "key"
    PERMISSION = "permission"
    REGION = "region"
    MODEL = "model"
    QUOTA = "quota"
    OVERLOAD = "overload"
    REQUEST = "request"
    TIME = "time"
    ANSWER = "answer"
    GATEWAY = "gateway"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, what to do, and the provider's own words without credentials."""

    fault: Fault
    advice: str
    said: str = ""


ADVICE: Mapping[Fault, str] = MappingProxyType(
    {
        Fault.NAME: "The name {host} has no address. Check `api_base` for a misspelling, and that the "
        "gateway's machine can resolve the name.",
        Fault.ADDRESS: "Nothing answers at {address} as {dialect} does. Check `api_base`: {parts}.",
        Fault.PROXY: "The environment's proxy (HTTP_PROXY, HTTPS_PROXY) does not reach {host}. Check the "
        "proxy, or name the host in NO_PROXY.",
        Fault.TLS: "The certificate of {host} is not believed. Where the host has an authority of its own, "
        "name its PEM file in `ssl_verify`, or in SSL_CERT_FILE for all providers.",
        Fault.KEY: "The provider does not accept the credential. Check {key}: that it is whole, in force, "
        "and of this provider and region.",
        Fault.PERMISSION: "The provider knows the credential, and does not let it use `{model}`. Check the "
        "account's access to the model, its project and its terms.",
        Fault.REGION: "The model is not served where the call goes. Check the region in the deployment, or "
        "use a name that spans regions, such as `eu.anthropic...` at Bedrock.",
        Fault.MODEL: "The provider has no model `{model}`. Check `litellm_params.model` against the "
        "provider's list; a local server has to have it pulled or loaded.",
        Fault.QUOTA: "The account has no credit or quota left. Check its billing and limits.",
        Fault.OVERLOAD: "The provider is busy, or the account's limit of calls a minute is reached. Try "
        "again.",
        Fault.REQUEST: "The provider refuses the request itself. Its words say why. Check the deployment's "
        "parameters, and that the model is of this kind (`mode`).",
        Fault.TIME: "{host} took too long. Check that it is reachable and not overloaded; a local model may "
        "still be loading.",
        Fault.ANSWER: "{address} answers, but not as {dialect} does. Check `api_base`: {parts}. A web page "
        "may stand there.",
        Fault.GATEWAY: "The gateway could not make the request.",
    }
)
PARTS = "host, port, and the path that the provider's documentation gives"
NO_MODEL = re.compile(
    r"model[^.]{0,120}(not found|does not exist|not exist|unknown|is not supported|not available|no such)"
    r"|(not found|unknown|no such|invalid|unsupported)[^.]{0,20} model|not a valid model|try pulling"
    r"|model identifier is invalid|DeploymentNotFound|model_not_found",
    re.IGNORECASE,
)
NO_REGION = re.compile(
    r"on-demand throughput|inference profile|in (this|your|the) (region|location|country)|unsupported_country"
    r"|location is not supported|not available in|not supported in .{0,30}region",
    re.IGNORECASE,
)
NO_CREDIT = re.compile(
    r"insufficient[_ ](quota|balance|credit|fund)|credit balance|billing|payment|exceeded your current quota"
    r"|out of credit|no credit",
    re.IGNORECASE,
)
BAD_KEY = re.compile(
    r"(api[ _-]?key|token|credential|signature|security token)[^.]{0,60}"
    r"(invalid|not valid|incorrect|expired|missing|malformed|does not match|required)"
    r"|(invalid|incorrect|expired|missing|no)[^.]{0,20}(api[ _-]?key|token|credential|signature)",
    re.IGNORECASE,
)
REACHED: Mapping[Unreached, Fault] = MappingProxyType(
    {
        Unreached.ADDRESS: Fault.ADDRESS,
        Unreached.NAME: Fault.NAME,
        Unreached.PROXY: Fault.PROXY,
        Unreached.TLS: Fault.TLS,
        Unreached.CREDENTIAL: Fault.KEY,
    }
)


def diagnosed(error: GatewayError, target: Target) -> Diagnosis:
    """What went wrong with a call to a deployment."""
    fault = _fault(error)
    said = error.said if isinstance(error, UpstreamError) and error.said else error.message
    return Diagnosis(fault=fault, advice=_advice(fault, target), said=said)


def _fault(error: GatewayError) -> Fault:
    if isinstance(error, UpstreamUnreachable):
        return REACHED[error.at]
    if isinstance(error, UpstreamTimeout):
        return Fault.TIME
    if isinstance(error, UnsupportedParameter) or not isinstance(error, UpstreamError):
        return Fault.GATEWAY
    if isinstance(error, UpstreamMalformed | UpstreamCut):
        return Fault.ANSWER
    return _of_answer(error)


def _of_answer(error: UpstreamError) -> Fault:
    """What an error that the provider told is about: its own words first, then its status."""
    answer, words = error.answer, f"{error.said} {error.code}"
    status = error.http_status if answer is None else answer.status
    if status in (404, 405) and answer is not None and not answer.in_envelope and not error.said:
        return Fault.ADDRESS
    if error.code == CONTENT_CODE:
        return Fault.REQUEST
    if status == 402 or NO_CREDIT.search(words):
        return Fault.QUOTA
    if NO_REGION.search(words):
        return Fault.REGION
    if status == 401 or (status in (400, 403) and BAD_KEY.search(words)):
        return Fault.KEY
    if status in (400, 404, 422, 500) and NO_MODEL.search(words):
        return Fault.MODEL
    return {403: Fault.PERMISSION, 404: Fault.ADDRESS, 405: Fault.ADDRESS, 429: Fault.OVERLOAD}.get(
        status, Fault.OVERLOAD if status >= 500 else Fault.REQUEST
    )


def _advice(fault: Fault, target: Target) -> str:
    origin = origin_of(target.api_base)
    row = PROVIDERS.get(target.provider)
    names = () if row is None else row.api_key_env
    return ADVICE[fault].format(
        host=target.api_base if origin is None else origin.host,
        address=target.api_base,
        model=target.model,
        parts=PARTS if target.dialect.facts.wants_host else f"{PARTS} (often `/v1`)",
        dialect=target.dialect.facts.known_as or "OpenAI's API",
        key=f"the deployment's `api_key`, or {' or '.join(names)}" if names else "the deployment's `api_key`",
    )
