"""Attempt limits, counted per account and network, per network, and per account.

An attempt is stored before it is checked, so that concurrent attempts count each other. It is
withdrawn when it succeeds. Attempts at accounts that do not exist are counted too.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, literal, select, union_all
from sqlalchemy.orm import Session

from app.core.database import pruning, reading, writing
from app.core.errors import TooManyRequests
from app.users.models import Attempt


@dataclass(frozen=True, slots=True)
class Limit:
    """An action with limited attempts: the limits of each scope within a time window."""

    name: str
    seconds: int
    pair: int
    """For one account from one network: a user who mistypes a password."""
    network: int
    """From one network: many users behind one address, or an attacker who tries many accounts."""
    account: int = sys.maxsize
    """For one account from all networks: a distributed attack."""


# NIST SP 800-63B, 3.2.2: at most 100 consecutive failed attempts for one account.
LOGIN = Limit("login", seconds=900, pair=5, network=50, account=100)
# Enough for a user who cannot find the email. app.core.mail.recipients limits the emails per
# mailbox.
EMAIL = Limit("email", seconds=3_600, pair=3, network=20)
KEEP = timedelta(seconds=max(LOGIN.seconds, EMAIL.seconds))  # older attempts no longer count
CLOCK_SKEW_SECONDS = 30  # maximum clock skew between two hosts of this service


class TooManyAttempts(TooManyRequests):
    """An attempt limit is exceeded. The response does not say which one."""

    code = "too_many_attempts"
    detail = "Too many attempts. Try again after the number of seconds in Retry-After."


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """A stored attempt."""

    id: UUID
    kind: Limit
    account: str
    network: str
    at: datetime


def begin(kind: Limit, account: str, network: str) -> StoredAttempt:
    """Store an attempt."""
    attempt = StoredAttempt(uuid4(), kind, account, network, datetime.now(UTC))
    with writing() as transaction:
        transaction.add(
            Attempt(
                id=attempt.id,
                kind=kind.name,
                account_digest=account,
                network_digest=network,
                at=attempt.at,
            )
        )
    return attempt


def check(attempt: StoredAttempt, *, known: bool = False) -> None:
    """Check an attempt against the limits of its kind. A refused attempt is withdrawn.

    The limit per account does not apply if `known`, from a network that the account's owner has
    logged in from: attempts from other networks cannot lock the owner out.

    Raises:
        TooManyAttempts: with Retry-After, the seconds until the oldest counted attempt expires.

    """
    kind = attempt.kind
    account = {} if known else {"account": kind.account}
    if over := _exceeded(attempt, {"pair": kind.pair, "network": kind.network} | account):
        _refuse(attempt, max(over.values()))


def is_granted(attempt: StoredAttempt) -> bool:
    """Return whether a requested email may be sent. A refused request is withdrawn.

    Over the limit for one account from one network, the email is dropped silently: a 429 would lock
    out owners and new users when another client on their network has used up the limit.

    Raises:
        TooManyAttempts: when too many emails have been requested from this network.

    """
    over = _exceeded(attempt, {"pair": attempt.kind.pair, "network": attempt.kind.network})
    if "network" in over:
        _refuse(attempt, over["network"])
    if over:
        with writing() as transaction:
            withdraw(transaction, attempt.id)
    return not over


def _exceeded(attempt: StoredAttempt, allowed: Mapping[str, int]) -> dict[str, datetime]:
    """Return the scopes whose limit is exceeded, with the time of their oldest counted attempt."""
    counted = _counted(attempt)
    return {scope: first for scope, number, first in counted if number > allowed.get(scope, number)}


def _refuse(attempt: StoredAttempt, oldest: datetime) -> NoReturn:
    with writing() as transaction:
        withdraw(transaction, attempt.id)
    seconds = (oldest - attempt.at).total_seconds() + attempt.kind.seconds
    raise TooManyAttempts(headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def withdraw(transaction: Session, attempt_id: UUID) -> None:
    """Delete one attempt, so that it no longer counts."""
    transaction.execute(delete(Attempt).where(Attempt.id == attempt_id))


def delete_before(moment: datetime) -> int:
    """Delete the attempts made before a moment; return the number deleted."""
    return pruning.delete_all(Attempt, Attempt.at < moment)


def _counted(attempt: StoredAttempt) -> list[tuple[str, int, datetime]]:
    """Return each scope with its number of attempts and the time of the oldest, in one query."""
    since = attempt.at - timedelta(seconds=attempt.kind.seconds)
    # Without an upper bound, attempts stored before a clock was set back would count for too long.
    until = attempt.at + timedelta(seconds=CLOCK_SKEW_SECONDS)
    of_account = Attempt.account_digest == attempt.account
    of_network = Attempt.network_digest == attempt.network
    scopes: dict[str, tuple[ColumnElement[bool], ...]] = {
        "pair": (of_account, of_network),
        "network": (of_network,),
        "account": (of_account,),
    }
    query = union_all(
        *(
            select(literal(scope), func.count(), func.min(Attempt.at)).where(
                Attempt.kind == attempt.kind.name,
                Attempt.at > since,
                Attempt.at < until,
                *conditions,
            )
            for scope, conditions in scopes.items()
        )
    )
    with reading() as connection:
        return [(scope, number, first) for scope, number, first in connection.execute(query)]
