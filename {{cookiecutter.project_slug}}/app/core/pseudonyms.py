"""What is stored in place of an email address or a network: it can be compared, and not read.

The digests are keyed, because all four thousand million addresses of IPv4 are hashed in minutes.
They have one length and compare alike under every collation.
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
    """Return the digest of an account, whether or not it exists."""
    return _keyed("account", email)


def of_network(address: str) -> str:
    """Return the digest of the network that a client comes from."""
    return _keyed("network", client_address.network_of(address))


def of_state(*parts: object) -> str:
    """Return the digest of a state, to tell later whether it is still the same."""
    return _keyed("state", "\n".join(map(str, parts)))


# {% endif %}
def of_recipient(email: str) -> str:
    """Return the digest of the mailbox that an email goes to.

    What follows a plus is a tag of its owner's (RFC 5233), and the largest mail service ignores dots: there
    a mailbox has as many spellings as anybody likes. Where they tell people apart, these share a count.
    """
    local, _, domain = email.partition("@")
    mailbox = local.partition("+")[0].replace(".", "")
    return _keyed("recipient", f"{mailbox or local}@{domain}")


def _keyed(kind: str, text: str) -> str:
    secret = str(current_app.secret_key).encode()
    return hmac.new(secret, f"{kind} {text}".encode(), hashlib.sha256).hexdigest()
