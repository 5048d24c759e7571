"""A stand-in for a mail server, in the drill's own process: it counts emails by their Message-ID."""

import select
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until


class Post(socketserver.ThreadingTCPServer):
    """Accepts emails, at once or on demand."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on loopback."""
        super().__init__(("127.0.0.1", 0), _Speaker)
        self.url = f"smtp://127.0.0.1:{self.server_address[1]}"
        self.taken: Counter[str] = Counter()
        """How often each email was taken."""
        self.given_up = 0
        """Emails that were read, and whose sender was gone before they were taken."""
        self.last = 0.0
        """The monotonic time of the latest email that was taken."""
        self.held: list[str] = []
        """Emails that are read and not taken yet."""
        self.lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._hangs_up = False
        self._before_word: Callable[[str], None] | None = None

    def hold(self) -> None:
        """Take nothing more for now."""
        self._open.clear()

    def go_on(self, *, hang_up: bool = False) -> None:
        """Take what is held and what comes; or hang up on those whose emails are held."""
        self._hangs_up = hang_up
        self._open.set()
        wait_until(lambda: not (hang_up and self.held), "held emails are let go")
        self._hangs_up = False

    def kill_before_word(self, kill: Callable[[], None]) -> str:
        """Accept one email, kill its sender before the reply, and return which email it was."""
        taken: list[str] = []

        def act(email: str) -> None:
            kill()
            taken.append(email)

        self._before_word = act
        self.go_on()
        wait_until(lambda: taken, "an email is taken")
        return taken[0]

    def takes(self, email: str, alive: Callable[[], bool]) -> bool:
        """Wait until emails are taken, and say whether this one was.

        An email does not count if its sender disconnects before it is accepted (RFC 5321, 6.1).
        """
        with self.lock:
            self.held.append(email)
        self._open.wait(HANG_TIMEOUT_SECONDS)
        with self.lock:
            refused = self._hangs_up
            self.held.remove(email)
            if refused or not alive():
                self.given_up += 1
                return False
            self.taken[email] += 1
            self.last = time.monotonic()
            act, self._before_word = self._before_word, None
            if act:
                act(email)
        return True

    def handle_error(self, request: object, client_address: object) -> None:
        """Let a client go away whenever it likes."""


class _Speaker(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._say(b"220 ready")
        while line := self.rfile.readline():
            if not line.upper().startswith(b"DATA"):
                self._say(b"221 bye" if line.upper().startswith(b"QUIT") else b"250 fine")
                continue
            self._say(b"354 go ahead")
            email = self._email()
            if not email or not cast("Post", self.server).takes(email, self._is_alive):
                return
            self._say(b"250 taken")

    def _email(self) -> str:
        """Read an email to its end, and return its Message-ID."""
        name = ""
        while part := self.rfile.readline():
            if part.lower().startswith(b"message-id:"):
                name = part.split()[-1].decode()
            if part == b".\r\n":
                return name
        return ""

    def _is_alive(self) -> bool:
        """Tell whether the sender still waits: it says nothing then, and has not hung up."""
        return not select.select([self.connection], [], [], 0)[0]

    def _say(self, words: bytes) -> None:
        self.wfile.write(words + b"\r\n")


@contextmanager
def post_office() -> Iterator[Post]:
    """Run a mail server."""
    with Post() as post:
        threading.Thread(target=post.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield post
        finally:
            post.go_on()
            post.shutdown()
