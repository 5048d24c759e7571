"""The emails about accounts. Their texts are in `templates/users/emails`."""

from dataclasses import dataclass
from uuid import UUID

from app.core.mail import Email, templates
from app.core.mail.recipients import EmailCategory
from app.users.signed_links import Link, Purpose, links

# Any client may request an email to any address. The limit applies within half an hour, as long as
# a reset link lasts by default, so an owner who receives no more emails still has links that work.
REQUESTED = EmailCategory("requested", max_emails=3)
# Requests from a network that the owner has logged in from. Clients elsewhere cannot use up
# this limit.
REQUESTED_FROM_KNOWN_NETWORK = EmailCategory("requested-from-known-network", max_emails=3)
# To the new address of an account. Its link is of no use to a new user of that address, so these
# emails must not use up the limit of those that are.
ADDRESS_CHANGE = EmailCategory("address-change", max_emails=3)
NOTICE = EmailCategory("notice")
CATEGORIES = {
    category.name: category
    for category in (REQUESTED, REQUESTED_FROM_KNOWN_NETWORK, ADDRESS_CHANGE, NOTICE)
}


@dataclass(frozen=True, slots=True)
class EmailRequest:
    """An email about an account, before it is composed."""

    template: str
    """The name of the file, without `.txt`."""
    to: str | None
    """The recipient. With None the email is composed but not sent, so timing reveals nothing."""
    category: EmailCategory
    account: UUID
    state: str = ""
    """The digest of the account's state, as in `signed_links.Link`."""


PURPOSES = {
    "verify": Purpose.VERIFY_EMAIL,
    "choose": Purpose.RESET_PASSWORD,
    "taken": Purpose.RESET_PASSWORD,
    "reset": Purpose.RESET_PASSWORD,
    "change": Purpose.CHANGE_EMAIL,
}
"""The purpose of the link in each email that has one."""


def compose(email: EmailRequest) -> Email:
    """Compose an email. The lifetime of its link starts now."""
    values = {}
    if purpose := PURPOSES.get(email.template):
        link = Link(email.account, email.state, email.to or "")
        values["url"] = links.current.to(purpose, link)
    subject, text = templates.render(f"users/emails/{email.template}.txt", **values)
    return Email(email.to, subject, text, email.category)
