"""An account that is created in the transaction of another domain, whose profiles are notes here."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core.api import PREFIX
from app.core.database import UniqueViolation, reading, writing
from app.users import service
from app.users.models import User
from app.users.passwords import WeakPassword
from app.users.service import NewAccount
from app.users.tests import PASSWORD, emails, log_in, new_address, token
from conftest import MakeApp
from tests.toy_tables import Note, stored_notes
from tests.waiting import HANG_TIMEOUT_SECONDS

ADDRESS = "192.0.2.9"

pytestmark = pytest.mark.usefixtures("toy_tables")


def prepare(email: str) -> NewAccount:
    return service.prepare_account(email, PASSWORD, ADDRESS)


def store(account: NewAccount, *, profile_first: bool = False) -> None:
    """Store an account and its profile."""
    profile = Note(id=account.id)
    with writing() as transaction:
        if profile_first:
            transaction.add(profile)
        service.create_account(transaction, account)
        transaction.add(profile)


def store_profile(account: NewAccount) -> None:
    with writing() as transaction:
        transaction.add(Note(id=account.id))


def accounts(email: str) -> int:
    query = select(func.count()).select_from(User).where(User.email == email)
    with reading() as connection:
        return connection.execute(query).scalar_one()


def test_an_account_and_its_profile_are_stored_together(app: Flask, client: FlaskClient) -> None:
    email = new_address()
    with app.app_context():
        store(prepare(email))

        assert (accounts(email), stored_notes()) == (1, 1)

    link = {"token": token(app, email, "verify-email")}
    assert client.post(f"{PREFIX}/auth/email-verification/confirm", json=link).status_code == 204
    assert log_in(client, email).status_code == 200


@pytest.mark.parametrize("profile_first", [False, True])
def test_without_its_profile_no_account_is_stored(app: Flask, *, profile_first: bool) -> None:
    email = new_address()
    with app.app_context():
        account = prepare(email)
        store_profile(account)
        with pytest.raises(UniqueViolation):
            store(account, profile_first=profile_first)

        assert (accounts(email), stored_notes()) == (0, 1)
    assert emails(app, email) == []


def test_of_simultaneous_accounts_of_an_address_one_is_stored(app: Flask) -> None:
    email = new_address()
    ready = Barrier(4, timeout=HANG_TIMEOUT_SECONDS)

    def race(_number: int) -> bool:
        with app.app_context():
            account = prepare(email)
            ready.wait()
            try:
                store(account)
            except service.AddressTaken:
                return False
            return True

    with ThreadPoolExecutor(4) as threads:
        created = list(threads.map(race, range(4), timeout=HANG_TIMEOUT_SECONDS))

    assert sorted(created) == [False, False, False, True]
    with app.app_context():
        assert (accounts(email), stored_notes()) == (1, 1)


def test_a_transaction_continues_after_an_address_that_is_taken(app: Flask) -> None:
    email = new_address()
    with app.app_context():
        store(prepare(email))
        account = prepare(email)
        with writing() as transaction:
            with pytest.raises(service.AddressTaken):
                service.create_account(transaction, account)
            transaction.add(Note(id=account.id))

        assert (accounts(email), stored_notes()) == (1, 2)


def test_without_required_confirmation_a_created_account_can_be_used_at_once(
    make_app: MakeApp,
) -> None:
    app = make_app(email_confirmation_required=False)
    email = new_address()
    with app.app_context():
        store(prepare(email))

    assert log_in(app.test_client(), email).status_code == 200
    assert emails(app, email) == []


def test_a_weak_password_is_refused_before_the_transaction(app: Flask) -> None:
    with app.app_context(), pytest.raises(WeakPassword):
        service.prepare_account(new_address(), "too short", ADDRESS)
