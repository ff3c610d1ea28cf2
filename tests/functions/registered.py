"""A house whose models can be changed: the real editor over a real database, and a config without a file."""

from pathlib import Path
from typing import Any

from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from runtime.blueprint import Blueprint, Checked, check
from runtime.postgres.database import Database
from runtime.registry.editor import RegistryEditor
from runtime.registry.hosts import HostConfigs
from runtime.registry.live import LiveRegistry
from runtime.registry.live_models import LiveModels
from runtime.settings import Settings
from runtime.state.sealing import Sealer
from schema.secret import Secret
from tests.functions.contexts import CONFIG
from tests.functions.governed import House

SALT_KEY = Secret("a-salt-key-of-the-tests")
STORING: dict[str, Any] = {**CONFIG, "general_settings": {"store_model_in_db": True}}
LEAD = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin"}, team_id="red")
KEY = "sk-a-secret-key-of-a-provider-wxyz"
PARAMS = {"model": "openai/gpt-4o", "api_key": KEY}


class Registered:
    """The registry of a house: what is in force, and how it is changed."""

    def __init__(
        self,
        database: Database,
        document: dict[str, Any] = STORING,
        env: dict[str, str] | None = None,
        sealer: Sealer | None = None,
        config_path: Path | None = None,
    ) -> None:
        blueprint = Blueprint(
            document=document,
            env=env or {},
            settings=Settings(data_dir=Path("unused"), database_url=None, master_key=None),
            master_key=Secret("sk-unused"),
            dsn=Secret("postgresql://unused"),
            config_path=config_path,
        )
        checked = check(document, blueprint.env)
        assert checked.errors == ()
        self.models = LiveModels(checked.registry)
        self.swaps: list[Checked] = []
        """What was put in force, one after the other."""
        self.live = LiveRegistry(blueprint, checked, database, sealer, self._swapped)
        self.editor = RegistryEditor(database, self.live)
        self.hosts = HostConfigs(database, self.live)

    def _swapped(self, checked: Checked) -> None:
        self.swaps.append(checked)
        self.models.registry = checked.registry


def registered(
    house: House,
    document: dict[str, Any] = STORING,
    env: dict[str, str] | None = None,
    *,
    salted: bool = True,
    salt_key: Secret = SALT_KEY,
) -> Registered:
    """Give a house a registry that can be changed."""
    made = Registered(house.database, document, env, Sealer(salt_key) if salted else None)
    house.give(models=made.models, registry=made.editor, hosts=made.hosts)
    return made
