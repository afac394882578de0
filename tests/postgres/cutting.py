"""A wire to PostgreSQL that can be cut at a chosen moment: after a COMMIT arrived, before its answer gets back."""

import socket
import threading
from contextlib import contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict

COMMITTED = b"COMMIT\x00"
"""In the server's answer: CommandComplete's words for a commit that has happened."""


class Wire:
    """Passes bytes both ways; `cut_the_next_commits` of its answers never arrive, and the connection ends instead.

    With `away_behind_a_commit` the next COMMIT's answer arrives, and then the server is away: every connection ends,
    and none is made while `refusing`.
    """

    def __init__(self, url):
        parts = conninfo_to_dict(url)
        self._server = (parts["host"], int(parts["port"]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        who = parts["user"] + (f":{parts['password']}" if "password" in parts else "")
        self.url = f"postgresql://{who}@127.0.0.1:{port}/{parts['dbname']}"
        self.cut_the_next_commits = 0
        self.away_behind_a_commit = False
        self.refusing = False
        self.cuts = 0
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.refusing:
                    near.close()
                    continue
                far = socket.create_connection(self._server)
                self._open |= {near, far}
                if self.refusing:  # since a moment ago
                    self._end(near, far)
                    continue
                threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source, target, answers):
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and COMMITTED in data and self.cut_the_next_commits:
                    self.cut_the_next_commits -= 1
                    self.cuts += 1
                    break
                target.sendall(data)
                if answers and COMMITTED in data and self.away_behind_a_commit:
                    self.away_behind_a_commit, self.refusing = False, True
                    self.cut()
                    break
        self._end(source, target)

    def _end(self, *sockets):
        for item in sockets:
            with suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
            item.close()
            self._open.discard(item)

    def cut(self):
        """End every connection."""
        self._end(*self._open)

    def close(self):
        self._listener.close()
        self.cut()


@contextmanager
def wire(url):
    made = Wire(url)
    try:
        yield made
    finally:
        made.close()
