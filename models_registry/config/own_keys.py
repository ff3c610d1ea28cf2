"""What an entry of the file may have beside a stored credential with an address.

Whoever stores a credential can't read the file's keys, and must not have them sent to an address that he
chooses.
"""

from collections.abc import Mapping
from typing import Any

from models_registry.config import known_keys
from models_registry.config.entries import renamed
from models_registry.config.sections import LitellmParams
from models_registry.config.variables import ENV_PREFIX
from models_registry.numbers import BadDeployment
from models_registry.prices.fields import is_price_field

SENT = known_keys.KEYS | {"extra_body", "aws_profile_name", "aws_web_identity_token"}
"""Parameters that hold a key, may hold one, or name a file with one."""


def check_own_keys(params: Mapping[str, Any], credential: Mapping[str, Any], path: str) -> bool:
    """Whether the address of an entry of the file is that of a stored credential. `params` are as the file
    has them: a variable that is named counts, whatever value it has. Raises BadDeployment where the entry has
    an address or a key of its own beside the credential's address."""
    own, shared = renamed(dict(params)), renamed(dict(credential))
    address = next((name for name in known_keys.ADDRESSES if shared.get(name)), None)
    if address is None:
        return False
    for name in known_keys.ADDRESSES:
        if own.get(name):
            raise BadDeployment(
                f"{path}.litellm_params.{name}",
                f"the stored credential has an address too ({address}), and a model of the file has one of "
                "them; leave out this one, or the credential's",
            )
    key = next((name for name in sorted(own, key=str) if own[name] and _may_be_key(name, own[name])), None)
    if key is not None:
        raise BadDeployment(
            f"{path}.litellm_params.{str(key)[:60]}",
            f"the file's own value goes to no address of a stored credential ({address}); put it "
            "into the credential, or the address into the file",
        )
    return True


def _may_be_key(name: object, value: object) -> bool:
    """Whether a parameter may hold a key. A field of the body may, where it names a variable."""
    if name in SENT:
        return True
    is_field = name not in LitellmParams.__struct_encode_fields__ and not is_price_field(str(name))
    return is_field and ENV_PREFIX in str(value)
