"""The names of the fields of log lines, which attributes of spans and labels of metrics share.

Names with a dot are those of OpenTelemetry's semantic conventions, but for `task.name`:
https://opentelemetry.io/docs/specs/semconv/registry/. `make docs` writes FIELDS to docs/logs.md.
Fields that only one domain uses are named in that domain.
"""

from typing import NamedTuple


class Field(NamedTuple):
    """A field of log lines."""

    kind: str
    """Its JSON type, with the unit of a number."""
    meaning: str


FIELDS: dict[str, Field] = {}
"""Every field by its name."""


def _field(name: str, kind: str, meaning: str) -> str:
    FIELDS[name] = Field(kind, meaning)
    return name


TIMESTAMP = _field("timestamp", "string, RFC 3339", "Time of the event, in UTC")
LEVEL = _field("level", "string", "DEBUG, INFO, WARNING, ERROR or CRITICAL")
LOGGER = _field("logger", "string", "Logger that wrote the line: a module, or `app.access`")
MESSAGE = _field("message", "string", "Event")
SERVICE_NAME = _field("service.name", "string", "Name of this service")
SERVICE_VERSION = _field("service.version", "string", "Version of this service")
PROCESS_PID = _field("process.pid", "integer", "Id of the process")
REQUEST_ID = _field(
    "request_id", "string", "Id of the request that caused the event: its `X-Request-ID`"
)
# {% if cookiecutter.tracing %}
TRACE_ID = _field("trace_id", "string, hexadecimal", "Id of the trace")
SPAN_ID = _field("span_id", "string, hexadecimal", "Id of the span")
# {% endif %}
COMMAND = _field("command", "string", "Running command, such as `flask check`")
# {% if cookiecutter.auth != "none" %}
USER_ID = _field(
    "user.id", "string", "Id of the user that a request acts for, or whose login it attempts"
)
# {% endif %}
# {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
SUBJECT = _field("subject", "string", "The provider's id of the user who logs in: the claim `sub`")
# {% endif %}
# {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
OUTCOME = _field("outcome", "string", "Result of a login: `success`, or the `code` of a problem")
# {% endif %}
HTTP_REQUEST_METHOD = _field(
    "http.request.method", "string", "HTTP method; `_OTHER` if it is not a standard one"
)
HTTP_ROUTE = _field("http.route", "string or null", "Template of the route, never the path")
HTTP_RESPONSE_STATUS_CODE = _field("http.response.status_code", "integer", "Status of the response")
HTTP_RESPONSE_BODY_SIZE = _field(
    "http.response.body.size", "integer, bytes", "Size of the response body"
)
CLIENT_ADDRESS = _field(
    "client.address", "string or null", "Client's IP address, as the trusted proxies report it"
)
USER_AGENT_ORIGINAL = _field("user_agent.original", "string or null", "User-Agent header")
HEADER = _field("header", "string", "Name of a header that is missing or invalid")
URL_FULL = _field("url.full", "string", "Absolute URL, without credentials and query")
# {% if cookiecutter.tracing or cookiecutter.background_tasks and cookiecutter.metrics %}
SERVER_ADDRESS = _field("server.address", "string", "Name or IP address of a server")
SERVER_PORT = _field("server.port", "integer", "Port of a server")
# {% endif %}
# {% if cookiecutter.caching %}
CACHE = _field("cache", "string", "Outcome of a cached read")
# {% endif %}
# {% if cookiecutter.database != "none" %}
DB_QUERY_TEXT = _field("db.query.text", "string", "Query, with placeholders for its values")
DB_RESPONSE_STATUS_CODE = _field(
    "db.response.status_code",
    "string or integer",
    "The database's code of an error, such as an SQLSTATE",
)
# {% endif %}
# {% if cookiecutter.database == "postgresql" or cookiecutter.database == "mysql" %}
RETRIED = _field("retried", "boolean", "Whether the request runs again")
# {% endif %}
# {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
EMAIL_CATEGORY = _field("email_category", "string", "Category that an email is counted in")
SMTP_CODE = _field("smtp_code", "integer", "Reply code of the mail server")
# {% endif %}
# {% if cookiecutter.background_tasks %}
TASK_NAME = _field("task.name", "string", "Name of the task; OpenTelemetry has no such attribute")
MESSAGING_MESSAGE_ID = _field("messaging.message.id", "string", "Id of the message")
MESSAGING_MESSAGE_BODY_SIZE = _field(
    "messaging.message.body.size", "integer, bytes", "Size of the body of the message"
)
ATTEMPT = _field("attempt", "integer", "Number of this run of the task; the first is 1")
SIGNAL = _field("signal", "string", "Signal that stops the worker")
HOW = _field("how", "string", "`Warm` if running tasks may finish")
# {% endif %}
# {% if cookiecutter.rate_limiting or cookiecutter.caching %}
FALLBACK = _field("fallback", "string", "What the service does while Redis is unavailable")
# {% endif %}
# {% if cookiecutter.rate_limiting or cookiecutter.caching or cookiecutter.background_tasks %}
RETRY_SECONDS = _field("retry_seconds", "number, seconds", "Time until the next attempt")
# {% endif %}
DURATION = _field("duration", "number, seconds", "How long the operation took")
ERROR_TYPE = _field("error.type", "string", "Class of an exception, or a status that is an error")
# {% if cookiecutter.auth == "oidc" or cookiecutter.database != "none" or cookiecutter.background_tasks and cookiecutter.metrics %}
EXCEPTION_MESSAGE = _field("exception.message", "string", "Message of an exception")
# {% endif %}
EXCEPTION_STACKTRACE = _field("exception.stacktrace", "string", "Traceback, as Python prints it")
PLACE = _field("place", "string", "Object or step whose exception Python ignored")
THREAD_NAME = _field("thread.name", "string or null", "Thread that raised an unhandled exception")
CODE_FILE_PATH = _field(
    "code.file.path", "string", "File that logged a line which could not be formatted"
)
CODE_LINE_NUMBER = _field("code.line.number", "integer", "Line in that file")
SHORTENED = _field("shortened", "boolean", "`true` if values lost their middle, to fit into a pipe")
FIELDS_LEFT_OUT = _field("fields_left_out", "integer", "Number of fields that did not fit")
