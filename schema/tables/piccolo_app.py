"""What Piccolo's migration commands know of this application."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from schema.tables.keys import DeletedVerificationToken, VerificationToken
from schema.tables.spend_logs import SpendLog
from schema.tables.users import User

APP_CONFIG = AppConfig(
    app_name="switchgear",
    migrations_folder_path=Path(__file__).parent / "piccolo_migrations",
    table_classes=[User, VerificationToken, DeletedVerificationToken, SpendLog],
)
