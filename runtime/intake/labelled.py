"""What a model call says of itself: labels, the way that it wants to go, whether it stays local."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from functions.contract.call import Call
from schema.cache_options import AS_USUAL, cache_options_of
from schema.errors.requests import InvalidRequest
from schema.labels import NONE as NO_LABELS
from schema.labels import labels_of, together
from schema.route_options import AS_CONFIGURED, route_options_of
from schema.wire import Wire

LOCAL_HEADER = "x-switchgear-local-only"
"""With `true`, the call goes to local deployments alone. `false` loosens nothing."""
YES_AND_NO: Mapping[str, bool] = MappingProxyType({"true": True, "1": True, "false": False, "0": False})


def labelled(
    call: Call, headers: Mapping[str, str], request: object, customer_headers: Sequence[str]
) -> Call:
    """The call with what its request says of itself: labels, and what way it wants to go, what it asks of
    the response cache."""
    fields = request.raw if isinstance(request, Wire) else {}
    labels, options = labels_of(headers, fields, customer_headers), route_options_of(headers, fields)
    asked = cache_options_of(headers, fields, call.caller.cache_controls)
    if labels is NO_LABELS and options is AS_CONFIGURED and asked is AS_USUAL:
        return call
    tags = together(labels.tags, call.caller.tags)
    return msgspec.structs.replace(
        call,
        tags=tags,
        session_id=labels.session_id,
        customer=labels.customer,
        trace_id=labels.trace_id,
        spend_logs_metadata=labels.kept,
        route_options=options,
        cache_options=asked,
    )


def wants_local(headers: Mapping[str, str]) -> bool:
    """Whether a request asks to stay local. Raises InvalidRequest for a word that is neither yes nor no."""
    word = headers.get(LOCAL_HEADER)
    if word is None:
        return False
    if word.lower() not in YES_AND_NO:
        raise InvalidRequest(f"{LOCAL_HEADER}: expected true or false.", param=LOCAL_HEADER)
    return YES_AND_NO[word.lower()]
