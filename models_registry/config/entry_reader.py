"""Checks an entry of `model_list`: what it means, what is wrong with it, what has no effect."""

from collections.abc import Mapping
from typing import Any

import msgspec

from models_registry.config import known_keys
from models_registry.config.conversion import converted, kind_of
from models_registry.config.entries import Credentials, Deployment, with_credential
from models_registry.config.names import names_in
from models_registry.config.sections import LitellmParams, ModelEntry, ModelInfo
from models_registry.config.unknown_keys import (
    NEVER_SENT,
    NEVER_SENT_PREFIXES,
    asks_for_nothing,
    homes_of,
    unknown_key,
    unknown_key_warnings,
)
from models_registry.config.variables import ENV_PREFIX, Variables
from models_registry.numbers import BadDeployment
from models_registry.prices.fields import (
    PriceField,
    check_prices,
    is_price_field,
    per_million_doubt,
    warning_of,
)


class EntryReader:
    """Reads entries, and adds to `warnings`."""

    def __init__(self, variables: Variables, credentials: Credentials, warnings: list[str]) -> None:
        self._variables = variables
        self._credentials = credentials
        self._warnings = warnings

    def deployment(self, item: Any, values: Any, path: str) -> Deployment:
        """The deployment of an entry. `item` is the entry as it is written, and `values` with its variables
        looked up. Raises BadDeployment."""
        with_credential(values, self._credentials, path)
        prices = self._prices(values, path)
        if isinstance(values, dict) and values.get("model_info", "absent") is None:
            del values["model_info"]
        entry = converted(values, path, ModelEntry)
        self._warnings += unknown_key_warnings(values, path, ModelEntry, self._variables)
        self._warnings += unknown_key_warnings(
            values.get("model_info") or {}, f"{path}.model_info", ModelInfo, self._variables
        )
        return Deployment(
            path=path,
            entry=entry,
            params=self._params(values["litellm_params"], f"{path}.litellm_params"),
            prices=prices,
            empty=_empty(item["litellm_params"], values["litellm_params"]),
            info=values.get("model_info") or {},
        )

    def _prices(self, values: Any, path: str) -> dict[str, PriceField]:
        """The price fields, checked first of all: what is wrong with the rest of the entry must not hide a
        price that is none."""
        found: dict[str, PriceField] = {}
        for section in ("model_info", "litellm_params"):
            fields = values.get(section) if isinstance(values, Mapping) else None
            for name, value in fields.items() if isinstance(fields, Mapping) else ():
                if not isinstance(name, str) or not is_price_field(name) or value is None:
                    continue
                warning = warning_of(name)
                if warning is None:
                    found[name] = PriceField(path=f"{path}.{section}.{name}", value=value)
                else:
                    self._warnings.append(f"{path}.{section}.{name}: {warning}")
        check_prices(found)
        for name, field in found.items():
            doubt = per_million_doubt(name, field.value)
            if doubt is not None:
                self._warnings.append(f"{field.path}: {doubt}")
        return found

    def _params(self, values: Mapping[str, Any], path: str) -> dict[str, msgspec.Raw]:
        known = set(LitellmParams.__struct_encode_fields__)
        params: dict[str, msgspec.Raw] = {}
        for key, value in values.items():
            if key in known or is_price_field(key):
                continue
            if key in NEVER_SENT or key.startswith(NEVER_SENT_PREFIXES):
                if self._variables.forget_unset(f"{path}.{key}") or not asks_for_nothing(value):
                    self._warnings.append(f"{path}.{key}{names_in(value)}: has no effect in this version")
                continue
            if value is None:
                continue
            elsewhere = homes_of(key)
            if elsewhere and key not in known_keys.REQUEST_PARAMS:
                self._warnings.append(f"{path}.{key}: {unknown_key(key, 'litellm_params')}; it is not sent")
                continue
            try:
                params[key] = msgspec.Raw(msgspec.json.encode(value))
            except (TypeError, ValueError, OverflowError):
                raise BadDeployment(f"{path}.{key}", f"{kind_of(value)} can't be sent as JSON") from None
        return params


def _empty(written: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name in known_keys.NEEDS_VALUE:
        if name not in values or (values[name] is not None and str(values[name]).strip()):
            continue
        text = str(written.get(name, ""))
        found[name] = text.removeprefix(ENV_PREFIX) if text.startswith(ENV_PREFIX) else ""
    return found
