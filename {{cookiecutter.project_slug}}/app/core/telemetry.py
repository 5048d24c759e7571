"""The names of telemetry's attributes, each of which is used by several modules or on every log line.

All but DURATION are those of OpenTelemetry's semantic conventions:
https://opentelemetry.io/docs/specs/semconv/registry/.
"""

HTTP_REQUEST_METHOD = "http.request.method"
"""One of `pipeline.METHODS`, or `_OTHER`."""
HTTP_ROUTE = "http.route"
"""The template of the route; never the path, which clients make up."""
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
"""The status of the response, as a number."""
HTTP_RESPONSE_BODY_SIZE = "http.response.body.size"
"""How many bytes of the body were sent."""
CLIENT_ADDRESS = "client.address"
"""The client's IP address, behind the trusted proxies."""
USER_AGENT_ORIGINAL = "user_agent.original"
"""The value of the User-Agent header."""
URL_FULL = "url.full"
"""An absolute URL, without credentials and query."""
# {% if cookiecutter.auth != "none" %}
USER_ID = "user.id"
"""The id of the user that a request acts for, or whose login it attempts."""
# {% endif %}
# {% if cookiecutter.tracing or cookiecutter.background_tasks and cookiecutter.metrics %}
SERVER_ADDRESS = "server.address"
"""The name or IP address of a server."""
SERVER_PORT = "server.port"
"""The port of a server."""
# {% endif %}
# {% if cookiecutter.database != "none" %}
DB_QUERY_TEXT = "db.query.text"
"""The text of a query, with placeholders in place of its values."""
DB_RESPONSE_STATUS_CODE = "db.response.status_code"
"""The database's own code of an error, such as an SQLSTATE."""
# {% endif %}
ERROR_TYPE = "error.type"
"""The class of an exception, or the status code that stands for an error."""
# {% if cookiecutter.auth == "oidc" or cookiecutter.database != "none" or cookiecutter.background_tasks and cookiecutter.metrics %}
EXCEPTION_MESSAGE = "exception.message"
"""The message of an exception."""
# {% endif %}
EXCEPTION_STACKTRACE = "exception.stacktrace"
"""The traceback, as Python prints it."""
SERVICE_NAME = "service.name"
"""The name of this service."""
SERVICE_VERSION = "service.version"
"""The version of this service."""
PROCESS_PID = "process.pid"
"""The id of the process."""
THREAD_NAME = "thread.name"
"""The name of a thread."""
CODE_FILE_PATH = "code.file.path"
"""The file of a line of code."""
CODE_LINE_NUMBER = "code.line.number"
"""The number of a line of code."""
DURATION = "duration"
"""How long something took, in seconds: the conventions' unit, in their metrics of that name."""
