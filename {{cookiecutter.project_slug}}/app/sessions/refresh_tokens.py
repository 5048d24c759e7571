"""Refresh tokens with rotation: each token is valid once and is exchanged for its successor.

A token that is used again has been stolen: either the thief or the owner has used it before. The
server cannot distinguish them, so it ends the session (RFC 9700, section 4.14.2). The previous
token is an exception for `GRACE`, because two tabs may refresh at the same moment and a response
may be lost. It returns the same successor again, so only one token is current at any time.

A token consists of the session's id, a secret, and a tag that proves that this service issued the
secret. The id is not secret: access tokens contain it (`sid`), and so do logs.
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
"""How long a replaced token still returns its successor."""


class InvalidRefreshToken(Unauthenticated):
    """The token is forged, expired or used, or its session ended. The response hides which."""

    code = "invalid_refresh_token"
    detail = "The refresh token is invalid or has expired. Log in again."


@dataclass(frozen=True, slots=True)
class RotatedToken:
    """A continued session and its next refresh token."""

    session_id: UUID
    owner_id: UUID
    refresh_token: str


def issue(session: LoginSession) -> str:
    """Return the first refresh token of a session."""
    return _replace(session, secrets.token_bytes(SECRET_BYTES))


def rotate(refresh_token: str) -> RotatedToken:
    """Exchange a refresh token for the next one.

    Raises:
        InvalidRefreshToken: when the token is not valid; reuse also ends the session.

    """
    session_id, secret, is_ours = _parts(refresh_token)
    now = datetime.now(UTC)
    with writing() as transaction:
        # Lock the row: the same token may be used twice at the same time.
        session = transaction.get(LoginSession, session_id, with_for_update=True)
        if session is None:
            raise InvalidRefreshToken
        auth_log.bind(str(session.owner_id))
        if session.ended_at or session.expires_at <= now:
            raise InvalidRefreshToken
        successor = _successor(session_id, secret)
        if _is_current(session, secret):
            session.replaced_at = now
            return RotatedToken(session.id, session.owner_id, _replace(session, successor))
        if not is_ours:
            raise InvalidRefreshToken
        replaced = _is_current(session, successor) and session.replaced_at
        if replaced and now - replaced <= GRACE:
            return RotatedToken(session.id, session.owner_id, _token(session_id, successor))
        session.ended_at = now
    fields = {telemetry.USER_ID: str(session.owner_id), "session_id": str(session.id)}
    logger.warning("refresh token reused", extra=fields)
    raise InvalidRefreshToken


def _replace(session: LoginSession, secret: bytes) -> str:
    session.refresh_digest = _digest(secret)
    return _token(session.id, secret)


def _is_current(session: LoginSession, secret: bytes) -> bool:
    return hmac.compare_digest(session.refresh_digest or "", _digest(secret))


def _token(session_id: UUID, secret: bytes) -> str:
    raw = session_id.bytes + secret + _tag(session_id, secret)
    return base64.urlsafe_b64encode(raw).decode()


def _parts(refresh_token: str) -> tuple[UUID, bytes, bool]:
    """Return the session's id, the secret, and whether this service ever issued the secret."""
    try:
        raw = base64.b64decode(refresh_token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidRefreshToken from None
    if len(raw) != ID_BYTES + SECRET_BYTES + TAG_BYTES:
        raise InvalidRefreshToken
    session_id, secret = UUID(bytes=raw[:ID_BYTES]), raw[ID_BYTES:-TAG_BYTES]
    return session_id, secret, hmac.compare_digest(raw[-TAG_BYTES:], _tag(session_id, secret))


def _tag(session_id: UUID, secret: bytes) -> bytes:
    return _keyed(b"tag", session_id, secret)[:TAG_BYTES]


def _successor(session_id: UUID, secret: bytes) -> bytes:
    """Derive the next secret, which is deterministic and depends on the service's secret key."""
    return _keyed(b"successor", session_id, secret)


def _keyed(what: bytes, session_id: UUID, secret: bytes) -> bytes:
    key = str(current_app.secret_key).encode()
    message = b"refresh token " + what + session_id.bytes + secret
    return hmac.new(key, message, hashlib.sha256).digest()


def _digest(secret: bytes) -> str:
    """Return the stored digest. It needs no key, because the secret has 256 bits."""
    return hashlib.sha256(secret).hexdigest()
