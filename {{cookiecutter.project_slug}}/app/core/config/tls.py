"""The CA certificates that this service trusts as a TLS client."""

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def certificates(value: Path | None) -> Path | None:
    """Return the path of a certificate file, after checking that it can be read.

    Raises:
        ValueError: when it cannot be read.

    """
    try:
        if value:
            ssl.create_default_context(cafile=value)
    except OSError:
        message = "must be a readable file of certificates in PEM format"
        raise ValueError(message) from None
    return value


CAFile = Annotated[Path | None, AfterValidator(certificates)]
"""The CA certificates that verify a server's certificate; None: those of the system."""
