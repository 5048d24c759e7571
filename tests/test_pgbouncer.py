"""A generated service behind a real PgBouncer in transaction mode."""

import json
import secrets
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

import real_servers
from bakery import Bakery
from combinations import Answers, covering_set
from drills.servers import MissingServerError, PgBouncer, program
from drills.service import Service, temporary_folder
from drills.waiting import HANG_TIMEOUT_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.long]

CLIENTS, ROUNDS = 8, 40
ANSWERS: Answers = next(
    row for row in covering_set() if row["database"] == "postgresql" and row["auth"] == "none"
)
BASKET = {"currency": "EUR", "lines": [{"sku": "TEA", "quantity": 2, "unit_price_cents": 450}]}


@pytest.fixture
def server() -> Iterator[str]:
    """Create a database on the real server; yield its URL."""
    url = real_servers.needed("postgresql")["postgresql"].replace("+psycopg", "")
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def pgbouncer(server: str) -> Iterator[PgBouncer]:
    """Start a pooler in front of that server; skip the test if it is not installed."""
    try:
        program("pgbouncer")
    except MissingServerError as missing:
        real_servers.absent(f"{missing}: apt-get install pgbouncer")
    at = urlsplit(server)
    behind = f"host={at.hostname} port={at.port or 5432} user={at.username}"
    behind += f" password={unquote(at.password)}" if at.password else ""
    kind = type("PgBouncer", (PgBouncer,), {"behind": behind})
    with temporary_folder() as folder:
        pooler: PgBouncer = kind(Path(folder))
        try:
            pooler.start()
            yield pooler
        finally:
            pooler.stop()


def visit(port: int) -> Counter[str]:
    """Place, read and list orders as one of several clients; count the statuses."""
    counted: Counter[str] = Counter()
    base = f"http://127.0.0.1:{port}/api/v1/orders"
    for _ in range(ROUNDS):
        headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
        request = urllib.request.Request(base, json.dumps(BASKET).encode(), headers)
        with urllib.request.urlopen(request, timeout=HANG_TIMEOUT_SECONDS) as response:  # noqa: S310  a URL on loopback
            counted[f"placed {response.status}"] += 1
            order = json.load(response)["id"]
        for url in (f"{base}/{order}", f"{base}?limit=20"):
            with urllib.request.urlopen(url, timeout=HANG_TIMEOUT_SECONDS) as response:  # noqa: S310  a URL on loopback
                counted[f"read {response.status}"] += 1
    return counted


def test_behind_pgbouncer_in_transaction_mode_no_request_fails(
    server: str, pgbouncer: PgBouncer, bakery: Bakery
) -> None:
    service = Service(
        bakery.bake(ANSWERS),
        DATABASE_URL=pgbouncer.url(urlsplit(server).path[1:]),
        DATABASE_MIGRATION_URL=server,
        DATABASE_TRANSACTION_POOLING="true",
    )
    service.flask("db", "upgrade")
    service.start()
    try:
        with ThreadPoolExecutor(CLIENTS) as clients:
            answered = sum(clients.map(visit, [service.port] * CLIENTS), Counter[str]())
    finally:
        service.stop()

    log = service.log.read_text()
    assert answered == {"placed 201": CLIENTS * ROUNDS, "read 200": 2 * CLIENTS * ROUNDS}
    # No request succeeded only because it was retried.
    assert "database connections replaced" not in log
    assert '"level":"ERROR"' not in log


def test_session_defaults_of_the_database_apply_behind_pgbouncer(
    server: str, pgbouncer: PgBouncer
) -> None:
    name = urlsplit(server).path[1:]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET statement_timeout = '7s'".encode())

    with psycopg.connect(pgbouncer.url(name)) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)
