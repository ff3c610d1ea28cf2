"""The configuration that Piccolo's own commands import. This command writes a migration for changed tables,
and needs no database:

    PICCOLO_CONF=runtime.postgres.piccolo_conf piccolo migrations new switchgear --auto

`python -m runtime migrate` applies migrations: it takes the lock and knows the address of Postgres.
"""

from piccolo.conf.apps import AppRegistry

from runtime.postgres.piccolo_engine import QuietEngine

DB = QuietEngine()
APP_REGISTRY = AppRegistry(apps=["schema.tables.piccolo_app"])
