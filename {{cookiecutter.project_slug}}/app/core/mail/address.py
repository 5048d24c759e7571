"""The one place that reads an email address."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

EMAIL_LENGTH = 254  # RFC 5321, erratum 1690
# RFC 5321, 4.1.2: a Dot-string and a Domain, in ASCII. A quoted local part, a comment and an address
# literal are valid there too, and refused here: they are second spellings of a mailbox. So is an
# encoded word (RFC 2047), which Python's `email` decodes wherever it writes a header, and so are routes:
# a mail server that finds its own name in `user%elsewhere@here` or `elsewhere!user@here` sends it on
# (RFC 1123, 5.2.16; Postfix does by default).
_ENCODED_WORD = r"(?!.*=\?)"
_LENGTH = r"(?=.{3,254}\Z)(?=[^@]{1,64}@)"
_ATOM = r"[a-zA-Z0-9#$&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_NO_NUMBER = r"(?!(?:.*\.)?[0-9]+\Z)"  # no top-level domain is a number (RFC 3696, section 2)
ADDRESS = re.compile(
    rf"{_ENCODED_WORD}{_LENGTH}{_ATOM}(?:\.{_ATOM})*@{_NO_NUMBER}{_LABEL}(?:\.{_LABEL})*"
)
# The same for readers of the API document, whose patterns have no lookahead (RE2): an atom in which
# no ? follows a =, and a last label that is not all digits. The lengths of the parts come with
# `format: email` (RFC 5321, 4.5.3.1).
_OTHERS = r"[a-zA-Z0-9#$&'*+/^_`{|}~-]"
_PLAIN_ATOM = rf"(?:(?:\?|=*{_OTHERS})+=*|=+)"
_ANY_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_LAST_LABEL = r"(?:[0-9]*[a-zA-Z](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?|[0-9]+-[a-zA-Z0-9-]*[a-zA-Z0-9])"
DOCUMENTED = {
    "format": "email",
    "minLength": 3,
    "maxLength": EMAIL_LENGTH,
    "pattern": rf"^{_PLAIN_ATOM}(?:\.{_PLAIN_ATOM})*@(?:{_ANY_LABEL}\.)*{_LAST_LABEL}$",
}


def normalised(email: str) -> str | None:
    """Return the one spelling of an address that is stored; None for what cannot be written to.

    This is the only place that reads an address. Case is ignored in both parts, as all large mail
    servers do (RFC 5321, 2.4 leaves it to the receiving host). ASCII only: a local part beyond it needs
    SMTPUTF8 at every server on the way (RFC 6531), and a domain beyond it has an ASCII form (`xn--`).
    """
    return email.lower() if ADDRESS.fullmatch(email) else None


class EmailField(fields.String):
    """An email address, in the one spelling that is stored."""

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **options: Any) -> None:  # noqa: ANN401  marshmallow's own options
        """Describe an address in the API document."""
        super().__init__(metadata={**DOCUMENTED, **(metadata or {})}, **options)

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> str:
        address = normalised(super()._deserialize(value, attr, data, **kwargs))
        if address is None:
            message = "Must be an email address in ASCII, such as ada@example.com."
            raise ValidationError(message)
        return address


def domain(address: str) -> str:
    """Return the part of an address behind its `@`."""
    return address.rpartition("@")[2]
