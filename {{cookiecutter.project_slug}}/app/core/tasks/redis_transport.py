"""A Redis transport that logs and drops invalid list entries, so that they stop no worker."""

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
    """A message as read from its list."""

    def __init__(
        self, payload: Mapping[str, Any], channel: object = None, **options: object
    ) -> None:
        """Parse an entry of the list.

        Raises:
            ValueError: when a field is missing or the tag is no text; kombu would take the KeyError,
                or Redis's refusal of the tag as a key, for a lost connection.

        """
        try:
            super().__init__(payload, channel, **options)
            _ = self.delivery_info["exchange"], self.delivery_info["routing_key"]
        except KeyError as error:
            raise ValueError(str(error)) from None
        if not isinstance(payload["properties"]["delivery_tag"], str):
            message = "delivery_tag"
            raise ValueError(message)  # noqa: TRY004  all invalid entries raise the same


class QoS(RedisQoS):
    """Tracks unacknowledged messages, which return to their list after the visibility timeout."""

    def restore_by_tag(self, tag: str, client: object = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002  kombu's signature
        """Return an entry to its list if it is a message; drop others, as they stop workers."""
        with self.channel.conn_or_acquire(client) as connected:
            entry = connected.hget(self.unacked_key, tag)
        if entry is None or _is_restorable(entry):
            super().restore_by_tag(tag, client, leftmost)
            return
        logger.error("malformed message discarded")
        self.ack(tag)


def _is_restorable(entry: bytes) -> bool:
    """Return whether an entry has the fields that kombu reads when it restores a message."""
    try:
        message, exchange, routing_key = json.loads(entry)
        properties = message["properties"]
        parts = (message, message["headers"], properties, properties["delivery_info"])
    except (ValueError, TypeError, LookupError):
        return False
    named = isinstance(exchange, str) and isinstance(routing_key, str)
    return named and all(isinstance(part, dict) for part in parts)


class Channel(RedisChannel):
    """Kombu's channel, with the classes of this module."""

    Message = Message
    QoS = QoS


class Transport(RedisTransport):
    """Kombu's transport, which by itself assumes that kombu has written every list entry."""

    Channel = Channel

    def on_readable(self, fileno: int) -> None:
        """Receive the next entry if it is a message, and drop it otherwise.

        Raises:
            Exception: the transport's own, when the connection or the channel is lost.

        """
        try:
            super().on_readable(fileno)
        except Empty:  # the poll timed out, which Celery's event loop expects
            raise
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception as error:  # noqa: BLE001  an invalid entry may raise anything
            # The entry has left its list. Its text is not logged, and neither is the error's.
            fields = {telemetry.ERROR_TYPE: type(error).__name__}
            logger.error("malformed message discarded", extra=fields)  # noqa: TRY400
