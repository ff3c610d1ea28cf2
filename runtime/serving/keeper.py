"""The bookkeeper of a blueprint, with the alerts and the budget of customers that its config names."""

from functions.contract.policy import policy_of
from models_registry.config.reader import read_config
from runtime.blueprint import Blueprint
from runtime.books.bookkeeper import Bookkeeper
from runtime.books.crossings import CustomerBudget
from runtime.outbound import post_json
from runtime.telemetry.alerts import Desk
from runtime.telemetry.place import place_of
from runtime.telemetry.webhooks import webhooks_of


def keeper_of(blueprint: Blueprint) -> Bookkeeper:
    """A bookkeeper of the blueprint's data directory. Nothing is opened yet."""
    settings = blueprint.settings
    config = read_config(blueprint.document, blueprint.env)
    webhooks, _ = webhooks_of(config)
    policy, _ = policy_of(config)
    return Bookkeeper(
        settings.journals,
        blueprint.dsn.reveal(),
        desk=Desk(webhooks, post_json, host=place_of(settings.data_dir)),
        journal_bytes=settings.journal_mb * 1024 * 1024,
        customer_budget=CustomerBudget(
            budget_id=policy.customer_budget_id, max_budget=policy.customer_budget
        ),
    )
