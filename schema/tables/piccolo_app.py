"""What Piccolo's migration commands know of this application. A server does not import it: with Piccolo's
module of configurations comes a formatter of code."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from schema.tables.all_tables import TABLES

APP_CONFIG = AppConfig(
    app_name="switchgear",
    migrations_folder_path=Path(__file__).parent / "piccolo_migrations",
    table_classes=list(TABLES),
)
