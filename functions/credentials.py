"""Credentials: values that several deployments share, such as the key and the address of a provider."""

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import RegistryContext
from functions.rules.stored_values import Merged, checked_values, merged, read_again, shown_values
from models_registry.config.known_keys import CREDENTIAL_NOTES, SHARED
from models_registry.config.storable import Values
from models_registry.config.stored import Stored, StoredCredential, StoredModel
from schema.credentials import (
    CredentialDeleteRequest,
    CredentialDone,
    CredentialList,
    CredentialListQuery,
    CredentialOfModelQuery,
    CredentialPatchRequest,
    CredentialQuery,
    CredentialRequest,
    CredentialShown,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import Conflict, NotFound
from schema.fields import UNSET, text
from schema.undeclared import refuse_undeclared

NO_SUCH = "There is no such credential."
IN_FILE = "This credential stands in the config file. Change it there."


@function("POST", "/credentials", access=Access.CREDENTIALS_WRITE)
async def new(request: CredentialRequest, ctx: RegistryContext) -> CredentialDone:
    """Store a credential. Models name it by `litellm_credential_name`."""
    refuse_undeclared(request)
    name = text(request.credential_name, param="credential_name")
    if request.credential_values is None and request.model_id is None:
        raise InvalidRequest("credential_values: expected values, or a model_id.", param="credential_values")
    id = ctx.entropy.id()

    def change(stored: Stored) -> Stored:
        taken = {each.name for each in stored.credentials} | ctx.registry.in_force().credentials.keys()
        if name in taken:
            raise Conflict(
                "credential_name: another credential has it; choose another.", param="credential_name"
            )
        given = request.credential_values
        if given is None:
            given = dict(_taken_from(_model(stored, request.model_id or "")))
        values = merged({}, given, param="credential_values").values
        credential = StoredCredential(id=id, name=name, values=values, info=request.credential_info or {})
        _check(credential, ctx)
        return msgspec.structs.replace(stored, credentials=(*stored.credentials, credential))

    await ctx.registry.change(change, call=ctx.call)
    return CredentialDone(message="Credential created successfully")


@function("GET", "/credentials", access=Access.CREDENTIALS_READ)
async def list_credentials(request: CredentialListQuery, ctx: RegistryContext) -> CredentialList:
    """List the credentials, those of the config file too. Their values are masked."""
    return CredentialList(credentials=await _all(ctx))


@function("GET", "/credentials/by_name/{credential_name:path}", access=Access.CREDENTIALS_READ)
async def by_name(request: CredentialQuery, ctx: RegistryContext) -> CredentialShown:
    """Show a credential. Its values are masked."""
    found = next((each for each in await _all(ctx) if each.credential_name == request.credential_name), None)
    if found is None:
        raise NotFound(NO_SUCH, param="credential_name")
    return found


@function("GET", "/credentials/by_model/{model_id}", access=Access.CREDENTIALS_READ)
async def by_model(request: CredentialOfModelQuery, ctx: RegistryContext) -> CredentialShown:
    """Show what a stored model has of addresses and keys. The values are masked."""
    values = _shared_of(_model(await ctx.registry.read(), request.model_id))
    return CredentialShown(
        credential_name=f"credential-{request.model_id}",
        credential_values=shown_values(values),
        credential_info={},
    )


@function("PATCH", "/credentials/{credential_name:path}", access=Access.CREDENTIALS_WRITE)
async def update(request: CredentialPatchRequest, ctx: RegistryContext) -> CredentialDone:
    """Change a credential. A value that is absent stays as it is, and null takes it away. Where the address
    changes, keys that are not sent again are taken away."""
    refuse_undeclared(request)
    cleared: list[str] = []
    models: list[StoredModel] = []

    def change(stored: Stored) -> Stored:
        before = _found(stored, request.credential_name or "", ctx)
        models[:] = stored.models
        result, unread, flaw = Merged(values=before.values), before.unread, before.flaw
        if request.credential_values is not UNSET and request.credential_values:
            read_again(unread, request.credential_values, param="credential_values")
            result = merged(before.values, request.credential_values, param="credential_values")
            unread, flaw = frozenset(), ""
        info = dict(before.info)
        if request.credential_info is not UNSET:
            info |= request.credential_info or {}
        cleared[:] = result.cleared
        kept = {name: value for name, value in info.items() if value is not None}
        after = msgspec.structs.replace(before, values=result.values, info=kept, unread=unread, flaw=flaw)
        _check(after, ctx)
        others = (each for each in stored.credentials if each.id != after.id)
        return msgspec.structs.replace(stored, credentials=(*others, after))

    after = await ctx.registry.change(change, call=ctx.call)
    before = {each.model_id: each.litellm_params.keys() for each in models}
    robbed = [
        each.model_id
        for each in after.models
        if before.get(each.model_id, each.litellm_params.keys()) > each.litellm_params.keys()
    ]
    return CredentialDone(
        message="Credential updated successfully", cleared_values=cleared, cleared_models=robbed
    )


@function("DELETE", "/credentials/{credential_name:path}", access=Access.CREDENTIALS_WRITE)
async def delete(request: CredentialDeleteRequest, ctx: RegistryContext) -> CredentialDone:
    """Delete a credential. One that a model names can't be deleted."""
    refuse_undeclared(request)

    def change(stored: Stored) -> Stored:
        gone = _found(stored, request.credential_name, ctx)
        users = [
            each.model_id
            for each in stored.models
            if each.litellm_params.get("litellm_credential_name") == gone.name
        ]
        users += [each.path for each in ctx.registry.in_force().waiting if each.credential == gone.name]
        if users:
            raise Conflict(
                f"The model {users[0]} has this credential; change it first.", param="credential_name"
            )
        left = tuple(each for each in stored.credentials if each.id != gone.id)
        return msgspec.structs.replace(stored, credentials=left)

    await ctx.registry.change(change, call=ctx.call)
    return CredentialDone(message="Credential deleted successfully")


def _check(credential: StoredCredential, ctx: RegistryContext) -> None:
    checked_values(credential.values, ctx.registry.in_force(), param="credential_values")
    checked_values(credential.info, ctx.registry.in_force(), param="credential_info")
    for name in credential.values:
        if name not in SHARED and name not in CREDENTIAL_NOTES:
            raise UnsupportedParameter(
                f"credential_values.{name}: no credential can have this.", param=f"credential_values.{name}"
            )


def _found(stored: Stored, name: str, ctx: RegistryContext) -> StoredCredential:
    """Raises NotFound, and InvalidRequest for a credential of the config file."""
    found = next((each for each in stored.credentials if each.name == name), None)
    if found is not None:
        return found
    if name in ctx.registry.in_force().credentials:
        raise InvalidRequest(IN_FILE, param="credential_name")
    raise NotFound(NO_SUCH, param="credential_name")


async def _all(ctx: RegistryContext) -> list[CredentialShown]:
    stored = {each.name: each for each in (await ctx.registry.read()).credentials}
    of_file = {
        name: values for name, values in ctx.registry.in_force().credentials.items() if name not in stored
    }
    shown = [
        CredentialShown(
            credential_name=each.name,
            credential_values=shown_values(each.values),
            credential_info=dict(each.info),
            flaw=each.flaw or None,
        )
        for each in stored.values()
    ]
    return shown + [
        CredentialShown(credential_name=name, credential_values=shown_values(values), credential_info={})
        for name, values in of_file.items()
    ]


def _taken_from(model: StoredModel) -> Values:
    """The values of a credential that is made of a model. Raises InvalidRequest for a model that names a
    credential: its own keys are for that one's address. Raises Conflict for one that can't be read."""
    read_again(model.unread, {}, param="model_id")
    if model.litellm_params.get("litellm_credential_name"):
        raise InvalidRequest(
            "model_id: the model names a credential, and its own keys are for that credential's address.",
            param="model_id",
        )
    return _shared_of(model)


def _shared_of(model: StoredModel) -> Values:
    """The addresses and keys of a stored model."""
    return {name: value for name, value in model.litellm_params.items() if name in SHARED}


def _model(stored: Stored, model_id: str) -> StoredModel:
    """Raises NotFound."""
    model = next((each for each in stored.models if each.model_id == model_id), None)
    if model is None:
        raise NotFound("There is no such stored model.", param="model_id")
    return model
