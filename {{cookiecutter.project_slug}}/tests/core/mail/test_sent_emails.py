from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.core import (  # one line where it fits
    database,
    # {% if cookiecutter.background_tasks %}
    tasks,
    # {% endif %}
)
from app.core.mail import sent_emails
from app.core.mail.sent_emails import DatabaseCounter, SentEmail

PRUNE = ["prune", "--only", "sent_emails"]


def later(seconds: float) -> None:
    """Set the time of all emails to this many seconds ago."""
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    with database.writing() as transaction:
        transaction.execute(update(SentEmail).values(sent_at=then))


@pytest.mark.attack
def test_concurrent_emails_are_all_counted(app: Flask) -> None:
    barrier = Barrier(8)

    def add(number: int) -> int:
        with app.app_context():
            barrier.wait()
            return DatabaseCounter().add("category", "ada", f"<{number}>", 60)

    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(add, range(8)))

    assert max(counts) == 8
    assert sum(count <= 3 for count in counts) <= 3


def test_old_counts_of_emails_are_deleted(app: Flask) -> None:
    invoke = app.test_cli_runner().invoke
    with app.app_context():
        DatabaseCounter().add("category", "ada", "<a>", 60)
    assert invoke(args=PRUNE).output == "sent_emails: 0 deleted\n"
    with app.app_context():
        later(sent_emails.KEEP.total_seconds() + 1)

    assert invoke(args=PRUNE).output == "sent_emails: 1 deleted\n"
    with app.app_context(), database.reading() as connection:
        assert connection.execute(select(func.count(SentEmail.id))).scalar_one() == 0


# {% if cookiecutter.background_tasks %}
def test_workers_delete_them_on_schedule(app: Flask) -> None:
    with app.app_context():
        DatabaseCounter().add("category", "ada", "<a>", 60)
        later(sent_emails.KEEP.total_seconds() + 1)

    (job,) = [job for job in tasks.schedule.periodic_jobs.of(app) if job.name == "emails.delete"]
    assert job.claim_and_run()

    assert app.test_cli_runner().invoke(args=PRUNE).output == "sent_emails: 0 deleted\n"


# {% endif %}
def test_emails_count_for_a_while(app: Flask) -> None:
    counter = DatabaseCounter()
    with app.app_context():
        assert [counter.add("category", "ada", f"<{name}>", 60) for name in "abc"] == [1, 2, 3]
        counter.withdraw("<b>")
        assert counter.add("category", "ada", "<d>", 60) == 3
        assert counter.add("category", "ada", "<d>", 60) == 3  # its process was killed

        later(61)
        assert counter.add("category", "ada", "<e>", 60) == 1
