"""One granian worker: the ASGI application and its life from start to drain."""

import asyncio
import gc
import os
import signal

import structlog

from runtime.blueprint import Blueprint
from runtime.catalog import entries
from runtime.process.allocator import give_large_blocks_back
from runtime.process.logs import LineBuffer, set_up_logs
from runtime.process.parent import end_with_parent
from runtime.services import Services
from runtime.serving.listening import bound_connections
from runtime.web.door import AsgiScope, Receive
from runtime.web.edge import HttpOptions
from runtime.web.fast_path import App
from runtime.web.mount import mount
from runtime.web.sending import Send
from schema.errors.base import GatewayError
from schema.errors.overload import SHUTTING_DOWN

GC_THRESHOLDS = (20_000, 20, 50)
"""Python's own are (700, 10, 10): a youngest-generation pass every two or three calls."""

log = structlog.get_logger("switchgear.worker")


class WorkerApp:
    """The application that granian serves. The functions are mounted when the parts are open.

    SIGTERM: the probe says 503 from then on, granian takes no new connections and waits for the
    calls in flight; those that are still there after `drain_s` are cancelled, so that they settle
    and reach the ledger before granian's kill.
    """

    def __init__(
        self, blueprint: Blueprint, logs: LineBuffer, parent_pid: int, *, http2: bool, fast_path: bool = True
    ) -> None:
        self._http2 = http2
        self._fast_path = fast_path
        self._parent_pid = parent_pid
        self._blueprint = blueprint
        self._logs = logs
        self._calls: set[asyncio.Task[object]] = set()
        self._services = Services(blueprint, log_line=logs.msg, calls=lambda: len(self._calls))
        self._app: App | None = None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http" or self._app is None:
            return
        task = asyncio.current_task()
        assert task is not None, "granian runs each request in a task"
        self._calls.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self._calls.discard(task)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            gateway = await self._services.open()
            settings = self._blueprint.settings
            options = HttpOptions(
                root_path=settings.root_path,
                cors_origins=settings.cors_origins,
                keepalive_s=settings.stream_keepalive_s,
            )
            self._app = mount(
                entries(self._blueprint.families), gateway, fast_path=self._fast_path, options=options
            )
        except Exception as exc:
            # granian would go on serving without a lifespan if this one merely raised.
            known = isinstance(exc, OSError | GatewayError)
            log.error("worker did not start", error=str(exc), exc_info=None if known else exc)
            self._logs.flush()
            await send({"type": "lifespan.startup.failed", "message": type(exc).__name__})
            return
        _settle_garbage()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._drain)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._services.look_at_config)
        end_with_parent(self._parent_pid, signal.SIGTERM)
        bounds = asyncio.create_task(bound_connections(silent_too=self._http2), name="connections")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        bounds.cancel()
        await asyncio.gather(bounds, return_exceptions=True)
        await self._services.close()
        self._logs.flush()
        await send({"type": "lifespan.shutdown.complete"})

    def _drain(self) -> None:
        """granian's own handler stays on SIGINT; this one takes its SIGTERM and hands it on."""
        self._services.probe.draining = True
        self._services.pages.stop()
        loop = asyncio.get_running_loop()
        loop.call_later(self._blueprint.settings.drain_s, self._cancel_calls)
        os.kill(os.getpid(), signal.SIGINT)

    def _cancel_calls(self) -> None:
        log.warning("drain deadline", cancelled=len(self._calls))
        for task in self._calls:
            task.cancel(SHUTTING_DOWN)


def _settle_garbage() -> None:
    """What start-up made lives as long as the worker: leave it out of every later collection, and
    collect a call's own objects less often than every few calls."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(*GC_THRESHOLDS)


def load_worker(blueprint: Blueprint, parent_pid: int, *, http2: bool, fast_path: bool) -> WorkerApp:
    """Called by granian in each worker process. Until it serves, nothing of it is worth an orderly end: a
    SIGTERM that comes while granian starts is lost between its handlers."""
    end_with_parent(parent_pid, signal.SIGKILL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the config file is read when the worker is there
    give_large_blocks_back()
    return WorkerApp(blueprint, set_up_logs(), parent_pid, http2=http2, fast_path=fast_path)
