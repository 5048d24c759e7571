"""What logs, metrics, traces, rate limits and security headers cost, together and each one alone.

Two services are generated, the default one and the same without metrics, tracing and rate limiting,
and served by Gunicorn, one worker each, on loopback. Logs and headers are no answers, so they are
switched off inside. All variants take turns on the same requests, and what counts is the CPU time of
the worker, read from the kernel: it is what limits throughput, and other work on the machine does
not change it much. The best of several rounds counts.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
PARTS = ("logs", "metrics", "tracing", "rate_limiting", "headers")
ANSWERS = ("metrics", "tracing", "rate_limiting")
REQUESTS = 600  # in one turn
ROUNDS = 7
MOST_LOST = 0.25  # of the throughput, for all parts together
BODY = json.dumps(
    {"currency": "EUR", "lines": [{"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450}]}
)
# What an answer that is no answer means: Gunicorn serves this module, beside the generated service.
SERVED = """
import os
from app import create_app
from app.core import logs, pipeline

app = create_app()
around = pipeline.of(app)
if "logs" not in os.environ["BENCH_PARTS"]:
    around.observers[:] = [each for each in around.observers if not isinstance(each, logs.AccessLog)]
if "headers" not in os.environ["BENCH_PARTS"]:
    around.static_headers.clear()
"""


def generate(folder: Path, parts: tuple[str, ...]) -> Path:
    """Generate the default service with these parts of it that are answers."""
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
    """A Gunicorn with one worker that serves one variant."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def request(self) -> None:
        """Price an order, over a connection that is kept, as a proxy keeps it."""
        headers = {"Content-Type": "application/json"}
        self.connection.request("POST", "/api/v1/quotes", BODY, headers)
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            sys.exit(f"a quote was answered with {answer.status}")

    def spent(self) -> float:
        """Return the CPU seconds of the worker, to the precision of the kernel's scheduler."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        (worker,) = children.split()
        threads = Path(f"/proc/{worker}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    def turn(self) -> float:
        """Return the CPU seconds of one request."""
        before = self.spent()
        for _ in range(REQUESTS):
            self.request()
        return (self.spent() - before) / REQUESTS


@contextmanager
def served(project: Path, parts: tuple[str, ...]) -> Iterator[Server]:
    """Serve a variant."""
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
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    command = [sys.executable, "-m", "gunicorn", "--max-requests", "0", "served:app"]
    with (project / f"log-{len(parts)}").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - this very service
            command, cwd=project, env=environment, stdout=log, stderr=log
        )
        try:
            server = Server(port, process)
            wait_for(server)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=40)


def wait_for(server: Server) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return server.request()
        except OSError:
            server.connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def variants() -> list[tuple[str, ...]]:
    """List what is compared: nothing, each part alone, and everything."""
    return [(), *((part,) for part in PARTS), PARTS]


def measure() -> dict[tuple[str, ...], float]:
    """Return the CPU seconds of a request with each set of parts."""
    folder = Path(tempfile.mkdtemp())
    try:
        with ExitStack() as stack:
            servers = {
                parts: stack.enter_context(served(generate(folder, parts), parts))
                for parts in variants()
            }
            rounds = [
                {parts: each.turn() for parts, each in servers.items()} for _ in range(ROUNDS)
            ]
        return {parts: min(each[parts] for each in rounds) for parts in servers}
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Print the figures; end with an error when they are worse than promised."""
    found = measure()
    bare, whole = found[()], found[PARTS]
    print(f"a quote under Gunicorn without any of these: {bare * 1e6:.0f} µs of CPU")
    for parts in variants()[1:]:
        name = "all together" if parts == PARTS else parts[0].replace("_", " ")
        print(
            f"  {name}: {(found[parts] - bare) * 1e6:+.0f} µs, {bare / found[parts]:.2f} of the throughput"
        )
    if (lost := 1 - bare / whole) > MOST_LOST:
        sys.exit(f"promised: at most {MOST_LOST:.0%} of the throughput, not {lost:.0%}")


if __name__ == "__main__":
    main()
