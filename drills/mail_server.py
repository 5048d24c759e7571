"""A simulated mail server in the process of the drill: it counts emails by their Message-ID."""

import select
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until


class MailServer(socketserver.ThreadingTCPServer):
    """An SMTP server that accepts emails at once, or holds them until it is resumed."""

    daemon_threads = True

    def __init__(self) -> None:
        """Bind to a free port on loopback."""
        super().__init__(("127.0.0.1", 0), _SMTPHandler)
        self.url = f"smtp://127.0.0.1:{self.server_address[1]}"
        self.accepted: Counter[str] = Counter()
        """How often each email was accepted, by Message-ID."""
        self.abandoned = 0
        """Emails whose sender disconnected after sending them and before they were accepted."""
        self.last = 0.0
        """The monotonic time at which the last email was accepted."""
        self.held: list[str] = []
        """Emails that were received and are not accepted yet."""
        self.lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._hangs_up = False
        self._before_reply: Callable[[str], None] | None = None

    def pause(self) -> None:
        """Hold emails instead of accepting them."""
        self._open.clear()

    def resume(self, *, hang_up: bool = False) -> None:
        """Accept held and new emails; with `hang_up`, disconnect the senders of held emails instead."""
        self._hangs_up = hang_up
        self._open.set()
        wait_until(
            lambda: not (hang_up and self.held), "the senders of held emails are disconnected"
        )
        self._hangs_up = False

    def kill_before_reply(self, kill: Callable[[], None]) -> str:
        """Accept one email, call `kill` before the reply, and return the email's Message-ID."""
        accepted: list[str] = []

        def act(email: str) -> None:
            kill()
            accepted.append(email)

        self._before_reply = act
        self.resume()
        wait_until(lambda: accepted, "an email is accepted")
        return accepted[0]

    def accept(self, email: str, alive: Callable[[], bool]) -> bool:
        """Wait while the server is paused; return whether this email was accepted.

        An email does not count if its sender disconnects before it is accepted (RFC 5321, 6.1).
        """
        with self.lock:
            self.held.append(email)
        self._open.wait(HANG_TIMEOUT_SECONDS)
        with self.lock:
            refused = self._hangs_up
            self.held.remove(email)
            if refused or not alive():
                self.abandoned += 1
                return False
            self.accepted[email] += 1
            self.last = time.monotonic()
            act, self._before_reply = self._before_reply, None
            if act:
                act(email)
        return True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""


class _SMTPHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._reply(b"220 ready")
        while line := self.rfile.readline():
            if not line.upper().startswith(b"DATA"):
                self._reply(b"221 bye" if line.upper().startswith(b"QUIT") else b"250 fine")
                continue
            self._reply(b"354 go ahead")
            email = self._email()
            if not email or not cast("MailServer", self.server).accept(email, self._is_alive):
                return
            self._reply(b"250 accepted")

    def _email(self) -> str:
        """Read an email; return its Message-ID."""
        name = ""
        while part := self.rfile.readline():
            if part.lower().startswith(b"message-id:"):
                name = part.split()[-1].decode()
            if part == b".\r\n":
                return name
        return ""

    def _is_alive(self) -> bool:
        """Return whether the sender is still connected and waits for the reply."""
        return not select.select([self.connection], [], [], 0)[0]

    def _reply(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Run a simulated mail server."""
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.resume()
            server.shutdown()
