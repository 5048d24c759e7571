"""The certificates that are believed where this service is the client of TLS."""

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def certificates(value: Path | None) -> Path | None:
    """Return the path of a file of certificates, once it has been read.

    Raises:
        ValueError: when it cannot be.

    """
    try:
        if value:
            ssl.create_default_context(cafile=value)
    except OSError:
        message = "must be a readable file of certificates in PEM"
        raise ValueError(message) from None
    return value


CAFile = Annotated[Path | None, AfterValidator(certificates)]
"""The certificates that a server's own one must lead to; None: those that the system believes."""
