"""Checkpoints of a ledger in SQLite: nearly all of the write-ahead log is copied beside the connection that writes.

SQLite's own way is that the commit which makes the log long enough copies it, and asks the disk for it, while everybody
waits. Asking is most of it; and SQLite asks only when it has copied the whole log, so a copy made beside leaves that to
whoever copies the last page. So a thread copies, *and* asks; the one that writes then copies the few pages that came
meanwhile, and the next commit begins the log anew. Nothing here says when a page is safe: that is SQLite's, as ever.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import apsw

log = logging.getLogger(__name__)

BEGIN_PAGES: Final = 32_000
"""128 MB. A page that changed often is copied once, and the disk is asked more seldom; a killed server's log is read
when the next one begins."""
FEW_PAGES: Final = 1_000
"""So many the writer copies itself, between two commits: some milliseconds."""
AGAIN_PAGES: Final = 500
"""After so many more the next try, where somebody who reads needs the log as it was."""


class Checkpoints:
    """Sees to the checkpoints of one connection that writes; that connection's own are off.

    Args:
        writes: the connection; used by one thread.
        beside: another connection to the same file, for this alone.
        path: of the file.
        on_failure: called, on either thread, when the disk failed, or something else that must not. It has to end the
            process: what the disk has not taken it may forget, and then only the log still has it; but SQLite goes by
            what it has copied so far, and forgets that only when no process has this ledger open any more. The first
            to open it then copies the whole log.
        begin_pages: of the log, from which it is copied.
        few_pages: that the writer may copy itself.
    """

    def __init__(
        self,
        writes: apsw.Connection,
        beside: apsw.Connection,
        path: Path,
        on_failure: Callable[[], None],
        *,
        begin_pages: int = BEGIN_PAGES,
        few_pages: int = FEW_PAGES,
    ) -> None:
        self._writes = writes
        self._beside = beside
        self._on_failure = on_failure
        self._begin_pages = begin_pages
        self._few_pages = few_pages
        # Closing any descriptor of a file lets go of all locks that the process has on it, SQLite's, too. So this one
        # stays open until both connections are closed.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="copies")
        self._thread.submit(os.getpid)  # begins it now: where there is no room for it nothing was committed yet
        self._copying: Future[int] | None = None
        self._of_the_log_before: Future[int] | None = None
        self._asked = 0
        """How long the log was when the thread was asked to copy it."""
        self._pages = 0
        """How long it was after the last commit."""
        self._copied = 0
        """How much of it is copied."""
        self._due = begin_pages
        """How long it is to be when something is done next."""
        self._overtaken = False
        """The log grows faster than it is copied."""
        beside.wal_autocheckpoint(0)
        writes.set_wal_hook(self._committed)  # takes the place of SQLite's own, which copies

    def close(self) -> None:
        """Wait for the thread, and close both connections; a second time does nothing."""
        if self._descriptor < 0:
            return
        self._writes.set_wal_hook(None)
        self._thread.shutdown()
        self._beside.close()
        self._writes.close()
        os.close(self._descriptor)
        self._descriptor = -1

    def _committed(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        """Go on where it is time to: called by SQLite after each commit, with how long the log is now.

        It raises nothing: what is committed must not be answered as if it were not.
        """
        try:
            self._look(pages)
        except Exception as error:
            log.exception("the log of the ledger's file cannot be copied")
            self._fail(error)
        return apsw.SQLITE_OK

    def _look(self, pages: int) -> None:
        if self._copying is not None and self._copying.done():
            self._take(self._copying, pages)
        if pages < self._pages:  # it was begun anew
            self._copied, self._due, self._overtaken = 0, self._begin_pages, False
            self._of_the_log_before = self._copying
        self._pages = pages
        if self._copying is None and pages >= self._due:
            self._go_on(pages)

    def _go_on(self, pages: int) -> None:
        if pages - self._copied <= self._few_pages:
            self._copied = self._copy(self._writes)
            self._due = pages + AGAIN_PAGES
            return
        self._asked = pages
        self._copying = self._thread.submit(self._copy_beside)
        if self._overtaken:  # so the log must not grow now
            self._take(self._copying, pages)

    def _take(self, copying: Future[int], pages: int) -> None:
        self._copying = None
        copied = copying.result()
        if copying is self._of_the_log_before:
            self._copied = 0
            return
        reached_the_end = copied >= self._asked
        self._overtaken = reached_the_end and 2 * (pages - copied) > copied - self._copied
        self._copied = copied
        if not reached_the_end:
            self._due = pages + AGAIN_PAGES

    def _copy_beside(self) -> int:
        copied = self._copy(self._beside)
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._fail(error)
        return copied

    def _copy(self, connection: apsw.Connection) -> int:
        """Copy what no reader needs the log for, and return how many of its pages are copied now.

        Another program may copy at the same time, or the disk may be full: then later.
        """
        try:
            _, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.BusyError, apsw.LockedError, apsw.FullError) as error:
            log.debug("the log of the ledger's file waits to be copied", extra={"why": str(error)})
            return self._copied
        except apsw.Error as error:
            self._fail(error)
            return self._copied
        return copied

    def _fail(self, error: Exception) -> None:
        log.critical(
            "the disk did not take the ledger's pages; end every program that has this ledger open, see to the disk, "
            "and start again",
            extra={"why": str(error)},
        )
        self._on_failure()
