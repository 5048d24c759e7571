"""What accounts write to their owners."""

from app.core.mail import NAME, Letter
from app.core.recipients import Share

NOTICE = Share("notice")


def verify(to: str | None, url: str) -> Letter:
    """Ask whoever reads this mailbox whether the account is theirs."""
    return Letter(
        to,
        f"Confirm your address for {NAME}",
        f"Somebody has made an account at {NAME} with this address. If it was you, confirm it:\n\n"
        f"{url}\n\nIf it was not, leave this letter: the account cannot be used without it.\n",
    )


def choose(to: str | None, url: str) -> Letter:
    """Let whoever reads the mailbox of an unconfirmed account choose its password."""
    return Letter(
        to,
        f"Confirm your address for {NAME}",
        f"Somebody wants an account at {NAME} with this address. If it was you, choose its password, "
        f"which confirms the address; one that was chosen before does not count:\n\n{url}\n\n"
        "If it was not, leave this letter: the account cannot be used without it.\n",
    )


def taken(to: str | None, url: str) -> Letter:
    """Tell the owner of an account that it exists already."""
    return Letter(
        to,
        f"You have an account at {NAME}",
        f"Somebody wanted to make an account at {NAME} with this address, and there is one already."
        f" If it was you, log in, or choose a new password:\n\n{url}\n\n"
        "If it was not, leave this letter: nothing has changed.\n",
    )


def reset(to: str | None, url: str) -> Letter:
    """Let the owner of an account choose a new password."""
    return Letter(
        to,
        f"Choose a new password for {NAME}",
        f"Somebody has forgotten the password of this account at {NAME}. If it was you, choose a "
        f"new one:\n\n{url}\n\nIf it was not, leave this letter: nothing has changed.\n",
    )


def change(to: str | None, url: str) -> Letter:
    """Ask whoever reads the new mailbox whether the account shall use it."""
    return Letter(
        to,
        f"Confirm your new address for {NAME}",
        f"Somebody wants their account at {NAME} to use this address. If it was you, confirm it:"
        f"\n\n{url}\n\nIf it was not, leave this letter: nothing has changed.\n",
    )


def changed(to: str, what: str) -> Letter:
    """Tell the owner of an account what has been changed, in case it was somebody else."""
    return Letter(
        to,
        f"Your account at {NAME} has been changed",
        f"{what}\n\nIf it was not you, choose a new password at once, or ask for help.\n",
        NOTICE,
    )
