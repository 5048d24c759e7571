import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.core.database import writing
from app.sessions import refresh_tokens, service
from app.sessions.models import LoginSession
from app.sessions.refresh_tokens import GRACE, InvalidRefreshToken, rotate
from conftest import LogLines, MakeApp


def opened(owner_id: UUID) -> str:
    with writing() as transaction:
        return refresh_tokens.issue(service.open_session(transaction, owner_id, "network"))


def stored(refresh_token: str) -> LoginSession:
    session_id = UUID(bytes=base64.urlsafe_b64decode(refresh_token)[:16])
    with writing() as transaction:
        return transaction.get_one(LoginSession, session_id)


def later(refresh_token: str, seconds: float) -> None:
    """Move the last refresh of a session into the past."""
    session_id = stored(refresh_token).id
    with writing() as transaction:
        session = transaction.get_one(LoginSession, session_id)
        assert session.replaced_at is not None
        session.replaced_at -= timedelta(seconds=seconds)


def test_each_refresh_token_issues_the_next_one_of_the_session(app: Flask) -> None:
    owner = uuid4()
    with app.app_context():
        token = opened(owner)
        seen = {token}
        for _ in range(3):
            renewed = rotate(token)
            token = renewed.refresh_token
            seen.add(token)
            assert renewed.owner_id == owner
            assert renewed.session_id == stored(token).id

    assert len(seen) == 4


def test_the_secret_is_stored_nowhere(app: Flask) -> None:
    with app.app_context():
        token = opened(uuid4())
        digest = str(stored(token).refresh_digest)

    assert len(token) == 80
    assert digest not in token
    assert token[22:] not in digest
    assert len(digest) == 64


@pytest.mark.attack
def test_a_token_used_again_ends_the_login_for_thief_and_owner(
    app: Flask, log_lines: LogLines
) -> None:
    owner = uuid4()
    with app.app_context():
        stolen = opened(owner)
        other = opened(owner)
        newest = rotate(rotate(stolen).refresh_token).refresh_token

        for token in (stolen, newest, stolen):
            with pytest.raises(InvalidRefreshToken):
                rotate(token)

        assert stored(newest).ended_at
        rotate(other)  # another session continues
    (warning,) = log_lines
    assert warning["message"] == "refresh token reused"
    assert warning["user.id"] == str(owner)
    assert stolen not in str(log_lines)


@pytest.mark.attack
def test_a_replaced_refresh_token_returns_its_successor_for_some_seconds_only(
    app: Flask,
) -> None:
    with app.app_context():
        token = opened(uuid4())
        successor = rotate(token)

        assert [rotate(token) for _ in range(3)] == [successor] * 3
        later(token, GRACE.total_seconds() - 2)
        assert rotate(token) == successor
        later(token, 3)
        with pytest.raises(InvalidRefreshToken):
            rotate(token)

        with pytest.raises(InvalidRefreshToken):
            rotate(successor.refresh_token)


def test_concurrent_uses_of_one_refresh_token_get_one_successor(app: Flask) -> None:
    with app.app_context():
        token = opened(uuid4())
    barrier = Barrier(8)

    def use(_: int) -> str:
        with app.app_context():
            barrier.wait()
            return rotate(token).refresh_token

    with ThreadPoolExecutor(8) as threads:
        handed_out = set(threads.map(use, range(8)))

    assert len(handed_out) == 1
    with app.app_context():
        assert rotate(handed_out.pop())


@pytest.mark.attack
def test_the_id_of_a_login_does_not_end_it(app: Flask, subtests: pytest.Subtests) -> None:
    with app.app_context():
        token, others = opened(uuid4()), opened(uuid4())
        held, of_others = (base64.urlsafe_b64decode(each) for each in (token, others))
        replaced = rotate(token).refresh_token
        for name, made_up in (
            ("random", held[:16] + secrets.token_bytes(44)),
            ("zeros", held[:16] + bytes(44)),
            ("another login's", held[:16] + of_others[16:]),
            ("one bit", held[:-1] + bytes([held[-1] ^ 1])),
        ):
            with subtests.test(name), pytest.raises(InvalidRefreshToken):
                rotate(base64.urlsafe_b64encode(made_up).decode())

        assert rotate(replaced)


def test_another_secret_key_ends_no_login(app: Flask, make_app: MakeApp) -> None:
    with app.app_context():
        token = opened(uuid4())
    with make_app(secret_key="of another time").app_context():
        assert rotate(token)


@pytest.mark.attack
def test_no_other_token_is_accepted(app: Flask, subtests: pytest.Subtests) -> None:
    with app.app_context():
        ended, expired, good = (opened(uuid4()) for _ in range(3))
        of_ended, of_expired = stored(ended).id, stored(expired).id
        with writing() as transaction:
            transaction.get_one(LoginSession, of_ended).ended_at = datetime.now(UTC)
            transaction.get_one(LoginSession, of_expired).expires_at = datetime.now(UTC)
            without = service.open_session(transaction, uuid4(), "network").id
        for name, token in (
            ("of a login that ended", ended),
            ("of a login that expired", expired),
            (
                "of a login without one",
                base64.urlsafe_b64encode(without.bytes + bytes(44)).decode(),
            ),
            ("of no login", base64.urlsafe_b64encode(bytes(60)).decode()),
            ("too short", good[:-4]),
            ("too long", good * 2),
            ("not base64", "?" * 80),
            ("beyond ASCII", "\u00e9" * 80),
            ("nothing", ""),
        ):
            with subtests.test(name), pytest.raises(InvalidRefreshToken):
                rotate(token)

        assert rotate(good)


def test_a_network_is_known_once_somebody_has_logged_in_from_it(app: Flask) -> None:
    owner = uuid4()
    with app.app_context():
        opened(owner)

        assert service.is_known(owner, "network")
        assert not service.is_known(owner, "another")
        assert not service.is_known(uuid4(), "network")
