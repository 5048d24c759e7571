"""Rejects messages that are not tasks of this service, without logging their bodies.

Celery logs the whole body of such a message. It may hold personal data or secrets from a sender
that used the wrong queue. Here only the dead letter holds the body, and fewer people can read that.
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
    """Celery's consumer, as set by `worker_consumer`."""

    def create_task_handler(self, *args: object, **options: object) -> Callable[[Message], object]:
        """Return a message handler; a header of an unexpected type does not stop the worker."""
        handle = super().create_task_handler(*args, **options)

        def handle_any(message: Message) -> object:
            try:
                _check_options(message)
                return handle(message)
            except KeyError as error:
                # A header is missing. For Redis, kombu lists KeyError among the connection errors.
                self.reject(message, error)
                return None
            except (*self.connection_errors, *self.channel_errors):
                raise
            except Exception as error:  # noqa: BLE001  a malformed message may raise anything
                self.reject(message, error)
                return None

        return handle_any

    def on_unknown_message(self, body: object, message: Message) -> None:
        """Reject a message that names no task."""
        del body
        self.reject(message, None)

    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None:
        """Reject a message whose task is not registered here."""
        del body
        self.reject(message, exc)

    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None:
        """Reject a message that is not a valid task."""
        del body
        self.reject(message, exc)

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Reject a message that cannot be decoded."""
        self.reject(message, exc)

    def reject(self, message: Message, error: Exception | None) -> None:
        """Reject a message, so that it becomes a dead letter."""
        fields = {
            telemetry.ERROR_TYPE: type(error).__name__ if error else "unknown",
            telemetry.MESSAGING_MESSAGE_BODY_SIZE: len(message.body or b""),
        }
        logger.error("message rejected", extra=fields)
        if not message.acknowledged:
            message.reject_log_error(logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=error)


def _check_options(message: Message) -> None:
    """Check the time limits and callbacks of a message.

    Celery evaluates time limits and callbacks only when the task runs. An invalid one would then
    stop the worker, or cause endless redelivery of the message.

    Raises:
        InvalidTaskError: when a time limit is not a number, or when there are callbacks.

    """
    match (message.headers or {}).get("timelimit"):
        case None | [None | int() | float(), None | int() | float()]:
            pass
        case _:
            raise InvalidTaskError
    _args, _kwargs, embedded = message.payload
    if any((embedded or {}).values()):  # no message of this service has any
        raise InvalidTaskError
