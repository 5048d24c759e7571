"""The drills of background tasks: real workers send receipts, with a private RabbitMQ as broker."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import amqp

from drills.load import Load
from drills.mail_server import MailServer, mail_server
from drills.scenarios import BOTH, MARGIN_SECONDS, OUTAGE_SECONDS, OrderClient, drill
from drills.servers import RabbitMQ
from drills.service import Worker
from drills.stage import Fault, Report, Stage, under_load
from drills.waiting import wait_until

EMAIL = "ada@mail.example"
PUBLISH_SECONDS = 1.0  # TASK_PUBLISH_TIMEOUT_SECONDS
TASK_TIME_LIMIT_SECONDS = 5
# When the claim of a killed worker expires; with the default TASK_TIME_LIMIT_SECONDS this takes 130 s.
CLAIM_SECONDS = 2 * (TASK_TIME_LIMIT_SECONDS + 5)
RECEIPT_SECONDS = 30.0
"""Time from the end of the fault to the last receipt, at most, without the wait for a claim."""
GRACE_SECONDS = 3.0
"""Wait after the last receipt, for duplicates."""
COPIES = 40


@contextmanager
def service_with_mail(stage: Stage) -> Iterator[tuple[MailServer, Callable[..., Worker]]]:
    """Run the service with the broker and a mail server; yield the mail server and a function that starts workers."""
    broker = stage.rabbitmq()
    workers: list[Worker] = []
    with mail_server() as mail:
        settings = {
            "BROKER_URL": broker.url,
            "MAIL_URL": mail.url,
            "TASK_TIME_LIMIT_SECONDS": str(TASK_TIME_LIMIT_SECONDS),
            "TASK_PUBLISH_TIMEOUT_SECONDS": str(PUBLISH_SECONDS),
            "EMAIL_RECIPIENT_LIMIT": "1000000",  # all orders of a drill have one recipient
        }
        stage.serve(**settings)
        # Messages left by a failed drill would be counted in this one.
        stage.database.execute_all("DELETE FROM outbox_messages")

        def start(processes: int = 2) -> Worker:
            workers.append(Worker(stage.service, settings, processes))
            return workers[-1]

        try:
            yield mail, start
        finally:
            mail.resume()
            for worker in workers:
                worker.stop()


def unfinished_messages(stage: Stage) -> int:
    """Return the number of messages that are not done, dead letters included."""
    return int(stage.database.query("SELECT COUNT(*) FROM outbox_messages")[0][0])


def receipt_of(order_id: str) -> str:
    """Return the Message-ID of an order's receipt."""
    return f"<receipt.{UUID(order_id)}@example.com>"


def count_receipts(  # noqa: PLR0913, PLR0917  used by three drills
    stage: Stage, report: Report, mail: MailServer, orders: list[str], over: float, within: float
) -> list[str]:
    """Wait for all receipts, then for duplicates; return the receipts that arrived more than once."""
    expected = {receipt_of(order) for order in orders}
    try:
        wait_until(
            lambda: expected <= set(mail.accepted) and not unfinished_messages(stage),
            "all receipts",
        )
    except TimeoutError:
        report.broken.append(f"{unfinished_messages(stage)} messages are not done")
    report.require_within(time.monotonic() - over, within, "the last message was done")
    time.sleep(GRACE_SECONDS)
    accepted = mail.accepted.copy()
    missing, unexpected = len(expected - set(accepted)), len(set(accepted) - expected)
    twice = [email for email, times in accepted.items() if times > 1]
    report.notes.append(
        f"{len(expected)} receipts, of which {missing} missing and {len(twice)} came more than once,"
        f" the last one {max(0.0, mail.last - over):.1f} s after the end of the fault"
    )
    report.require(bool(expected), "no receipt was requested")
    report.require(not missing, f"{missing} receipts missing")
    report.require(not unexpected, f"{unexpected} emails that were not requested")
    return twice


