"""A span for each HTTP request that this service sends, which tells the other side of its trace.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from app.core import telemetry
from app.core.observability import tracing

CLIENT_ERROR = 400


class TracedAdapter(HTTPAdapter):
    """Sends requests as the traced request's own; a span ends with the head of the answer."""

    def send(
        self,
        request: requests.PreparedRequest,
        *args: Any,  # noqa: ANN401  as requests has them
        **kwargs: Any,  # noqa: ANN401
    ) -> requests.Response:
        """Send one request.

        Raises:
            requests.RequestException: as without tracing; it marks the span.

        """
        with tracing.calling(str(request.method), _attributes(request)) as span:
            request.headers.update(tracing.outgoing_headers())
            answer = super().send(request, *args, **kwargs)
            span.set_attribute(telemetry.HTTP_RESPONSE_STATUS_CODE, answer.status_code)
            # Semantic conventions: who asks takes a 4xx for an error, who answers does not.
            if answer.status_code >= CLIENT_ERROR:
                tracing.failed(span, answer.status_code)
            return answer


def _attributes(request: requests.PreparedRequest) -> Mapping[str, str | int]:
    parts = urlsplit(str(request.url))
    return {
        telemetry.HTTP_REQUEST_METHOD: str(request.method),
        telemetry.SERVER_ADDRESS: str(parts.hostname),
        telemetry.SERVER_PORT: parts.port or (443 if parts.scheme == "https" else 80),
        # Without a user and without a query, which may hold what nobody else is to know.
        telemetry.URL_FULL: f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
    }


def observe(session: requests.Session) -> None:
    """Trace what a session sends."""
    for prefix in ("https://", "http://"):
        session.mount(prefix, TracedAdapter())
