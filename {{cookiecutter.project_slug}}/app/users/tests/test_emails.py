from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.database import writing
from app.users import emails, service
from app.users.emails import EmailRequest
from app.users.tests import emails as emails_to
from app.users.tests import new_address


def fail_after(act: Callable[[Session], None]) -> None:
    """Call a function in a transaction that is rolled back."""
    with writing() as transaction:
        act(transaction)
        raise IntegrityError("", {}, Exception())


def sends_only_after_a_commit(app: Flask, add: Callable[[Session, EmailRequest], None]) -> bool:
    """Return whether an email is sent after a commit and only then."""
    to = new_address()
    email = EmailRequest("password-changed", to, emails.NOTICE, uuid4())
    with app.app_context():
        with writing() as transaction:
            add(transaction, email)
            before = emails_to(app, to)
        with pytest.raises(IntegrityError):
            fail_after(lambda transaction: add(transaction, email))
    return (before, len(emails_to(app, to))) == ([], 1)


def test_an_email_is_sent_if_its_transaction_is_committed_and_only_then(app: Flask) -> None:
    assert sends_only_after_a_commit(app, service.add_email)
    # {% if not cookiecutter.background_tasks %}
    assert sends_only_after_a_commit(app, service.send_after_commit)
    # {% endif %}


def test_each_template_has_a_subject_and_a_text_with_the_link_of_its_purpose(app: Flask) -> None:
    folder = Path(app.root_path, "users", "templates", "users", "emails")
    for template in (path.stem for path in folder.iterdir()):
        request = EmailRequest(template, new_address(), emails.REQUESTED, uuid4())
        with app.app_context():
            email = emails.compose(request)
        assert email.subject
        assert email.text.endswith(".\n")
        assert ("/account/" in email.text) == (template in emails.PURPOSES)
