"""Read DATABASE_URL: choose the driver, and merge the URL's parameters with our own.

Each parameter is passed to the driver, merged with ours, or rejected with an error message. None is
silently dropped.
"""

from collections.abc import Mapping

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

# {% if cookiecutter.database != "sqlite" %}
from app.core.database import tls_files

# {% endif %}
# {% if cookiecutter.database == "mysql" %}
# PyMySQL's parameters, as SQLAlchemy passes them on. `local_infile` is left out because it lets a
# server read our files, and PyMySQL's own ssl_verify_* because with them `ssl_ca` has no effect.
MYSQL_PARAMETERS = frozenset(
    {
        *("bind_address", "charset", "collation", "connect_timeout", "init_command"),
        *("program_name", "read_timeout", "sql_mode", "unix_socket", "write_timeout"),
        *("ssl_ca", "ssl_capath", "ssl_cert", "ssl_check_hostname", "ssl_cipher", "ssl_key"),
    }
)
# {% endif %}
MAX_PORT = 65_535
SQLITE_PARAMETERS = frozenset({"cached_statements", "timeout", "uri"})


def read(text: str, drivers: Mapping[str, str]) -> URL:
    """Return the URL with its driver.

    Raises:
        ValueError: for an unsupported database, an invalid part, and a parameter that would have
            no effect.

    """
    try:
        url = make_url(text)
        url = url.set(drivername=drivers[url.drivername])
    except (ArgumentError, KeyError, ValueError):
        names = " or ".join(f"{name}://" for name in drivers if "+" not in name)
        message = f"must be the URL of a database, beginning with {names}"
        raise ValueError(message) from None
    if url.port is not None and not 1 <= url.port <= MAX_PORT:
        message = f"has a port that is not from 1 to {MAX_PORT}"
        raise ValueError(message)
    if "@" in text.partition("?")[2]:
        # The text after the ? may be the rest of a password, so the message does not repeat it.
        message = "has an @ behind its ?: write %40 there, and %3F for a ? in a password"
        raise ValueError(message)
    for name, value in url.query.items():
        if refusal := _refusal(url, name, value):
            raise ValueError(refusal)
    try:
        url.get_dialect()().create_connect_args(url)
        # {% if cookiecutter.database == "mysql" %}
        if url.get_backend_name() == "mysql":
            _ask_pymysql(url)
        # {% endif %}
    except (ArgumentError, ValueError):
        message = "has a part, or a parameter with a value, that its driver does not take"
        raise ValueError(message) from None
    return url


# {% if cookiecutter.database == "mysql" %}
def _ask_pymysql(url: URL) -> None:
    """Create a connection object without connecting: only its constructor checks the arguments.

    Raises:
        ValueError: when PyMySQL rejects an argument.

    """
    from pymysql import Connection  # noqa: PLC0415  not needed on SQLite

    _, arguments = url.get_dialect()().create_connect_args(url)
    arguments.pop("ssl", None)  # `tls_files` checks its files; the system's need no check
    try:
        Connection(**arguments, defer_connect=True, ssl_disabled=True)
    except AttributeError as error:  # raised for an unknown character set
        raise ValueError from error


# {% endif %}
def _refusal(url: URL, name: str, value: str | tuple[str, ...]) -> str | None:
    """Return why a parameter cannot be used; None if it can."""
    if not _is_known(url, name):
        return (
            f"has the parameter {name}, which this database's driver does not know. "
            "docs/database.md lists what it knows"
        )
    # `host` and `port` may be repeated to list several servers (libpq's failover).
    if isinstance(value, tuple) and name not in ("host", "port"):
        return f"has the parameter {name} more than once"
    # {% if cookiecutter.database != "sqlite" %}
    if not tls_files.is_usable(name, str(value)):
        return f"has the parameter {name}, which names a file that cannot be read or used"
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    if name == "init_command" and not str(value).upper().startswith("SET "):
        return "has an init_command that is not one SET statement, so it cannot be joined with ours"
    # {% endif %}
    return None


def _is_known(url: URL, name: str) -> bool:
    # {% if cookiecutter.database == "postgresql" %}
    if url.get_backend_name() == "postgresql":
        return name in _of_libpq()
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    if url.get_backend_name() == "mysql":
        return name in MYSQL_PARAMETERS
    # {% endif %}
    # SQLite accepts any parameter of a URI filename, which `uri` declares.
    return name in SQLITE_PARAMETERS or "uri" in url.query


# {% if cookiecutter.database == "postgresql" %}
def _of_libpq() -> dict[str, str]:
    """Return libpq's parameters, with the defaults that it reads from the environment."""
    from psycopg.pq import Conninfo  # noqa: PLC0415  not needed on SQLite

    return {each.keyword.decode(): (each.val or b"").decode() for each in Conninfo.get_defaults()}


def options_of_libpq() -> str:
    """Return the default for `options` that libpq reads from the environment (PGOPTIONS)."""
    return _of_libpq()["options"]


# {% endif %}
def join(url: URL, arguments: Mapping[str, object]) -> dict[str, object]:
    """Return our arguments for the driver, without those that the URL sets.

    Parameters that contain several settings are concatenated, ours first, so that the settings of
    the URL take precedence.
    """
    parameters = url.query
    joined = dict(arguments)
    for name in parameters:
        joined.pop(name, None)
    # {% if cookiecutter.database == "postgresql" %}
    if "options" in arguments and "options" in parameters:
        joined["options"] = f"{arguments['options']} {parameters['options']}"
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    if "init_command" in arguments and "init_command" in parameters:
        joined["init_command"] = (
            f"{arguments['init_command']}, {str(parameters['init_command'])[4:]}"
        )
    # {% endif %}
    return joined
