"""Simulates Redis after a failover: the existing connection leads to a replica."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Thread

from app.core.config.secret_url import SecretURL

READ_ONLY = b"-READONLY You can't write against a read only replica.\r\n"


@contextmanager
def failed_over(later_reply: bytes) -> Iterator[SecretURL]:
    """Refuse commands on the first connection as read-only; send `later_reply` on later ones."""
    connections = count()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            reply = later_reply if next(connections) else READ_ONLY
            # RESP: "*2" for two arguments, then the length and bytes of each
            while line := self.rfile.readline():
                arguments = [self._argument() for _ in range(int(line[1:]))]
                self.wfile.write(b"+OK\r\n" if arguments[0] == b"CLIENT" else reply)

        def _argument(self) -> bytes:
            length = int(self.rfile.readline()[1:])
            return self.rfile.read(length + 2)[:length]

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        Thread(target=listening.serve_forever, args=(0.01,)).start()
        try:
            yield SecretURL(f"redis://127.0.0.1:{listening.server_address[1]}/0?protocol=2")
        finally:
            listening.shutdown()