@drill(
    "RabbitMQ stopped and started",
    "no order is refused, or waits for longer than TASK_PUBLISH_TIMEOUT_SECONDS; every receipt arrives once,"
    f" within {RECEIPT_SECONDS:.0f} s of the broker's return",
)
def broker_stopped(stage: Stage, report: Report) -> None:
    """Stop the broker while every order requests a receipt."""
    with service_with_mail(stage) as (mail, start):
        start()
        broker, over = stage.rabbitmq(), 0.0

        def fault(_load: Load) -> Fault:
            nonlocal over
            broker.stop()
            time.sleep(OUTAGE_SECONDS)
            broker.start()
            over = time.monotonic()
            report.notes.append(
                f"{unfinished_messages(stage)} messages in the outbox at the broker's return"
            )
            report.require(
                unfinished_messages(stage) > 0, "no message waited: the fault had no effect"
            )
            return Fault(over)

        load = under_load(
            stage,
            report,
            fault,
            max_seconds=PUBLISH_SECONDS + MARGIN_SECONDS,
            refusals_allowed=False,
            email=EMAIL,
        )
        orders = [placed.id for placed in load.placed.values()]
        twice = count_receipts(stage, report, mail, orders, over, RECEIPT_SECONDS)
        report.require(not twice, f"{len(twice)} receipts came twice")


@drill(
    "a Celery worker killed",
    "every receipt arrives once; only one that the mail server accepted before its worker died arrives"
    " twice, with the same Message-ID",
)
def celery_killed(stage: Stage, report: Report) -> None:
    """Send SIGKILL to all processes of a worker: with two emails in transit, then with one just accepted."""
    with service_with_mail(stage) as (mail, start):
        worker, over, expected_twice = start(), 0.0, ""

        def fault(_load: Load) -> Fault:
            nonlocal worker, over, expected_twice
            wait_for_two_emails(mail)
            worker.kill()
            mail.resume()
            worker = start()
            time.sleep(1)
            wait_for_two_emails(mail)
            expected_twice = mail.kill_before_reply(worker.kill)
            worker = start()
            over = time.monotonic()
            report.notes.append(f"{mail.abandoned} emails in transit abandoned by the mail server")
            report.require(mail.abandoned == 3, "the number of emails in transit was not 3")
            return Fault(over)

        load = under_load(
            stage, report, fault, max_seconds=MARGIN_SECONDS, refusals_allowed=False, email=EMAIL
        )
        orders = [placed.id for placed in load.placed.values()]
        twice = count_receipts(stage, report, mail, orders, over, RECEIPT_SECONDS + CLAIM_SECONDS)
        report.require(twice == [expected_twice], f"{len(twice)} receipts came twice, not the one")
        report.require(max(mail.accepted.values()) <= 2, "a receipt came three times")


def wait_for_two_emails(mail: MailServer) -> None:
    """Wait until both processes of the worker are sending an email."""
    mail.pause()
    wait_until(lambda: len(mail.held) == 2, "two emails are in transit")


@drill(
    "a message delivered forty times",
    "one receipt, even if the first run fails while the copies are consumed",
    BOTH,
)
def copies(stage: Stage, report: Report) -> None:
    """Put copies of a message into the queue, with four processes consuming it."""
    with service_with_mail(stage) as (mail, start):
        broker, over, order = stage.rabbitmq(), 0.0, ""

        def fault(load: Load) -> Fault:
            nonlocal over, order
            order = OrderClient(stage, load).place(EMAIL)
            copy(broker, f"{stage.service.project.name}.tasks")
            mail.pause()
            start(4)
            wait_until(lambda: bool(mail.held), "the email is in transit")
            time.sleep(TASK_TIME_LIMIT_SECONDS / 2)
            mail.resume(hang_up=True)
            over = time.monotonic()
            return Fault(over)

        under_load(
            stage, report, fault, after=0.5, max_seconds=MARGIN_SECONDS, refusals_allowed=False
        )
        twice = count_receipts(stage, report, mail, [order], over, RECEIPT_SECONDS + CLAIM_SECONDS)
        report.notes.append(
            f"{COPIES} copies, {mail.abandoned} attempt that the mail server aborted"
        )
        report.require(
            mail.abandoned == 1, f"{mail.abandoned} runs were sending the receipt at once"
        )
        report.require(not twice, "the receipt came more than once")


def copy(broker: RabbitMQ, queue: str) -> None:
    """Take the message of a receipt from the queue; put it back together with its copies."""
    with amqp.Connection(f"127.0.0.1:{broker.port}", "guest", "guest") as connection:
        channel = connection.channel()
        # The queue may also have messages of scheduled runs from a worker that has stopped.
        while message := channel.basic_get(queue):
            if message.headers["task"] == "orders.send_receipt":
                break
            channel.basic_ack(message.delivery_tag)
        for _ in range(COPIES):
            channel.basic_publish(message, "", queue)
        channel.basic_reject(message.delivery_tag, requeue=True)
        channel.close()
