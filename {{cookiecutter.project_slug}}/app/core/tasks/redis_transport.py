"""Messages from Redis; what is none in its list is told and left out, and ends no worker."""

import json
import logging
from collections.abc import Mapping
from queue import Empty
from typing import Any

from kombu.transport.redis import Channel as RedisChannel
from kombu.transport.redis import QoS as RedisQoS
from kombu.transport.redis import Transport as RedisTransport
from kombu.transport.virtual import Message as VirtualMessage

from app.core import telemetry

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


class QoS(RedisQoS):
    """What workers have in hand, which comes back when one has been silent for too long."""

    def restore_by_tag(self, tag: str, client: object = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002  kombu's
        """Put an entry back into its list, if it is a message; anything else would end each worker."""
        with self.channel.conn_or_acquire(client) as connected:
            kept = connected.hget(self.unacked_key, tag)
        if kept is None or _can_come_back(kept):
            super().restore_by_tag(tag, client, leftmost)
            return
        logger.error("malformed message discarded")
        self.ack(tag)


def _can_come_back(kept: bytes) -> bool:
    """Tell whether an entry has what kombu reads when it puts a message back."""
    try:
        message, exchange, routing_key = json.loads(kept)
        properties = message["properties"]
        parts = (message, message["headers"], properties, properties["delivery_info"])
    except (ValueError, TypeError, LookupError):
        return False
    named = isinstance(exchange, str) and isinstance(routing_key, str)
    return named and all(isinstance(part, dict) for part in parts)


class Channel(RedisChannel):
    """Kombu's channel, with our messages."""

    Message = Message
    QoS = QoS


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
            words = {telemetry.ERROR_TYPE: type(error).__name__}
            logger.error("malformed message discarded", extra=words)  # noqa: TRY400
