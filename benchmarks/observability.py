"""Measure the cost of logs, metrics, traces, rate limits and security headers, together and separately.

A service is generated for each variant and served on loopback by Gunicorn with one worker. Logs and
headers are not answers, so the benchmark switches them off in the application. All variants serve the
same requests alternately: quotes, and lists of 20 orders. The measure is the CPU time of the worker and
its exporter, because it limits throughput. Turns are short, so that other load affects all variants equally.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
PARTS = ("logs", "metrics", "tracing", "rate_limiting", "headers")
ANSWERS = ("metrics", "tracing", "rate_limiting")
REQUESTS = 25  # per turn
ROUNDS = 60
HANG_TIMEOUT_SECONDS = 120
EXPORT_MS = 500  # the interval between exports of spans
MAX_LOSS = 0.25  # of the throughput, with all parts
BODY = json.dumps(
    {"currency": "EUR", "lines": [{"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450}]}
)
KINDS: dict[str, tuple[str, str, str | None]] = {
    "a quote": ("POST", "/api/v1/quotes", BODY),
    "a list of 20 orders": ("GET", "/api/v1/orders?limit=20", None),
}
# The module that Gunicorn serves, in the folder of the generated service.
SERVED = """
import os
from pathlib import Path
from uuid import uuid4
from app import create_app
from app.core import access
from app.core.access.tokens import tokens
from app.core.database import db
from app.core.observability import logs
from app.core.pipeline import request_pipeline
from app.orders import service

app = create_app()
around = request_pipeline.of(app)
if "logs" not in os.environ["BENCH_PARTS"]:
    # The access log is the first callable.
    assert isinstance(around.on_finish.pop(0).__self__, logs.AccessLog)
if "headers" not in os.environ["BENCH_PARTS"]:
    around.static_headers.clear()
principal = access.Principal(uuid4(), access.scopes.of(app).of_role("user"), uuid4())
line = {"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450}
with app.app_context():
    db.metadata.create_all(db.engine)
    for _ in range(30):
        service.place({"currency": "EUR", "lines": [line, line]}, owner_id=principal.id)
Path(os.environ["BENCH_TOKEN"]).write_text(tokens.of(app).issue(principal).value)
"""


class Collector(BaseHTTPRequestHandler):
    """Accepts traces, because retries to an unavailable collector would cost CPU time."""

    def do_POST(self) -> None:
        """Accept spans."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log no requests."""


def generate(folder: Path, parts: tuple[str, ...]) -> Path:
    """Generate the default service with those of the parts that are answers."""
    output = folder / "-".join(parts or ("bare",))
    config = folder / "config.yaml"
    config.write_text(f"replay_dir: {folder}/replay\ncookiecutters_dir: {folder}/cookiecutters\n")
    quiet = os.dup(1)
    with open(os.devnull, "w") as nothing:  # noqa: PTH123 - the hooks write to descriptor 1
        os.dup2(nothing.fileno(), 1)
    try:
        made = Path(
            cookiecutter(
                str(ROOT),
                no_input=True,
                output_dir=str(output),
                config_file=str(config),
                extra_context={name: name in parts for name in ANSWERS},
            )
        )
    finally:
        os.dup2(quiet, 1)
        os.close(quiet)
    (made / "served.py").write_text(SERVED)
    return made


class Server:
    """A Gunicorn with one worker, which serves one variant."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], token: Path) -> None:
        self.process = process
        self.token = token
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS
        )

    def send(self, method: str, path: str, body: str | None = None) -> None:
        """Send a request over a persistent connection, as a proxy does."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
        }
        if self.token.exists():
            headers["Authorization"] = f"Bearer {self.token.read_text()}"
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        response.read()
        if response.status != http.client.OK:
            sys.exit(f"{method} {path} was answered with {response.status}")

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the worker's threads, as the kernel's scheduler counts them."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        (worker,) = children.split()
        threads = Path(f"/proc/{worker}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    def turn(self, method: str, path: str, body: str | None) -> None:
        """Send the requests of one turn."""
        for _ in range(REQUESTS):
            self.send(method, path, body)


@contextmanager
def served(project: Path, parts: tuple[str, ...], collector: str) -> Iterator[Server]:
    """Serve a variant with Gunicorn."""
    token = project / "token"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "APP_ENV": "testing",
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "LOG_FORMAT": "json",
        "BENCH_PARTS": ",".join(parts),
        "RATE_LIMIT": "1000000000/minute",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_BSP_SCHEDULE_DELAY": str(EXPORT_MS),
        "DATABASE_URL": f"sqlite:///{project}/bench.db",
        "BENCH_TOKEN": str(token),
    }
    command = [sys.executable, "-m", "gunicorn", "--max-requests", "0", "served:app"]
    with (project / f"log-{len(parts)}").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the generated service
            command, cwd=project, env=environment, stdout=log, stderr=log
        )
        try:
            server = Server(port, process, token)
            wait_for(server)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=HANG_TIMEOUT_SECONDS)


def wait_for(server: Server) -> None:
    """Wait until a server responds."""
    deadline = time.monotonic() + HANG_TIMEOUT_SECONDS
    while True:
        try:
            return server.send("GET", "/health/live")
        except OSError:
            server.connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def variants() -> list[tuple[str, ...]]:
    """List the variants: no part, each part alone, and all parts."""
    return [(), *((part,) for part in PARTS), PARTS]


@contextmanager
def collecting() -> Iterator[str]:
    """Run a collector; yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measure() -> dict[str, dict[tuple[str, ...], float]]:
    """Return the CPU seconds of a request of each kind, with each set of parts."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        collector = stack.enter_context(collecting())
        servers = {
            parts: stack.enter_context(served(generate(Path(folder), parts), parts, collector))
            for parts in variants()
        }
        return {kind: compare(servers, *request) for kind, request in KINDS.items()}


def compare(
    servers: dict[tuple[str, ...], Server], method: str, path: str, body: str | None
) -> dict[tuple[str, ...], float]:
    """Return the CPU seconds of a request to each server, measured in alternating turns."""
    for each in servers.values():
        each.turn(method, path, body)  # warm-up
    time.sleep(2 * EXPORT_MS / 1e3)
    before = {parts: each.cpu_seconds() for parts, each in servers.items()}
    order = list(servers.values())
    for number in range(ROUNDS):
        # The order rotates.
        for each in order[number % len(order) :] + order[: number % len(order)]:
            each.turn(method, path, body)
    time.sleep(2 * EXPORT_MS / 1e3)
    sent = ROUNDS * REQUESTS
    return {parts: (each.cpu_seconds() - before[parts]) / sent for parts, each in servers.items()}


def main() -> None:
    """Print the figures; exit with an error if they exceed a limit."""
    found = measure()
    lost = {}
    for kind, costs in found.items():
        bare = costs[()]
        print(f"{kind} under Gunicorn without any of these: {bare * 1e6:.0f} µs of CPU")
        for parts in variants()[1:]:
            name = "all together" if parts == PARTS else parts[0].replace("_", " ")
            cost = costs[parts]
            print(f"  {name}: {(cost - bare) * 1e6:+.0f} µs, {bare / cost:.2f} of the throughput")
        lost[kind] = 1 - bare / costs[PARTS]
    if worst := [f"{kind}: {each:.0%}" for kind, each in lost.items() if each > MAX_LOSS]:
        sys.exit(f"The limit is {MAX_LOSS:.0%} of the throughput. Lost: {', '.join(worst)}")


if __name__ == "__main__":
    main()
