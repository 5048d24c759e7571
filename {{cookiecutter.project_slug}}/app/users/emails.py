"""The emails about accounts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from app.core.mail import NAME, Email
from app.core.mail.recipients import Share
from app.users.signed_links import Link, Purpose, links

# Any client may request an email to any address. The limit applies within half an hour, as long as
# a reset link lasts by default, so an owner who receives no more emails still has links that work.
ASKED = Share("asked", max_emails=3)
# Requests from a network that the owner has logged in from. Clients elsewhere cannot use this share
# up.
REQUESTED_FROM_KNOWN_NETWORK = Share("asked-at-home", max_emails=3)
# To the new address of an account. Its link is of no use to a new user of that address, so these
# emails must not use up the share of those that are.
MOVED = Share("moved", max_emails=3)
NOTICE = Share("notice")
SHARES = {share.name: share for share in (ASKED, REQUESTED_FROM_KNOWN_NETWORK, MOVED, NOTICE)}


@dataclass(frozen=True, slots=True)
class EmailRequest:
    """An email about an account, before it is composed."""

    template: str
    """A key of LINKED or NOTICES."""
    to: str | None
    """The recipient. With None the email is composed but not sent, so timing reveals nothing."""
    share: Share
    account: UUID
    state: str = ""
    """The digest of the account's state, as in `signed_links.Link`."""


def verify(to: str | None, url: str) -> Email:
    """Ask the owner of the address to confirm a new account."""
    return Email(
        to,
        f"Confirm your address for {NAME}",
        f"Somebody has made an account at {NAME} with this address. If it was you, confirm it:\n\n"
        f"{url}\n\nIf it was not, leave this email: the account cannot be used without it.\n",
    )


def choose(to: str | None, url: str) -> Email:
    """Ask the owner of the address of an unconfirmed account to choose its password."""
    return Email(
        to,
        f"Confirm your address for {NAME}",
        f"Somebody wants an account at {NAME} with this address. If it was you, choose its password, "
        f"which confirms the address; one that was chosen before does not count:\n\n{url}\n\n"
        "If it was not, leave this email: the account cannot be used without it.\n",
    )


def taken(to: str | None, url: str) -> Email:
    """Inform the owner of an existing account that its address was used to register."""
    return Email(
        to,
        f"You have an account at {NAME}",
        f"Somebody wanted to make an account at {NAME} with this address, and there is one already."
        f" If it was you, log in, or choose a new password:\n\n{url}\n\n"
        "If it was not, leave this email: nothing has changed.\n",
    )


def reset(to: str | None, url: str) -> Email:
    """Offer the owner of an account a link to choose a new password."""
    return Email(
        to,
        f"Choose a new password for {NAME}",
        f"Somebody has forgotten the password of this account at {NAME}. If it was you, choose a "
        f"new one:\n\n{url}\n\nIf it was not, leave this email: nothing has changed.\n",
    )


def change(to: str | None, url: str) -> Email:
    """Ask the owner of a new address to confirm it for an account."""
    return Email(
        to,
        f"Confirm your new address for {NAME}",
        f"Somebody wants their account at {NAME} to use this address. If it was you, confirm it:"
        f"\n\n{url}\n\nIf it was not, leave this email: nothing has changed.\n",
    )


def changed(to: str | None, what: str) -> Email:
    """Notify the owner of an account of a change, which an attacker may have made."""
    return Email(
        to,
        f"Your account at {NAME} has been changed",
        f"{what}\n\nIf it was not you, choose a new password at once, or ask for help.\n",
        NOTICE,
    )


LINKED: dict[str, tuple[Callable[[str | None, str], Email], Purpose]] = {
    "verify": (verify, Purpose.VERIFY_EMAIL),
    "choose": (choose, Purpose.RESET_PASSWORD),
    "taken": (taken, Purpose.RESET_PASSWORD),
    "reset": (reset, Purpose.RESET_PASSWORD),
    "change": (change, Purpose.CHANGE_EMAIL),
}
NOTICES = {
    "password-changed": "Your password has been changed.",
    "address-changed": "Your account uses another email address now.",
}


def compose(email: EmailRequest) -> Email:
    """Compose an email. The lifetime of its link starts now."""
    if sentence := NOTICES.get(email.template):
        return changed(email.to, sentence)
    write, purpose = LINKED[email.template]
    url = links.current.to(purpose, Link(email.account, email.state, email.to or ""))
    return replace(write(email.to, url), share=email.share)
