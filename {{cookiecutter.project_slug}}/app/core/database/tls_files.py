"""Check the TLS files that DATABASE_URL names: the driver reads them only when it connects."""

import ssl
from pathlib import Path

CA_FILES = [
    # {% if cookiecutter.database == "postgresql" %}
    "sslrootcert",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "ssl_ca",
    # {% endif %}
]
FILES = [
    *CA_FILES,
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
    """Return whether a parameter names a usable file, or none."""
    # {% if cookiecutter.database == "postgresql" %}
    if (name, value) == ("sslrootcert", "system"):  # libpq's name for OpenSSL's default CAs
        return True
    # {% endif %}
    try:
        if name in CA_FILES:
            ssl.create_default_context(cafile=value)
        if name in FILES:
            Path(value).open("rb").close()
    except OSError:
        return False
    return True
