"""Client spans for the HTTP requests of this service, which propagate the trace context.

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
    """Sends requests with a client span, which ends when the response headers have arrived."""

    def send(
        self,
        request: requests.PreparedRequest,
        *args: Any,  # noqa: ANN401  the signature of requests
        **kwargs: Any,  # noqa: ANN401
    ) -> requests.Response:
        """Send one request.

        Raises:
            requests.RequestException: as without tracing; it marks the span as an error.

        """
        with tracing.client_span(str(request.method), _attributes(request)) as span:
            request.headers.update(tracing.outgoing_headers())
            response = super().send(request, *args, **kwargs)
            span.set_attribute(telemetry.HTTP_RESPONSE_STATUS_CODE, response.status_code)
            # Semantic conventions: a 4xx is an error for a client span, but not for a server span.
            if response.status_code >= CLIENT_ERROR:
                tracing.failed(span, response.status_code)
            return response


def _attributes(request: requests.PreparedRequest) -> Mapping[str, str | int]:
    parts = urlsplit(str(request.url))
    return {
        telemetry.HTTP_REQUEST_METHOD: str(request.method),
        telemetry.SERVER_ADDRESS: str(parts.hostname),
        telemetry.SERVER_PORT: parts.port or (443 if parts.scheme == "https" else 80),
        # Without the user info and the query, which may hold secrets.
        telemetry.URL_FULL: f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
    }


def observe(session: requests.Session) -> None:
    """Trace the requests of a session."""
    for prefix in ("https://", "http://"):
        session.mount(prefix, TracedAdapter())
