"""Tokens of Microsoft Entra: by a client's secret, by a federated token in a file, or as the managed identity
of the machine. Sources: Microsoft identity platform, client credentials flow; managed identities for App
Service and for virtual machines."""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from models_registry.signing import EntraSigning
from runtime.credentials.fresh import Lasting, Unsigned, text_in
from runtime.outbound import Unreachable, answer_of

TIMEOUT_S = 10.0
MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
FORM = {"content-type": "application/x-www-form-urlencoded"}.items()
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEFAULT = "/.default"


class _Token(msgspec.Struct):
    access_token: str
    expires_in: int | str = 3600


async def fetched_token(signing: EntraSigning, env: Mapping[str, str]) -> Lasting[str]:
    """Raises Unsigned."""
    try:
        body = await _answer(signing, env)
        token = msgspec.json.decode(body, type=_Token)
        return Lasting(token.access_token, float(token.expires_in))
    except Unreachable as exc:
        raise Unsigned(f"Entra gave no token: {exc}") from exc
    except (msgspec.DecodeError, ValueError, OSError) as exc:
        raise Unsigned(f"Entra's answer holds no token ({type(exc).__name__})") from exc


async def _answer(signing: EntraSigning, env: Mapping[str, str]) -> bytes:
    federated = env.get("AZURE_FEDERATED_TOKEN_FILE")
    if signing.tenant_id and signing.client_id and (signing.client_secret is not None or federated):
        form = {
            "grant_type": "client_credentials",
            "client_id": signing.client_id,
            "scope": signing.scope,
        }
        if signing.client_secret is not None:
            form["client_secret"] = signing.client_secret.reveal()
        else:
            form["client_assertion_type"] = ASSERTION
            form["client_assertion"] = await text_in(str(federated))
        url = f"{signing.authority}/{signing.tenant_id}/oauth2/v2.0/token"
        content = urlencode(form).encode()
        return await answer_of("POST", url, headers=dict(FORM), content=content, timeout_s=TIMEOUT_S)
    resource = {"resource": signing.scope.removesuffix(DEFAULT)}
    if signing.client_id:
        resource["client_id"] = signing.client_id
    endpoint, secret = env.get("IDENTITY_ENDPOINT"), env.get("IDENTITY_HEADER")
    if endpoint:
        url = f"{endpoint}?{urlencode({'api-version': '2019-08-01', **resource})}"
        headers = {"x-identity-header": secret or ""}
    else:
        url = f"{MACHINE}?{urlencode({'api-version': '2018-02-01', **resource})}"
        headers = {"metadata": "true"}
    return await answer_of("GET", url, headers=headers, timeout_s=TIMEOUT_S, proxied=False)
