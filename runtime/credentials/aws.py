"""Amazon's Signature Version 4, by botocore, and the keys that it needs where the config has none.

The keys come from the container, a web identity or the machine, in this order, and a role may be assumed with
them. Sources: AWS SDKs and Tools Reference Guide; the API references of STS and of the instance metadata
service.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.signing import AwsSigning
from runtime.credentials.fresh import Lasting, Unsigned, text_in
from runtime.outbound import Unreachable, answer_of

TIMEOUT_S = 5.0
CONTAINER_HOST = "http://169.254.170.2"
MACHINE = "http://169.254.169.254/latest"
TOKEN_TTL = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}.items()
FORM = "application/x-www-form-urlencoded"
ROLE_S = 3600


class AwsKeys(NamedTuple):
    """Keys of an account or a role. They are secret, and are never printed."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "AwsKeys(***)"


class _ContainerKeys(msgspec.Struct, rename="pascal"):
    access_key_id: str
    secret_access_key: str
    token: str | None = None
    session_token: str | None = None
    expiration: str | float | None = None


class _Role(msgspec.Struct, rename="pascal"):
    credentials: _ContainerKeys


class _RoleAnswer(msgspec.Struct):
    """STS' answers as JSON: `{"AssumeRoleResponse": {"AssumeRoleResult": {"Credentials": ...}}}`."""

    found: _Role


def signed_headers(
    request: UpstreamRequest, keys: AwsKeys, signing: AwsSigning, *, service: str | None = None
) -> dict[str, str]:
    """The request's headers with the signature among them, lower-case."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    asked = AWSRequest(method=request.method, url=request.url, data=request.body, headers=request.headers)
    known = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    SigV4Auth(known, service or signing.service, signing.region).add_auth(asked)
    return {name.lower(): value for name, value in asked.headers.items()}


def given_keys(signing: AwsSigning) -> AwsKeys | None:
    """The keys of the config or the environment. None: they have to be fetched."""
    access, secret = signing.access_key_id, signing.secret_access_key
    if access is None or secret is None:
        return None
    token = signing.session_token
    return AwsKeys(access.reveal(), secret.reveal(), None if token is None else token.reveal())


async def fetched_keys(signing: AwsSigning, env: Mapping[str, str]) -> Lasting[AwsKeys]:
    """Keys that run out: those of a role, or of where the gateway runs. Raises Unsigned."""
    try:
        if signing.web_identity is not None:
            return await _for_token(signing, signing.web_identity.reveal())
        found = given_keys(signing)
        if found is None and signing.profile is not None:
            found = await asyncio.to_thread(_in_profile, signing.profile, env)
        own = Lasting(found, float(ROLE_S)) if found is not None else await _ambient(signing, env)
        return await _assumed(signing, own.value) if signing.role_arn else own
    except Unreachable as exc:
        raise Unsigned(f"Amazon's keys could not be fetched: {exc}") from exc
    except (msgspec.DecodeError, OSError, ValueError) as exc:
        raise Unsigned(f"Amazon's keys could not be read ({type(exc).__name__})") from exc


async def _ambient(signing: AwsSigning, env: Mapping[str, str]) -> Lasting[AwsKeys]:
    relative = env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    full = env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if relative or full:
        token = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        path = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if path:
            token = await text_in(path)
        headers = {"authorization": token} if token else {}
        url = f"{CONTAINER_HOST}{relative}" if relative else str(full)
        return _lasting(msgspec.json.decode(await _got(url, headers), type=_ContainerKeys))
    if env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and env.get("AWS_ROLE_ARN"):
        return await _by_web_identity(signing, env)
    if env.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise Unsigned("there are no keys of Amazon's")
    session = await answer_of(
        "PUT", f"{MACHINE}/api/token", headers=dict(TOKEN_TTL), timeout_s=TIMEOUT_S, proxied=False
    )
    told = {"x-aws-ec2-metadata-token": session.decode()}
    role = (await _got(f"{MACHINE}/meta-data/iam/security-credentials/", told)).decode().split("\n")[0]
    found = await _got(f"{MACHINE}/meta-data/iam/security-credentials/{role}", told)
    return _lasting(msgspec.json.decode(found, type=_ContainerKeys))


async def _got(url: str, headers: Mapping[str, str]) -> bytes:
    return await answer_of("GET", url, headers=headers, timeout_s=TIMEOUT_S, proxied=False)


def _in_profile(name: str, env: Mapping[str, str]) -> AwsKeys:
    """The keys of a profile in Amazon's files. Raises Unsigned."""
    from botocore.configloader import raw_config_parse
    from botocore.exceptions import BotoCoreError

    files = (
        (env.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials", name),
        (env.get("AWS_CONFIG_FILE") or "~/.aws/config", name if name == "default" else f"profile {name}"),
    )
    for path, section in files:
        try:
            found = raw_config_parse(path).get(section, {})
        except BotoCoreError:
            continue
        access, secret = found.get("aws_access_key_id"), found.get("aws_secret_access_key")
        if access and secret:
            return AwsKeys(access, secret, found.get("aws_session_token"))
    raise Unsigned(f"Amazon's files have no keys of the profile '{name[:64]}'")


async def _by_web_identity(signing: AwsSigning, env: Mapping[str, str]) -> Lasting[AwsKeys]:
    session = env.get("AWS_ROLE_SESSION_NAME") or signing.role_session
    return await _given_for(
        signing, await text_in(env["AWS_WEB_IDENTITY_TOKEN_FILE"]), env["AWS_ROLE_ARN"], session
    )


async def _for_token(signing: AwsSigning, token: str) -> Lasting[AwsKeys]:
    """The keys of the deployment's role, for its token or that in its file."""
    if token.startswith("/"):
        token = await text_in(token)
    return await _given_for(signing, token.strip(), str(signing.role_arn), signing.role_session)


async def _given_for(signing: AwsSigning, token: str, role: str, session: str) -> Lasting[AwsKeys]:
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": session,
        "WebIdentityToken": token,
    }
    headers = {"content-type": FORM, "accept": "application/json"}
    body = await answer_of(
        "POST", _sts(signing), headers=headers, content=urlencode(form).encode(), timeout_s=TIMEOUT_S
    )
    return _role_in(body, "AssumeRoleWithWebIdentity")


