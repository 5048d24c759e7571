from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import func, select

from app.core.database import reading, writing
from app.sessions import service
from app.sessions.models import LoginSession
from tests.database import CountQueries


def opened(owner_id: UUID) -> UUID:
    with writing() as transaction:
        return service.open_session(  # one line where it fits
            transaction,
            owner_id,
            # {% if cookiecutter.auth == "jwt" %}
            "network",
            # {% endif %}
        ).id


def still_open(owner_id: UUID) -> set[UUID]:
    query = select(LoginSession.id).where(
        LoginSession.owner_id == owner_id, LoginSession.ended_at.is_(None)
    )
    with reading() as connection:
        return set(connection.execute(query).scalars())


def test_a_login_lasts_as_long_as_the_settings_say(app: Flask) -> None:
    with app.app_context():
        session_id = opened(uuid4())
        with writing() as transaction:
            stored = transaction.get_one(LoginSession, session_id)

    assert stored.expires_at - stored.created_at == timedelta(days=30)
    assert stored.ended_at is None


def test_a_session_ends_once_and_no_other_does(app: Flask) -> None:
    owner = uuid4()
    with app.app_context():
        first, second = opened(owner), opened(owner)
        service.end(first)
        assert still_open(owner) == {second}
        with writing() as transaction:
            ended = transaction.get_one(LoginSession, first).ended_at

        service.end(first)
        service.end(uuid4())

        with writing() as transaction:
            assert transaction.get_one(LoginSession, first).ended_at == ended


def test_all_logins_of_somebody_end_but_for_one_that_is_named(
    app: Flask, count_queries: CountQueries
) -> None:
    owner, other = uuid4(), uuid4()
    with app.app_context():
        kept, *_ = [opened(owner) for _ in range(3)]
        theirs = opened(other)
        with writing() as transaction:
            service.end_all(transaction, owner, keep=kept)
        assert still_open(owner) == {kept}
        with count_queries(1), writing() as transaction:
            service.end_all(transaction, owner)

        assert still_open(owner) == set()
        assert still_open(other) == {theirs}


def test_one_query_checks_a_session(app: Flask, count_queries: CountQueries) -> None:
    with app.app_context():
        open_one, ended, expired = (opened(uuid4()) for _ in range(3))
        service.end(ended)
        with writing() as transaction:
            transaction.get_one(LoginSession, expired).expires_at = datetime.now(UTC)

        with count_queries(4):
            assert service.is_open(open_one)
            assert not service.is_open(ended)
            assert not service.is_open(expired)
            assert not service.is_open(uuid4())


def test_ended_sessions_can_be_deleted(app: Flask) -> None:
    with app.app_context():
        _, ended, expired = (opened(uuid4()) for _ in range(3))
        then = datetime.now(UTC) - timedelta(days=2)
        with writing() as transaction:
            transaction.get_one(LoginSession, ended).ended_at = then
            transaction.get_one(LoginSession, expired).expires_at = then
    invoke = app.test_cli_runner().invoke
    prune = ["prune", "--only", "sessions"]

    assert invoke(args=prune).output == "sessions: 0 deleted\n"
    assert invoke(args=[*prune, "--days", "1"]).output == "sessions: 2 deleted\n"
    with app.app_context(), reading() as connection:
        assert connection.execute(select(func.count(LoginSession.id))).scalar_one() == 1
