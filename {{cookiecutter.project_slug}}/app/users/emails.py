"""What accounts write to their owners."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from app.core.mail import NAME, Email
from app.core.mail.recipients import Share
from app.users import signed_links
from app.users.signed_links import Link, Purpose

# Anybody may ask for an email to anybody. As many reach a mailbox within half an hour, the life of the
# link in each, so an owner who gets no more has some that work.
ASKED = Share("asked", most=3)
# From a network that the owner has logged in from: others cannot use this up.
ASKED_AT_HOME = Share("asked-at-home", most=3)
# To an address that an account wants to move to. Its link is of no use to a newcomer, so it must not use
# up the emails that are.
MOVED = Share("moved", most=3)
NOTICE = Share("notice")
SHARES = {share.name: share for share in (ASKED, ASKED_AT_HOME, MOVED, NOTICE)}


@dataclass(frozen=True, slots=True)
class EmailRequest:
    """An email about an account, before it is written."""

    template: str
    """One of LINKED or NOTICES."""
    to: str | None
    """None for nobody, which takes as long."""
    share: Share
    account: UUID
    state: str = ""
    """What the link in it is for, as `links.Link` has it."""


def verify(to: str | None, url: str) -> Email:
    """Ask whoever reads this mailbox whether the account is theirs."""
    return Email(
        to,
        f"Confirm your address for {NAME}",
        f"Somebody has made an account at {NAME} with this address. If it was you, confirm it:\n\n"
        f"{url}\n\nIf it was not, leave this email: the account cannot be used without it.\n",
    )


def choose(to: str | None, url: str) -> Email:
    """Let whoever reads the mailbox of an unconfirmed account choose its password."""
    return Email(
        to,
        f"Confirm your address for {NAME}",
        f"Somebody wants an account at {NAME} with this address. If it was you, choose its password, "
        f"which confirms the address; one that was chosen before does not count:\n\n{url}\n\n"
        "If it was not, leave this email: the account cannot be used without it.\n",
    )


def taken(to: str | None, url: str) -> Email:
    """Tell the owner of an account that it exists already."""
    return Email(
        to,
        f"You have an account at {NAME}",
        f"Somebody wanted to make an account at {NAME} with this address, and there is one already."
        f" If it was you, log in, or choose a new password:\n\n{url}\n\n"
        "If it was not, leave this email: nothing has changed.\n",
    )


def reset(to: str | None, url: str) -> Email:
    """Let the owner of an account choose a new password."""
    return Email(
        to,
        f"Choose a new password for {NAME}",
        f"Somebody has forgotten the password of this account at {NAME}. If it was you, choose a "
        f"new one:\n\n{url}\n\nIf it was not, leave this email: nothing has changed.\n",
    )


def change(to: str | None, url: str) -> Email:
    """Ask whoever reads the new mailbox whether the account shall use it."""
    return Email(
        to,
        f"Confirm your new address for {NAME}",
        f"Somebody wants their account at {NAME} to use this address. If it was you, confirm it:"
        f"\n\n{url}\n\nIf it was not, leave this email: nothing has changed.\n",
    )


def changed(to: str | None, what: str) -> Email:
    """Tell the owner of an account what has been changed, in case it was somebody else."""
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
    "address-changed": "Your account uses another e-mail address now.",
}


def compose(email: EmailRequest) -> Email:
    """Write an email; the time of its link begins now."""
    if sentence := NOTICES.get(email.template):
        return changed(email.to, sentence)
    write, purpose = LINKED[email.template]
    url = signed_links.of_app().to(purpose, Link(email.account, email.state, email.to or ""))
    return replace(write(email.to, url), share=email.share)
