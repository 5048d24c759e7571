"""The drills of background tasks: receipts are sent by real workers, over a RabbitMQ of our own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import amqp

from drills.load import Load
from drills.post import Post, post_office
from drills.scenarios import AWAY_SECONDS, BOTH, MARGIN_SECONDS, Shop, drill
from drills.servers import RabbitMQ
from drills.service import Worker
from drills.stage import Fault, Report, Stage, under_load
from drills.waiting import wait_until

EMAIL = "ada@mail.example"
PUBLISH_SECONDS = 1.0  # TASK_PUBLISH_TIMEOUT_SECONDS
TASK_TIME_LIMIT_SECONDS = 5
# A claim of a worker that died ends so late; with the default TASK_TIME_LIMIT_SECONDS it would be 130 s.
CLAIM_SECONDS = 2 * (TASK_TIME_LIMIT_SECONDS + 5)
RECEIPT_SECONDS = 30.0
"""How long after the return of what was missing the last receipt may arrive; a claim is waited for
besides."""
GRACE_SECONDS = 3.0
"""After the last receipt, for those that must not come."""
COPIES = 40


@contextmanager
def served(stage: Stage) -> Iterator[tuple[Post, Callable[..., Worker]]]:
    """Have the service run with the broker and a mail server, and give what starts workers."""
    broker = stage.rabbitmq()
    workers: list[Worker] = []
    with post_office() as post:
        settings = {
            "BROKER_URL": broker.url,
            "MAIL_URL": post.url,
            "TASK_TIME_LIMIT_SECONDS": str(TASK_TIME_LIMIT_SECONDS),
            "TASK_PUBLISH_TIMEOUT_SECONDS": str(PUBLISH_SECONDS),
            "EMAIL_RECIPIENT_LIMIT": "1000000",  # all orders of a drill are one customer's
        }
        stage.serve(**settings)
        # What a drill that went wrong has left would be counted here.
        stage.database.do("DELETE FROM outbox_messages")

        def start(processes: int = 2) -> Worker:
            workers.append(Worker(stage.service, settings, processes))
            return workers[-1]

        try:
            yield post, start
        finally:
            post.go_on()
            for worker in workers:
                worker.stop()


def waiting(stage: Stage) -> int:
    """Return how many messages are not done, dead letters among them."""
    return int(stage.database.rows("SELECT COUNT(*) FROM outbox_messages")[0][0])


def receipt_of(order_id: str) -> str:
    """Return the Message-ID of an order's receipt."""
    return f"<receipt.{UUID(order_id)}@example.com>"


def count_receipts(  # noqa: PLR0913, PLR0917  each is what one sentence is about
    stage: Stage, report: Report, post: Post, orders: list[str], over: float, within: float
) -> list[str]:
    """Wait for all receipts and for some that must not come; return which ones came twice."""
    expected = {receipt_of(order) for order in orders}
    try:
        wait_until(lambda: expected <= set(post.taken) and not waiting(stage), "all receipts")
    except TimeoutError:
        report.broken.append(f"{waiting(stage)} messages are not done")
    report.hold_time(time.monotonic() - over, within, "the last message was done")
    time.sleep(GRACE_SECONDS)
    taken = post.taken.copy()
    missing, strange = len(expected - set(taken)), len(set(taken) - expected)
    twice = [email for email, times in taken.items() if times > 1]
    report.notes.append(
        f"{len(expected)} receipts, of which {missing} missing and {len(twice)} came more than once,"
        f" the last one {max(0.0, post.last - over):.1f} s after the end of the fault"
    )
    report.hold(bool(expected), "no receipt was requested")
    report.hold(not missing, f"{missing} receipts missing")
    report.hold(not strange, f"{strange} emails that were not requested")
    return twice


