"""The files of TLS that DATABASE_URL names: the driver would find out about them at each connection."""

import ssl
from pathlib import Path

AUTHORITIES = [
    # {% if cookiecutter.database == "postgresql" %}
    "sslrootcert",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "ssl_ca",
    # {% endif %}
]
FILES = [
    # {% if cookiecutter.database == "postgresql" %}
    "sslcert",
    "sslcrl",
    "sslkey",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "ssl_cert",
    "ssl_key",
    # {% endif %}
]


def is_usable(name: str, value: str) -> bool:
    """Tell whether a parameter names a file that can be read, of certificates if it has to be."""
    # {% if cookiecutter.database == "postgresql" %}
    if (name, value) == ("sslrootcert", "system"):  # libpq's name for the authorities of OpenSSL
        return True
    # {% endif %}
    try:
        if name in AUTHORITIES:
            ssl.create_default_context(cafile=value)
        elif name in FILES:
            Path(value).open("rb").close()
    except OSError:
        return False
    return True
