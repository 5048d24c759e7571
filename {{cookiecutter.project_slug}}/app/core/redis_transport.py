"""Messages from Redis; what is none in its list is told and left out, and ends no worker."""

import logging

from kombu.transport.redis import Transport as RedisTransport

logger = logging.getLogger(__name__)


class Transport(RedisTransport):
    """Kombu's transport, which takes each entry of a list for a message that kombu has written."""

    def on_readable(self, fileno: int) -> None:
        """Take what has arrived, if it is a message.

        Raises:
            Exception: the transport's own, when the connection or the channel is lost.

        """
        try:
            super().on_readable(fileno)
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception as error:  # noqa: BLE001  no JSON, or of another form: anything may come of it
            # The entry is gone from its list. Its text stays out of the log, and so does the error's.
            kind = type(error).__name__
            logger.error("what is no message was in the queue", extra={"error": kind})  # noqa: TRY400
