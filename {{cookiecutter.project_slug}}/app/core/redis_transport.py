"""Messages from Redis; what is none in its list is told and left out, and ends no worker."""

import logging
from collections.abc import Mapping
from queue import Empty
from typing import Any

from kombu.transport.redis import Channel as RedisChannel
from kombu.transport.redis import Transport as RedisTransport
from kombu.transport.virtual import Message as VirtualMessage

logger = logging.getLogger(__name__)


class Message(VirtualMessage):
    """A message as it was in its list."""

    def __init__(
        self, payload: Mapping[str, Any], channel: object = None, **options: object
    ) -> None:
        """Read an entry of the list.

        Raises:
            ValueError: when it lacks something; kombu would take a KeyError for a lost connection.

        """
        try:
            super().__init__(payload, channel, **options)
            _ = self.delivery_info["exchange"], self.delivery_info["routing_key"]
        except KeyError as error:
            raise ValueError(str(error)) from None


class Channel(RedisChannel):
    """Kombu's channel, with our messages."""

    Message = Message


class Transport(RedisTransport):
    """Kombu's transport, which takes each entry of a list for a message that kombu has written."""

    Channel = Channel

    def on_readable(self, fileno: int) -> None:
        """Take what has arrived, if it is a message.

        Raises:
            Exception: the transport's own, when the connection or the channel is lost.

        """
        try:
            super().on_readable(fileno)
        except Empty:  # nothing has arrived for a while, which Celery's loop knows
            raise
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception as error:  # noqa: BLE001  no JSON, or of another form: anything may come of it
            # The entry is gone from its list. Its text stays out of the log, and so does the error's.
            kind = type(error).__name__
            logger.error("what is no message was in the queue", extra={"error": kind})  # noqa: TRY400
