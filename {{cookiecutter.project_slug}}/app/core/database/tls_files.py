"""Check the TLS files that DATABASE_URL names: the driver reads them only when it connects."""

import ssl
from pathlib import Path

FILES = [
    # {% if cookiecutter.database == "postgresql" %}
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslrootcert",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
    # {% endif %}
]


def is_usable(name: str, value: str) -> bool:
    """Return whether a parameter names a usable file, or none."""
    # {% if cookiecutter.database == "postgresql" %}
    if (name, value) == ("sslrootcert", "system"):  # libpq's name for OpenSSL's default CAs
        return True
    # {% endif %}
    try:
        # {% if cookiecutter.database == "postgresql" %}
        if name == "sslrootcert":
            ssl.create_default_context(cafile=value)
        # {% endif %}
        # {% if cookiecutter.database == "mysql" %}
        if name == "ssl_ca":
            ssl.create_default_context(cafile=value)
        # {% endif %}
        if name in FILES:
            Path(value).open("rb").close()
    except OSError:
        return False
    return True
