from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.database import writing
from app.users import letters, service
from app.users.letters import Email
from app.users.tests import letters as sent
from app.users.tests import new_address


def fail_after(act: Callable[[Session], None]) -> None:
    """Do something in a transaction that is not committed."""
    with writing() as transaction:
        act(transaction)
        raise IntegrityError("", {}, Exception())


def test_an_email_is_sent_if_its_transaction_is_committed_and_only_then(app: Flask) -> None:
    for add in (
        # {% if not cookiecutter.background_tasks %}
        service.send_after_commit,
        # {% endif %}
        service.add_email,
    ):
        to = new_address()
        email = Email("password-changed", to, letters.NOTICE, uuid4())
        with app.app_context():
            with writing() as transaction:
                add(transaction, email)
                assert sent(app, to) == []
            with pytest.raises(IntegrityError):
                fail_after(partial(add, email=email))

        assert len(sent(app, to)) == 1
