"""Pseudonyms: keyed digests that are stored in place of email addresses and networks.

They can be compared, but not reversed. They are keyed, because all four billion addresses of IPv4
can be hashed in minutes. They have a fixed length, and compare the same under every collation.
"""

import hashlib
import hmac

from flask import current_app

# {% if cookiecutter.auth == "jwt" %}
from app.core import client_address

# {% endif %}
LENGTH = 64  # characters


# {% if cookiecutter.auth == "jwt" %}
def of_account(email: str) -> str:
    """Return the pseudonym of an account, whether or not it exists."""
    return _keyed("account", email)


def of_network(address: str) -> str:
    """Return the pseudonym of a client's network."""
    return _keyed("network", client_address.network_of(address))


def of_state(*parts: object) -> str:
    """Return the keyed digest of a state, to detect later whether it has changed."""
    return _keyed("state", "\n".join(map(str, parts)))


# {% endif %}
def of_recipient(email: str) -> str:
    """Return the pseudonym of a recipient's mailbox.

    The text after a plus is a subaddress (RFC 5233), and the largest mail service ignores dots, so
    one mailbox has any number of addresses. All of them share a count, even at services where
    dots or subaddresses distinguish people.
    """
    local, _, domain = email.partition("@")
    mailbox = local.partition("+")[0].replace(".", "")
    return _keyed("recipient", f"{mailbox or local}@{domain}")


def _keyed(kind: str, text: str) -> str:
    secret = str(current_app.secret_key).encode()
    return hmac.new(secret, f"{kind} {text}".encode(), hashlib.sha256).hexdigest()