@drill(
    "RabbitMQ stopped and started",
    "no order is refused, or waits for longer than TASK_PUBLISH_TIMEOUT_SECONDS; every receipt arrives once,"
    f" within {RECEIPT_SECONDS:.0f} s of the broker's return",
)
def broker_stopped(stage: Stage, report: Report) -> None:
    """Take the broker away while every order asks for a receipt."""
    with served(stage) as (post, start):
        start()
        broker, over = stage.rabbitmq(), 0.0

        def fault(_load: Load) -> Fault:
            nonlocal over
            broker.stop()
            time.sleep(AWAY_SECONDS)
            broker.start()
            over = time.monotonic()
            report.notes.append(f"{waiting(stage)} messages in the outbox at the broker's return")
            report.hold(waiting(stage) > 0, "nothing waited, so the fault was not felt")
            return Fault(over)

        load = under_load(
            stage,
            report,
            fault,
            longest=PUBLISH_SECONDS + MARGIN_SECONDS,
            refusing=False,
            email=EMAIL,
        )
        orders = [placed.id for placed in load.placed.values()]
        twice = count_receipts(stage, report, post, orders, over, RECEIPT_SECONDS)
        report.hold(not twice, f"{len(twice)} receipts came twice")


@drill(
    "a Celery worker killed",
    "every receipt arrives once; only one that the mail server accepted before its worker died arrives"
    " twice, with the same Message-ID",
)
def celery_killed(stage: Stage, report: Report) -> None:
    """Send SIGKILL to all processes of a worker: with emails on the way, and with one just taken."""
    with served(stage) as (post, start):
        worker, over, expected_twice = start(), 0.0, ""

        def fault(_load: Load) -> Fault:
            nonlocal worker, over, expected_twice
            both_at_work(post)
            worker.kill()
            post.go_on()
            worker = start()
            time.sleep(1)
            both_at_work(post)
            expected_twice = post.kill_before_word(worker.kill)
            worker = start()
            over = time.monotonic()
            report.notes.append(f"{post.given_up} emails on the way given up by the mail server")
            report.hold(post.given_up == 3, "other emails were on the way than those that should")
            return Fault(over)

        load = under_load(stage, report, fault, longest=MARGIN_SECONDS, refusing=False, email=EMAIL)
        orders = [placed.id for placed in load.placed.values()]
        twice = count_receipts(stage, report, post, orders, over, RECEIPT_SECONDS + CLAIM_SECONDS)
        report.hold(twice == [expected_twice], f"{len(twice)} receipts came twice, not the one")
        report.hold(max(post.taken.values()) <= 2, "a receipt came three times")


def both_at_work(post: Post) -> None:
    """Wait until both processes of the worker have given an email to the mail server."""
    post.hold()
    wait_until(lambda: len(post.held) == 2, "two emails are on the way")


@drill(
    "a message delivered forty times",
    "one receipt, even if the first run fails while the copies are consumed",
    BOTH,
)
def copies(stage: Stage, report: Report) -> None:
    """Put copies of a message into the queue, for four processes at once."""
    with served(stage) as (post, start):
        broker, over, order = stage.rabbitmq(), 0.0, ""

        def fault(load: Load) -> Fault:
            nonlocal over, order
            order = Shop(stage, load).place(EMAIL)
            copy(broker, f"{stage.service.project.name}.tasks")
            post.hold()
            start(4)
            wait_until(lambda: bool(post.held), "the email is on the way")
            time.sleep(TASK_TIME_LIMIT_SECONDS / 2)
            post.go_on(hang_up=True)
            over = time.monotonic()
            return Fault(over)

        under_load(stage, report, fault, after=0.5, longest=MARGIN_SECONDS, refusing=False)
        twice = count_receipts(stage, report, post, [order], over, RECEIPT_SECONDS + CLAIM_SECONDS)
        report.notes.append(f"{COPIES} copies, {post.given_up} try that the mail server broke off")
        report.hold(post.given_up == 1, f"{post.given_up} runs had the receipt in hand at once")
        report.hold(not twice, "the receipt came more than once")


def copy(broker: RabbitMQ, queue: str) -> None:
    """Take the message of a receipt from the queue, and put it back with copies."""
    with amqp.Connection(f"127.0.0.1:{broker.port}", "guest", "guest") as connection:
        channel = connection.channel()
        # Ticks of a worker that has ended may lie there too.
        while message := channel.basic_get(queue):
            if message.headers["task"] == "orders.send_receipt":
                break
            channel.basic_ack(message.delivery_tag)
        for _ in range(COPIES):
            channel.basic_publish(message, "", queue)
        channel.basic_reject(message.delivery_tag, requeue=True)
        channel.close()
