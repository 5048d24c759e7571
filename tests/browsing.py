"""Helpers that open the pages of a running service in a real browser, and record its errors.

Delete it together with the answer `web_ui`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from bakery import environment
from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until
from measuring import misfits

Scheme = Literal["dark", "light"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
# For root in a container, without background requests of the browser.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
FLASK = [sys.executable, "-m", "flask", "--app", "app"]
DEVELOPMENT = {"APP_ENV": "development", "LOG_LEVEL": "WARNING"}
LOG = "stderr.txt"
# Chromium logs an error status of a page as it does of an image. A rejected form, a wrong password, a
# rate limit and a used link have such a status on purpose.
MEANT = tuple(
    f"Failed to load resource: the server responded with a status of {status}"
    for status in (400, 401, 403, 404, 422, 429)
)
SEVERE = {"critical", "serious"}


def chromium() -> str:
    """Return the path of the browser; without one skip the test, or fail it under REQUIRE_SERVICES=1."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        message = "no Chromium is on the PATH: install one, such as the package chromium of Debian"
        if os.environ.get("REQUIRE_SERVICES"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextmanager
def opened() -> Iterator[Browser]:
    """Open the browser."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def running(project: Path, **env: str) -> Iterator[str]:
    """Start a service as `make run` does; yield its URL. Its standard error goes into the file LOG."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = environment(project, **DEVELOPMENT, PUBLIC_URL=f"http://127.0.0.1:{port}", **env)
    if (project / "migrations").exists():
        flask(project, "db", "upgrade")
    with (project / LOG).open("w") as log:
        process = subprocess.Popen(
            [*FLASK, "run", "--port", str(port)], cwd=project, env=settings, stderr=log
        )
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def flask(project: Path, *command: str, typed: str = "") -> None:
    """Run a command of a service, as its operator does."""
    settings = environment(project, **DEVELOPMENT)
    subprocess.run(
        [*FLASK, *command], cwd=project, env=settings, input=typed, text=True, check=True
    )


def path_in_email(project: Path, to: str, page: str) -> str:
    """Return the path of a link to a page in an email to an address, from the output of the service."""
    link = rf"^--- email to {re.escape(to)}: (?:(?!^---).)*^http://[^/]+({page}\?\S+)$"
    email = re.compile(link, re.MULTILINE | re.DOTALL)
    found: list[str] = []

    def received() -> bool:
        found.extend(each[1] for each in email.finditer((project / LOG).read_text()))
        return bool(found)

    wait_until(received, "an email arrives")
    return found[0]


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the service listens."""

    def listens() -> bool:
        assert process.poll() is None, "the service did not start"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=HANG_TIMEOUT_SECONDS).close()
        except OSError:
            return False
        return True

    wait_until(listens, "the service listens")


@dataclass
class Visit:
    """One user's page, with the errors that the browser has reported."""

    page: Page
    site: str
    scripts: bool
    errors: list[str] = field(default_factory=list)
    elsewhere: str | None = None
    """Another site that the page may send requests to."""

    def __post_init__(self) -> None:
        self.page.on("console", self._record_message)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._record_request)

    def _record_message(self, message: ConsoleMessage) -> None:
        """Record errors and warnings, such as violations of the content security policy."""
        if message.type in {"error", "warning"} and not message.text.startswith(MEANT):
            self.errors.append(message.text)

    def _record_request(self, request: Request) -> None:
        expected = (f"{self.site}/", f"{self.elsewhere or self.site}/")
        if not request.url.startswith(expected):
            self.errors.append(f"requested {request.url}")

    def goto(self, path: str) -> None:
        """Open a page of the service."""
        self.page.goto(self.site + path)

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def write(self, label: str, text: str) -> None:
        """Fill in a field."""
        self.page.get_by_role("textbox", name=label, exact=True).fill(text)

    def fill(self, line: int, sku: str, quantity: str, price: str) -> None:
        """Fill in a line of a basket."""
        group = self.page.get_by_role("group", name=f"Line {line}", exact=True)
        group.get_by_label("Article number").fill(sku)
        group.get_by_label("Quantity").fill(quantity)
        group.get_by_label("Price of one").fill(price)

    def reads(self, text: str) -> None:
        """Wait until a text is on the page."""
        self.page.get_by_text(text).first.wait_for()

    def fits(self) -> None:
        """Measure the page on the screens of a phone, a tablet and a laptop."""
        assert not (found := misfits(self.page)), (self.page.url, found)

    def is_accessible(self) -> None:
        """Check the accessibility with axe."""
        if self.scripts:
            found = Axe().run(self.page).response["violations"]
            severe = [each for each in found if each["impact"] in SEVERE]
            assert not severe, [(each["id"], each["nodes"][0]["html"]) for each in severe]


@contextmanager
def visiting(
    browser: Browser, site: str, scheme: Scheme = "light", *, scripts: bool = True
) -> Iterator[Visit]:
    """Open a browser context without cookies; raise if the browser has reported errors at the end."""
    context = browser.new_context(
        color_scheme=scheme,
        java_script_enabled=scripts,
        viewport={"width": 1000, "height": 720},
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",  # axe would measure the colours of an animation
    )
    context.set_default_timeout(HANG_TIMEOUT_SECONDS * 1_000)
    visit = Visit(context.new_page(), site, scripts)
    yield visit
    context.close()
    assert not visit.errors, visit.errors
