"""The response cache in the memory of one worker, as it is, without the announcements of a database."""

from typing import Any

from models_registry.config.response_cache import CacheKind, CacheRules
from runtime.cache.response_cache import ResponseCache
from runtime.postgres.database import Database
from runtime.telemetry.tally import CacheCounts
from runtime.upstream.dialing import Dialer
from tests.fakes.ports import ABSENT


class Always:
    """Announcements that arrive."""

    heard_mono = float("inf")


def local_cache(*, database: Database = ABSENT, **rules: Any) -> ResponseCache:
    """A cache with these rules. The database is asked where answers are deleted."""
    return ResponseCache(
        CacheRules(**({"kind": CacheKind.LOCAL} | rules)),
        database=database,
        sealer=None,
        announcements=Always(),
        counts=CacheCounts(),
        dialer=Dialer(),
    )
