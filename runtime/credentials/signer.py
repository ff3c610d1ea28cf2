"""Signs a request on its way out, with a signature or a token that this worker keeps fresh."""

from collections.abc import Mapping
from functools import partial

from models_registry.backends.backend import UpstreamRequest
from models_registry.signing import AwsSigning, EntraSigning, GoogleSigning, Signing
from runtime.credentials import aws, entra, google
from runtime.credentials.fresh import Fresh

MAX_KEPT = 1000
"""The most credentials that are kept. It is far above the number of deployments' own."""


class Signer:
    """What a worker has of credentials."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._keys: dict[AwsSigning, Fresh[aws.AwsKeys]] = {}
        self._tokens: dict[Signing, Fresh[str]] = {}

    async def headers(self, signing: Signing, request: UpstreamRequest) -> Mapping[str, str]:
        """The request's headers with what proves who calls. Raises Unsigned."""
        if isinstance(signing, AwsSigning):
            return aws.signed_headers(request, await self._keys_of(signing), signing)
        token = await self._token_of(signing).get()
        return {**request.headers, "authorization": f"Bearer {token}"}

    async def _keys_of(self, signing: AwsSigning) -> aws.AwsKeys:
        given = None if signing.role_arn else aws.given_keys(signing)
        if given is not None:
            return given
        fresh = self._keys.get(signing)
        if fresh is None:
            if len(self._keys) >= MAX_KEPT:
                self._keys.clear()
            fresh = self._keys[signing] = Fresh(partial(aws.fetched_keys, signing, self._env))
        return await fresh.get()

    def _token_of(self, signing: EntraSigning | GoogleSigning) -> Fresh[str]:
        fresh = self._tokens.get(signing)
        if fresh is None:
            if len(self._tokens) >= MAX_KEPT:
                self._tokens.clear()
            if isinstance(signing, EntraSigning):
                fresh = Fresh(partial(entra.fetched_token, signing, self._env))
            else:
                fresh = Fresh(partial(google.fetched_token, signing))
            self._tokens[signing] = fresh
        return fresh
