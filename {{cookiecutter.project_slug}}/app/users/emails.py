"""Sends emails about accounts, if the transaction that they belong to is committed and only then."""

from typing import Protocol

# {% if not cookiecutter.background_tasks %}
from sqlalchemy import event

# {% endif %}
from sqlalchemy.orm import Session

# {% if not cookiecutter.background_tasks %}
from app.core import mail

# {% endif %}
from app.users import (
    # {% if not cookiecutter.background_tasks %}
    letters,
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    stored_emails,
    # {% endif %}
)
from app.users.letters import Email


class Add(Protocol):
    """Takes an email, in the transaction that it belongs to."""

    def __call__(self, transaction: Session, email: Email) -> None:
        """Send the email if the transaction is committed."""


add: Add


# {% if not cookiecutter.background_tasks %}
def add_in_memory(transaction: Session, email: Email) -> None:
    """Hand an email to the thread that sends them; it is lost with its process."""
    letter = letters.compose(email)
    event.listen(transaction, "after_commit", lambda _: mail.of_app().send(letter), once=True)


add = add_in_memory
# {% endif %}
# {% if cookiecutter.background_tasks %}
add = stored_emails.add
# {% endif %}
