"""How often something may be tried: for an account from one network, from a network, for an account.

An attempt is stored before it is looked at, so that many at once are not each the first, and taken
back when it succeeds. Accounts that do not exist are counted like others.
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
class Kind:
    """Something that is tried, and how often it may be within some time."""

    name: str
    seconds: int
    pair: int
    """For one account from one network: a person who mistypes."""
    network: int
    """From one network: many people behind one address, or one who tries many accounts."""
    account: int = sys.maxsize
    """For one account from everywhere: many machines that share the work."""


# NIST SP 800-63B, 3.2.2: no more than a hundred failures in a row for one account.
LOGIN = Kind("login", seconds=900, pair=5, network=50, account=100)
# Enough for who does not find the email. What reaches one mailbox is counted by app.core.mail.recipients.
LETTER = Kind("email", seconds=3_600, pair=3, network=20)
CLOCKS_DIFFER_SECONDS = 30  # of two of our machines, at most


class TooManyAttempts(TooManyRequests):
    """It was tried too often; it is not told for what."""

    code = "too_many_attempts"
    detail = "Too many attempts; try again after the seconds in Retry-After."


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt that is stored."""

    id: UUID
    kind: Kind
    account: str
    network: str
    at: datetime


def begin(kind: Kind, account: str, network: str) -> Try:
    """Store an attempt."""
    begun = Try(uuid4(), kind, account, network, datetime.now(UTC))
    with writing() as transaction:
        transaction.add(
            Attempt(
                id=begun.id,
                kind=kind.name,
                account_digest=account,
                network_digest=network,
                at=begun.at,
            )
        )
    return begun


def check(begun: Try, *, known: bool = False) -> None:
    """Let an attempt go on unless it is one too many; then it does not count either.

    From a network that the account's owner is known to use, what others do elsewhere does not
    matter: nobody can lock an owner out.

    Raises:
        TooManyAttempts: with the seconds until the oldest one that counts is forgotten.

    """
    kind = begun.kind
    account = {} if known else {"account": kind.account}
    if over := _exceeded(begun, {"pair": kind.pair, "network": kind.network} | account):
        _refuse(begun, max(over.values()))


def is_granted(begun: Try) -> bool:
    """Tell whether an email that somebody asks for may be sent; one too many does not count either.

    Beyond what one network may ask for one account nothing is sent, and nobody is told: a 429 would
    keep owners and newcomers out whose network or address a stranger has used up.

    Raises:
        TooManyAttempts: when too many emails have been asked for from this network.

    """
    over = _exceeded(begun, {"pair": begun.kind.pair, "network": begun.kind.network})
    if "network" in over:
        _refuse(begun, over["network"])
    if over:
        with writing() as transaction:
            withdraw(transaction, begun.id)
    return not over


def _exceeded(begun: Try, allowed: Mapping[str, int]) -> dict[str, datetime]:
    """Return in which scopes there are too many, and when the first one was."""
    counted = _counted(begun)
    return {scope: first for scope, number, first in counted if number > allowed.get(scope, number)}


def _refuse(begun: Try, oldest: datetime) -> NoReturn:
    with writing() as transaction:
        withdraw(transaction, begun.id)
    seconds = (oldest - begun.at).total_seconds() + begun.kind.seconds
    raise TooManyAttempts(headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def withdraw(transaction: Session, attempt_id: UUID) -> None:
    """Forget one attempt; those of others go on counting."""
    transaction.execute(delete(Attempt).where(Attempt.id == attempt_id))


def forget_old() -> int:
    """Delete the attempts that no longer count, and return how many there were."""
    longest = timedelta(seconds=max(LOGIN.seconds, LETTER.seconds))
    return pruning.delete_all(Attempt, Attempt.at < datetime.now(UTC) - longest)


def _counted(begun: Try) -> list[tuple[str, int, datetime]]:
    """Return the number of attempts in each scope and when the first one was, by one query."""
    since = begun.at - timedelta(seconds=begun.kind.seconds)
    # What was tried before a clock was put back would otherwise count until that time comes again.
    until = begun.at + timedelta(seconds=CLOCKS_DIFFER_SECONDS)
    of_account = Attempt.account_digest == begun.account
    of_network = Attempt.network_digest == begun.network
    scopes: dict[str, tuple[ColumnElement[bool], ...]] = {
        "pair": (of_account, of_network),
        "network": (of_network,),
        "account": (of_account,),
    }
    query = union_all(
        *(
            select(literal(scope), func.count(), func.min(Attempt.at)).where(
                Attempt.kind == begun.kind.name,
                Attempt.at > since,
                Attempt.at < until,
                *conditions,
            )
            for scope, conditions in scopes.items()
        )
    )
    with reading() as connection:
        return [(scope, number, first) for scope, number, first in connection.execute(query)]
