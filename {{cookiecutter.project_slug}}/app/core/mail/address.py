"""Validates and normalises email addresses. No other module parses them."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

EMAIL_LENGTH = 254  # RFC 5321, erratum 1690
# RFC 5321, 4.1.2: a Dot-string and a Domain, in ASCII. Quoted local parts, comments and address
# literals are valid there but rejected here: they are alternative spellings of a mailbox. Encoded
# words (RFC 2047) are rejected too, because Python's `email` decodes them when it writes a header,
# and so are routes: a mail server that finds its own name in `user%elsewhere@here` or
# `elsewhere!user@here` relays the email (RFC 1123, 5.2.16; Postfix does by default).
_ENCODED_WORD = r"(?!.*=\?)"
_LENGTH = r"(?=.{3,254}\Z)(?=[^@]{1,64}@)"
_ATOM = r"[a-zA-Z0-9#$&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_NO_NUMBER = r"(?!(?:.*\.)?[0-9]+\Z)"  # no top-level domain is a number (RFC 3696, section 2)
ADDRESS = re.compile(
    rf"{_ENCODED_WORD}{_LENGTH}{_ATOM}(?:\.{_ATOM})*@{_NO_NUMBER}{_LABEL}(?:\.{_LABEL})*"
)
# The same pattern for the API document, without lookahead, which RE2 does not support: an atom in
# which no ? follows a =, and a last label that is not all digits. `format: email` implies the
# lengths of the parts (RFC 5321, 4.5.3.1).
_OTHERS = r"[a-zA-Z0-9#$&'*+/^_`{|}~-]"
_PLAIN_ATOM = rf"(?:(?:\?|=*{_OTHERS})+=*|=+)"
_ANY_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_LAST_LABEL = r"(?:[0-9]*[a-zA-Z](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?|[0-9]+-[a-zA-Z0-9-]*[a-zA-Z0-9])"
JSON_SCHEMA = {
    "format": "email",
    "minLength": 3,
    "maxLength": EMAIL_LENGTH,
    "pattern": rf"^{_PLAIN_ATOM}(?:\.{_PLAIN_ATOM})*@(?:{_ANY_LABEL}\.)*{_LAST_LABEL}$",
}


def normalised(email: str) -> str | None:
    """Return the normalised form of an address, for storage; None if the address is invalid.

    Case is ignored in both parts, as all large mail servers do (RFC 5321, 2.4 leaves it to the
    receiving host). ASCII only: a non-ASCII local part needs SMTPUTF8 at every server on the way
    (RFC 6531), and a non-ASCII domain has an ASCII form (`xn--`).
    """
    return email.lower() if ADDRESS.fullmatch(email) else None


class EmailField(fields.String):
    """An email address, normalised on load and described in the API document."""

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **options: Any) -> None:  # noqa: ANN401  marshmallow's own options
        super().__init__(metadata={**JSON_SCHEMA, **(metadata or {})}, **options)

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  any JSON value
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
    """Return the part of an address after its `@`."""
    return address.rpartition("@")[2]
