"""What a deployment does to its requests: the headers and fields that it adds, the fields that it drops."""

import re
from collections.abc import Mapping

import msgspec

from models_registry.backends.credentials import without_credentials
from models_registry.backends.dropping import NEEDED, field_path
from models_registry.bounds.field_costs import OUTPUT_LIMITS
from models_registry.config.entries import Deployment
from models_registry.config.sections import LitellmParams, LitellmSettings
from models_registry.numbers import BadDeployment
from models_registry.target import FieldPath
from schema.chat import TokenLimit

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def headers_of(params: LitellmParams, path: str) -> dict[str, str]:
    """The fixed headers of a deployment, with lower-case names. A null is no header. No message shows a
    value, nor a name that may be a value. Raises BadDeployment."""
    headers: dict[str, str] = {}
    for section, given in (("headers", params.headers), ("extra_headers", params.extra_headers)):
        for name, value in (given or {}).items():
            if not _HEADER_NAME.fullmatch(name):
                raise BadDeployment(f"{path}.{section}", "holds what is no name of a header")
            where = f"{path}.{section}.{without_credentials(name.lower()[:100])}"
            if value is None:
                continue
            if isinstance(value, list | dict):
                raise BadDeployment(where, "expected a text")
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if _CONTROL.search(text):
                raise BadDeployment(where, "holds a line break or control character")
            headers[name.lower()] = text
    if params.organization:
        if _CONTROL.search(params.organization):
            raise BadDeployment(f"{path}.organization", "holds a line break or control character")
        headers["openai-organization"] = params.organization
    return headers


def drops_params(params: LitellmParams, settings: LitellmSettings) -> bool:
    """Whether what the provider can't honour is dropped. A list says nothing about that."""
    said = (params.drop_params, settings.drop_params)
    return next((each for each in said if isinstance(each, bool)), False)


def dropped_fields(params: LitellmParams, settings: LitellmSettings, path: str) -> tuple[FieldPath, ...]:
    """The fields that are never sent."""
    own = isinstance(params.drop_params, list)
    listed = params.drop_params if own else settings.drop_params
    found = []
    for where, names in (
        (f"{path}.drop_params" if own else "litellm_settings.drop_params", listed),
        (f"{path}.additional_drop_params", params.additional_drop_params),
    ):
        for name in names if isinstance(names, list) else ():
            steps = field_path(name)
            if steps is None:
                raise BadDeployment(
                    where, "expected names of fields, such as temperature or tools[*].function.strict"
                )
            if steps[0] not in NEEDED or len(steps) > 1:
                found.append(steps)
    return tuple(dict.fromkeys(found))


def request_params(deployment: Deployment, path: str) -> tuple[dict[str, msgspec.Raw], bool]:
    """The fields that are sent where the caller did not send them, and whether streams are asked for their
    usage. They are not asked with `stream_options: {include_usage: false}`, which is for servers that refuse
    the question. `extra_body` is unpacked: its fields become fields of the body. Raises BadDeployment."""
    params = dict(deployment.params)
    extra = params.pop("extra_body", None)
    _check_limits(params, path)
    if extra is not None:
        try:
            inside = msgspec.json.decode(extra, type=dict[str, msgspec.Raw])
        except msgspec.ValidationError as exc:
            raise BadDeployment(f"{path}.extra_body", "expected a mapping") from exc
        _check_limits(inside, f"{path}.extra_body")
        params.update((name, raw) for name, raw in inside.items() if bytes(raw) != b"null")
    if bytes(params.get("stream_options", b"")) != b'{"include_usage":false}':
        return params, True
    del params["stream_options"]
    return params, False


def _check_limits(fields: Mapping[str, msgspec.Raw], path: str) -> None:
    """Check limits on the output as those of a caller are checked when a request is decoded. Raises
    BadDeployment."""
    for name in OUTPUT_LIMITS & fields.keys():
        try:
            msgspec.json.decode(fields[name], type=TokenLimit | None, strict=False)
        except msgspec.ValidationError as exc:
            raise BadDeployment(f"{path}.{name}", "expected a whole number of 1 or more") from exc
