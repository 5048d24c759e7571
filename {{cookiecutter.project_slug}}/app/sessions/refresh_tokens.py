"""Refresh tokens: each is good once, and hands out the next one.

A token that comes again was copied: by a thief who used it first, or from whoever did. Nobody can
tell which, so the login ends for both (RFC 9700, section 4.14.2). The token that was just replaced is
an exception for some seconds: two tabs of a browser refresh at the same moment, and an answer gets lost
on its way. It hands out the same successor once more, so at any time one token is good.

A token is the id of its login, a secret, and a tag that shows that the secret is one of ours. The id
alone is no secret: access tokens hold it (`sid`), and logs do.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import current_app

from app.core import telemetry
from app.core.access import Unauthenticated, auth_log
from app.core.database import writing
from app.sessions.models import LoginSession

logger = logging.getLogger(__name__)

ID_BYTES, SECRET_BYTES, TAG_BYTES = 16, 32, 12  # together 80 characters, without padding
GRACE = timedelta(seconds=10)
"""For how long a token that was replaced hands out its successor once more."""


class InvalidRefreshToken(Unauthenticated):
    """The token is forged, expired or used, or its login has ended; it is not told which."""

    code = "invalid_refresh_token"
    detail = "This refresh token is not good, or not any more; log in again."


@dataclass(frozen=True, slots=True)
class Renewed:
    """A login that goes on."""

    session_id: UUID
    owner_id: UUID
    refresh_token: str


def issue(session: LoginSession) -> str:
    """Return the first token of a login."""
    return _replace(session, secrets.token_bytes(SECRET_BYTES))


def rotate(refresh_token: str) -> Renewed:
    """Take a token and return the next one.

    Raises:
        InvalidRefreshToken: when it is none that is good now.

    """
    session_id, secret, is_ours = _parts(refresh_token)
    now = datetime.now(UTC)
    with writing() as transaction:
        # Locked, because the same token may come twice at this moment.
        session = transaction.get(LoginSession, session_id, with_for_update=True)
        if session is None:
            raise InvalidRefreshToken
        auth_log.bind(str(session.owner_id))
        if session.ended_at or session.expires_at <= now:
            raise InvalidRefreshToken
        successor = _successor(session_id, secret)
        if _is_good(session, secret):
            session.replaced_at = now
            return Renewed(session.id, session.owner_id, _replace(session, successor))
        if not is_ours:
            raise InvalidRefreshToken
        replaced = _is_good(session, successor) and session.replaced_at
        if replaced and now - replaced <= GRACE:
            return Renewed(session.id, session.owner_id, _token(session_id, successor))
        session.ended_at = now
    words = {telemetry.USER_ID: str(session.owner_id), "session_id": str(session.id)}
    logger.warning("refresh token reused", extra=words)
    raise InvalidRefreshToken


def _replace(session: LoginSession, secret: bytes) -> str:
    session.refresh_digest = _digest(secret)
    return _token(session.id, secret)


def _is_good(session: LoginSession, secret: bytes) -> bool:
    return hmac.compare_digest(session.refresh_digest or "", _digest(secret))


def _token(session_id: UUID, secret: bytes) -> str:
    held = session_id.bytes + secret + _tag(session_id, secret)
    return base64.urlsafe_b64encode(held).decode()


def _parts(refresh_token: str) -> tuple[UUID, bytes, bool]:
    """Return the login, the secret, and whether we have handed it out at any time."""
    try:
        held = base64.b64decode(refresh_token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidRefreshToken from None
    if len(held) != ID_BYTES + SECRET_BYTES + TAG_BYTES:
        raise InvalidRefreshToken
    session_id, secret = UUID(bytes=held[:ID_BYTES]), held[ID_BYTES:-TAG_BYTES]
    return session_id, secret, hmac.compare_digest(held[-TAG_BYTES:], _tag(session_id, secret))


def _tag(session_id: UUID, secret: bytes) -> bytes:
    return _keyed(b"tag", session_id, secret)[:TAG_BYTES]


def _successor(session_id: UUID, secret: bytes) -> bytes:
    """Return the secret that follows; it is the same each time, and takes the service's key to know."""
    return _keyed(b"successor", session_id, secret)


def _keyed(what: bytes, session_id: UUID, secret: bytes) -> bytes:
    key = str(current_app.secret_key).encode()
    words = b"refresh token " + what + session_id.bytes + secret
    return hmac.new(key, words, hashlib.sha256).digest()


def _digest(secret: bytes) -> str:
    """Return what is stored; of 256 random bits a plain digest cannot be guessed back."""
    return hashlib.sha256(secret).hexdigest()
