"""What a worker does with messages that are no task of this service: reject them, and log no body.

Celery logs the whole body of each, which may hold personal data or secrets of whoever sent it to the
wrong queue. The dead letter keeps it, where fewer people read.
"""

import logging
from collections.abc import Callable

from celery import signals
from celery.exceptions import InvalidTaskError
from celery.worker import consumer
from kombu.message import Message

from app.core import telemetry

logger = logging.getLogger(__name__)


class Consumer(consumer.Consumer):
    """Celery's consumer, by its setting `worker_consumer`."""

    def create_task_handler(self, *args: object, **options: object) -> Callable[[Message], object]:
        """Return what takes each message; a header of another type than expected ends no worker."""
        handle = super().create_task_handler(*args, **options)

        def handle_any(message: Message) -> object:
            try:
                _only_a_task(message)
                return handle(message)
            except KeyError as error:
                # A header is missing. Kombu counts KeyError among the errors of a connection to Redis.
                self.refuse(message, error)
                return None
            except (*self.connection_errors, *self.channel_errors):
                raise
            except Exception as error:  # noqa: BLE001  whatever Celery stumbles over
                self.refuse(message, error)
                return None

        return handle_any

    def on_unknown_message(self, body: object, message: Message) -> None:
        """Refuse what names no task."""
        del body
        self.refuse(message, None)

    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None:
        """Refuse what names a task that is not known here."""
        del body
        self.refuse(message, exc)

    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None:
        """Refuse what a task cannot be made of."""
        del body
        self.refuse(message, exc)

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Refuse what cannot be decoded."""
        self.refuse(message, exc)

    def refuse(self, message: Message, error: Exception | None) -> None:
        """Reject a message, and let it become a dead letter."""
        words = {
            telemetry.ERROR_TYPE: type(error).__name__ if error else "unknown",
            "messaging.message.body.size": len(message.body or b""),
        }
        logger.error("message rejected", extra=words)
        if not message.acknowledged:
            message.reject_log_error(logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=error)


def _only_a_task(message: Message) -> None:
    """Let a message ask for its task and nothing else.

    Celery stumbles over odd time limits and callbacks only when the task runs, and they then end the
    worker, or leave the message to come again for ever.

    Raises:
        InvalidTaskError: when its limits are no numbers, or when it has callbacks.

    """
    match (message.headers or {}).get("timelimit"):
        case None | [None | int() | float(), None | int() | float()]:
            pass
        case _:
            raise InvalidTaskError
    _args, _kwargs, embedded = message.payload
    if any((embedded or {}).values()):  # no message of this service has any
        raise InvalidTaskError