async def _assumed(signing: AwsSigning, keys: AwsKeys) -> Lasting[AwsKeys]:
    form = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": str(signing.role_arn),
        "RoleSessionName": signing.role_session,
        "DurationSeconds": str(ROLE_S),
        **({} if signing.external_id is None else {"ExternalId": signing.external_id}),
    }
    asked = UpstreamRequest(
        url=_sts(signing),
        headers={"content-type": FORM, "accept": "application/json"},
        body=urlencode(form).encode(),
    )
    headers = signed_headers(asked, keys, signing, service="sts")
    body = await answer_of("POST", asked.url, headers=headers, content=asked.body, timeout_s=TIMEOUT_S)
    return _role_in(body, "AssumeRole")


def _sts(signing: AwsSigning) -> str:
    return f"https://sts.{signing.region}.amazonaws.com/"


def _role_in(body: bytes, action: str) -> Lasting[AwsKeys]:
    answer = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    result = msgspec.json.decode(answer.get(f"{action}Response", b"{}"), type=dict[str, msgspec.Raw])
    return _lasting(msgspec.json.decode(result.get(f"{action}Result", b"{}"), type=_Role).credentials)


def _lasting(found: _ContainerKeys) -> Lasting[AwsKeys]:
    keys = AwsKeys(found.access_key_id, found.secret_access_key, found.token or found.session_token)
    return Lasting(keys, _seconds_until(found.expiration))


def _seconds_until(said: str | float | None) -> float:
    """The seconds until a time, as text or as Unix time. An hour where nobody says it."""
    if said is None:
        return float(ROLE_S)
    if isinstance(said, str):
        until = datetime.fromisoformat(said.replace("Z", "+00:00"))
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    return max(0.0, said - datetime.now(UTC).timestamp())
