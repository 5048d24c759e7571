"""A transaction that causes a deadlock with a payment."""

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

# Queries that find sessions waiting for a lock.
WAITING = {
    "postgresql": "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mariadb": "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


@contextmanager
def locked_order(stage: Stage, order_id: str, delivery: str) -> Iterator[Callable[[], None]]:
    """Lock an order in a transaction; yield the function that completes the deadlock.

    The function waits until the payment has stored its delivery and waits for the order. It then inserts a
    row with the key of that delivery, so each transaction waits for the other. The drill's transaction has
    changed more rows and waited for less time, so both database servers abort that of the payment.
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

        def complete_deadlock() -> None:
            wait_until(lambda: bool(database.query(WAITING[database.name])), "the payment waits")
            time.sleep(0.3)  # PostgreSQL aborts the transaction that has waited longest
            # PostgreSQL checks for a deadlock once, a second after a wait began. On a busy machine the
            # deadlock may complete later, and this transaction is aborted. The drill then repeats it.
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                _insert(cursor, digest)

        try:
            yield complete_deadlock
        finally:
            connection.rollback()


def _insert(cursor: Any, digest: str) -> None:  # noqa: ANN401  the cursor of either driver
    cursor.execute(
        "INSERT INTO webhook_deliveries (digest, received_at) VALUES (%s, '2026-01-01')", (digest,)
    )
