"""Refresh tokens: each is good once, and hands out the next one.

A token that comes again was copied: by a thief who used it first, or from whoever did. Nobody can
tell which, so the login ends for both (RFC 9700, section 4.14.2).
"""

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from app.core import sign_ins
from app.core.access import Unauthenticated
from app.core.database import writing
from app.sessions.models import LoginSession

logger = logging.getLogger(__name__)

ID_BYTES, SECRET_BYTES = 16, 32  # together 64 characters, without padding


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


def hand_out(session: LoginSession) -> str:
    """Return a new token of a login; every other one is used up."""
    secret = secrets.token_bytes(SECRET_BYTES)
    session.refresh_digest = _digest(secret)
    return base64.urlsafe_b64encode(session.id.bytes + secret).decode()


def rotate(refresh_token: str) -> Renewed:
    """Take a token and return the next one.

    Raises:
        InvalidRefreshToken: when it is none that is good now.

    """
    session_id, secret = _parts(refresh_token)
    now = datetime.now(UTC)
    with writing() as transaction:
        # Locked, because the same token may come twice at this moment.
        session = transaction.get(LoginSession, session_id, with_for_update=True)
        if session is None:
            raise InvalidRefreshToken
        sign_ins.concern(account_id=str(session.owner_id))
        if session.ended_at or session.expires_at <= now:
            raise InvalidRefreshToken
        if hmac.compare_digest(session.refresh_digest or "", _digest(secret)):
            return Renewed(session.id, session.owner_id, hand_out(session))
        # Only who has held a token of this login knows its id.
        session.ended_at = now
    words = {"caller_id": str(session.owner_id), "session_id": str(session.id)}
    logger.warning("refresh token used again, login ended", extra=words)
    raise InvalidRefreshToken


def _parts(refresh_token: str) -> tuple[UUID, bytes]:
    try:
        held = base64.b64decode(refresh_token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidRefreshToken from None
    if len(held) != ID_BYTES + SECRET_BYTES:
        raise InvalidRefreshToken
    return UUID(bytes=held[:ID_BYTES]), held[ID_BYTES:]


def _digest(secret: bytes) -> str:
    """Return what is stored; of 256 random bits a plain digest cannot be guessed back."""
    return hashlib.sha256(secret).hexdigest()
