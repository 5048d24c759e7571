"""A simulated OpenTelemetry collector: `python collector.py <port>`.

It accepts `POST /v1/traces` (OTLP over HTTP, protobuf) and responds to GET with the number of spans.
"""

import gzip
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

spans = 0


class Handler(BaseHTTPRequestHandler):
    """Counts the spans that it receives."""

    def do_POST(self) -> None:
        """Count spans."""
        global spans  # noqa: PLW0603  the only state of this process
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        spans += sum(len(s.spans) for r in sent.resource_spans for s in r.scope_spans)
        self._respond(b"")

    def do_GET(self) -> None:
        """Return the number of spans."""
        self._respond(str(spans).encode())

    def _respond(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name in the base class
        """Log no requests."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
