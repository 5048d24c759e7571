"""The other side of a deadlock: a transaction of ours that wants what a payment has."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql

from drills.servers import PostgreSQL
from drills.stage import Stage
from drills.waiting import wait_until

# How a server shows that a session waits for a lock.
WAITING = {
    "postgresql": "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mariadb": "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


@contextmanager
def holding(stage: Stage, order_id: str, delivery: str) -> Iterator[Callable[[], None]]:
    """Hold an order in a transaction; the function that is given closes the circle.

    It waits until the payment has stored its delivery and waits for the order, then asks for a row
    with the same key as that delivery: each waits for the other. Ours has changed more rows, and has
    waited less, so both kinds of server end the payment's transaction.
    """
    database = stage.database
    digest = hashlib.sha256(delivery.encode()).hexdigest()
    connection: Any
    if database.name == PostgreSQL.name:
        connection, id_ = psycopg.connect(database.url), order_id
    else:
        connection = pymysql.connect(
            host="127.0.0.1", port=database.port, user="root", database="drill"
        )
        id_ = order_id.replace("-", "")
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT id FROM orders WHERE id = %s FOR UPDATE", (id_,))
        others = [f"{digest[:-2]}{number:02x}" for number in range(16)]
        for other in others:
            if other != digest:
                _insert(cursor, other)

        def close_the_circle() -> None:
            wait_until(lambda: bool(database.rows(WAITING[database.name])), "the payment waits")
            time.sleep(0.3)  # PostgreSQL ends the transaction that has waited longest
            # PostgreSQL looks for deadlocks once, a second after a wait began; a busy machine may have
            # closed the circle later than that, and ours is ended. The drill counts those it met.
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                _insert(cursor, digest)

        try:
            yield close_the_circle
        finally:
            connection.rollback()


def _insert(cursor: Any, digest: str) -> None:  # noqa: ANN401  either driver's
    cursor.execute(
        "INSERT INTO webhook_deliveries (digest, received_at) VALUES (%s, '2026-01-01')", (digest,)
    )
