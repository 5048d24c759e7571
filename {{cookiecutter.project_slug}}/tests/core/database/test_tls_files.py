from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.database import tls_files
from app.settings import Settings

AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUNBVdVt1ei+OeAaGvMUOlAemQ4JIwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFdGVzdHMwHhcNMjYxMTI4MTgwMDEzWhcNMjYxMTMwMTgwMDEz
WjAQMQ4wDAYDVQQDDAV0ZXN0czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKLT
QFLAB2R4e5yNIANZycvzYdUaJnXVA2qL0ym+IdXEoL9FALirUj0bqVgwx3cxh0Vi
4j9r9Z610lzjXCX6yECjUzBRMB0GA1UdDgQWBBQeTrp86pq3xbJazxmZdy4riHeV
czAfBgNVHSMEGDAWgBQeTrp86pq3xbJazxmZdy4riHeVczAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCj5zNviesyHQu9XPCoXfohu5QpDeUf7v0v
0b8RyJ195QIgVNURJ0GCksGuuYFusOWkLO+Kalr1KBMkVVCWzssxJXs=
-----END CERTIFICATE-----
"""
NAMES = [
    # {% if cookiecutter.database == "postgresql" %}
    ("postgresql", "sslrootcert", "sslcert"),
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    ("mysql", "ssl_ca", "ssl_cert"),
    # {% endif %}
]


@pytest.mark.parametrize(("scheme", "authorities", "certificate"), NAMES)
def test_files_of_tls_are_read_at_start(
    tmp_path: Path, scheme: str, authorities: str, certificate: str
) -> None:
    good, text, missing = (tmp_path / name for name in ("good", "text", "missing"))
    good.write_text(AUTHORITY)
    text.write_text("neither a certificate nor a key")

    def make_settings(**files: Path) -> Settings:
        query = "&".join(f"{name}={path}" for name, path in files.items())
        url = f"{scheme}://db.example/shop?{query}"
        return Settings.model_validate({"app_env": "testing", "database_url": url})

    assert make_settings(**{authorities: good, certificate: good}).url.query[certificate] == str(
        good
    )
    for name, path in ((authorities, text), (authorities, missing), (certificate, missing)):
        with pytest.raises(ValidationError, match=f"has the parameter {name}, which names a file"):
            make_settings(**{name: path})


# {% if cookiecutter.database == "postgresql" %}
def test_the_authorities_of_the_system_are_no_file() -> None:
    assert tls_files.is_usable("sslrootcert", "system")


# {% endif %}
def test_other_parameters_name_no_file() -> None:
    assert tls_files.is_usable("connect_timeout", "missing")
