import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.core.database import writing
from app.sessions import refresh_tokens, service
from app.sessions.models import LoginSession
from app.sessions.refresh_tokens import InvalidRefreshToken, rotate
from conftest import LogLines


def opened(owner_id: UUID) -> str:
    with writing() as transaction:
        return refresh_tokens.hand_out(service.open_session(transaction, owner_id, "network"))


def stored(refresh_token: str) -> LoginSession:
    session_id = UUID(bytes=base64.urlsafe_b64decode(refresh_token)[:16])
    with writing() as transaction:
        return transaction.get_one(LoginSession, session_id)


def test_each_token_hands_out_the_next_one_of_the_same_login(app: Flask) -> None:
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

    assert len(token) == 64
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
        rotate(other)  # another login goes on
    (warning,) = log_lines
    assert warning["message"] == "refresh token used again, login ended"
    assert warning["caller_id"] == str(owner)
    assert stolen not in str(log_lines)


@pytest.mark.attack
def test_of_many_who_use_one_token_at_once_one_at_most_goes_on(app: Flask) -> None:
    with app.app_context():
        token = opened(uuid4())
    barrier = Barrier(8)

    def use(_: int) -> str | None:
        with app.app_context():
            barrier.wait()
            try:
                return rotate(token).refresh_token
            except InvalidRefreshToken:
                return None

    with ThreadPoolExecutor(8) as threads:
        handed_out = [each for each in threads.map(use, range(8)) if each]

    assert len(handed_out) == 1
    with app.app_context(), pytest.raises(InvalidRefreshToken):
        rotate(handed_out[0])


@pytest.mark.attack
def test_no_other_token_is_believed(app: Flask, subtests: pytest.Subtests) -> None:
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
                base64.urlsafe_b64encode(without.bytes + bytes(32)).decode(),
            ),
            ("of no login", base64.urlsafe_b64encode(bytes(48)).decode()),
            ("too short", good[:-4]),
            ("too long", good * 2),
            ("not base64", "?" * 64),
            ("beyond ASCII", "\u00e9" * 64),
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
