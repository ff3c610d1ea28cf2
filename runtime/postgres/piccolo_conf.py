"""PICCOLO_CONF: what Piccolo's own commands import.

    PICCOLO_CONF=runtime.postgres.piccolo_conf piccolo migrations new switchgear --auto

writes a migration for changed tables and needs no database. To apply migrations use
`python -m runtime migrate`, which takes the lock and knows the address.
"""

from piccolo.conf.apps import AppRegistry

from runtime.postgres.piccolo_engine import QuietEngine

DB = QuietEngine()
APP_REGISTRY = AppRegistry(apps=["schema.tables.piccolo_app"])
