"""gunicorn's threaded worker, for a process that owns a dataset. What is loaded and saved is not known here.

start       load_wsgi owns and loads the dataset, then run serves it
TERM, ABRT  save immediately, while requests drain
drained     end event streams, which have heard of all changes then; after a second in any case
INT, QUIT   the same, and cut off requests that take longer than a second
end of run  cut off requests that hang, so that the next owner need not wait for them
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from cocoannot import logs
from cocoannot.errors import CocoannotError, Unavailable
from cocoannot.extension import runtime
from cocoannot.lifecycle import server_url
from cocoannot.server import takeover
from cocoannot.server.client_timeouts import limit_waiting, wait_for_close, without_traceback
from cocoannot.server.file_limit import allow_open_files
from cocoannot.server.request_threads import RequestThreads

_LOG_SECONDS = 0.1
"""Seconds between two writings of the log lines of requests."""

_STREAMS_LAST = 1.0
"""Seconds that event streams stay open at most while requests drain."""

_CUT_OFF_AFTER = 1
"""Seconds that a request may still run after INT or QUIT, and after the worker has ended its loop."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """One process that owns the dataset, and many threads that answer requests."""

    _draining_since = 0.0

    def load_wsgi(self) -> None:
        """Own and load the dataset together with the application; where that fails, gunicorn ends with one line."""
        # What is loaded stays for as long as the process. To look through it for garbage would take time, and hold up
        # requests later.
        gc.disable()
        self._load()
        gc.freeze()
        gc.enable()

    def _load(self) -> None:
        super().load_wsgi()
        app: Any = self.app.wsgi()
        self._runtime = runtime(app)
        self.wsgi = takeover.releasing(app)
        settings = self._runtime.settings
        # Otherwise changes wait for each other's disk or database, as many at once as there are threads.
        if not settings.changes_wait:
            self.tpool = RequestThreads(self.cfg.threads)
        if (allowed := allow_open_files(settings.event_streams)) < settings.event_streams:
            self.log.warning(
                "%d files may be open, fewer than event streams (COCOANNOT_EVENT_STREAMS=%d); see ulimit -n",
                allowed,
                settings.event_streams,
            )
        # One that replaces another may have to wait until that has drained, and saved.
        replaced = 0 if self.age == 1 else self.cfg.graceful_timeout + 10
        try:
            self._runtime.lifecycle.start(self._url(), self._wait, max(replaced, settings.lock_timeout))
        except Unavailable as exc:
            # Its database comes back by itself, and the first request then starts what was not started here.
            self.log.error("%s; until it answers, every request is answered 503", exc)
        except CocoannotError as exc:
            self.log.error("%s", exc)
            # After any other status gunicorn starts another worker.
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def run(self) -> None:
        """Serve until the worker is to end."""
        self.log.error_log.addFilter(without_traceback)
        logs.batch_access_lines(_LOG_SECONDS)
        logs.leave_origins_out()
        try:
            super().run()
        finally:
            self._runtime.events.end()
            # The interpreter waits for threads that run requests, for ever if a client keeps them.
            self._cut_off_soon()
            # From now on nobody calls `notify`.
            logs.batch_access_lines(0)
            logs.flush()

    def handle(self, conn: Any) -> Any:
        """Serve one request of a connection, in a thread of the pool.

        Returns what gunicorn's does: true to keep the connection, `False` to close it, or that it waits for data.
        """
        if not conn.initialized:
            limit_waiting(conn.sock, self._runtime.settings.client_timeout)
        handover = takeover.begin()
        try:
            keep = super().handle(conn)
        finally:
            takeover.end()
        if not handover.finish(conn) and keep is False:
            wait_for_close(conn.sock)
        return keep

    def notify(self) -> None:
        """Write log lines that wait, too: this is called in each round of the loop, and at least once a second."""
        super().notify()
        logs.flush_due()
        if not self.alive:
            self._end_streams_in_time()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """TERM: a slow request may keep the process from its exit handlers until the arbiter kills it, so save now."""
        self._save_immediately()
        super().handle_exit(sig, frame)

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """ABRT, from an arbiter that has not heard of this worker for too long, and will kill it."""
        self._save_immediately()
        super().handle_abort(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """INT and QUIT: end like TERM, but soon."""
        if not self.booted:
            super().handle_quit(sig, frame)
        # Not by gunicorn's: it takes the lock of the thread pool, which the main thread that it interrupts may hold,
        # and then hangs until the arbiter kills it.
        self.handle_exit(sig, frame)
        self._cut_off_soon()

    def _save_immediately(self) -> None:
        if self.booted:
            self._runtime.saver.save_immediately()

    def _end_streams_in_time(self) -> None:
        """While requests drain: those who follow events wait no longer than a moment for what they still change."""
        now = time.monotonic()
        self._draining_since = self._draining_since or now
        if now >= self._draining_since + _STREAMS_LAST:
            self._runtime.events.end()

    def _cut_off_soon(self) -> None:
        signal.signal(signal.SIGALRM, self._cut_off)
        signal.alarm(_CUT_OFF_AFTER)

    def _cut_off(self, sig: int, frame: FrameType | None) -> None:
        self.log.warning("Ending with requests unanswered, they took too long")
        self._runtime.lifecycle.end()
        logs.flush()
        os._exit(0)

    def _wait(self, seconds: float) -> None:
        """Pause while the dataset is not there yet: the arbiter must hear of this worker, and may end it."""
        if not self.alive:
            sys.exit(0)
        self.notify()
        time.sleep(seconds)

    def _url(self) -> str:
        """Where the operator's commands reach this server; "" where it listens at Unix sockets alone."""
        addresses = [listener.getsockname() for listener in self.sockets]
        return next((server_url(address[0], address[1]) for address in addresses if isinstance(address, tuple)), "")
