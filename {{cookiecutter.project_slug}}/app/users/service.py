"""The rules of accounts. Nothing that anybody is answered tells which addresses have one."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import (  # one line where it fits
    delete,
    # {% if not cookiecutter.background_tasks %}
    event,
    # {% endif %}
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core import mail, pseudonyms
from app.core.access import Principal, Unauthenticated, auth_log
from app.core.database import writing
from app.core.errors import NotFound, Problem
from app.core.mail.recipients import Share
from app.sessions import service as sessions
from app.users import (  # one line where it fits
    attempts,
    emails,
    passwords,
    repository,
    signed_links,
    # {% if cookiecutter.background_tasks %}
    stored_emails,
    # {% endif %}
)
from app.users.emails import EmailRequest
from app.users.models import Role, User
from app.users.repository import Credentials, UserView
from app.users.signed_links import InvalidLink, Link, Purpose

OPEN = "registration_open"
NOBODY = UUID(int=0)
NO_PASSWORD = ""  # no hash, so no password fits


class InvalidCredentials(Unauthenticated):
    """Nobody can log in so; it is not told whether the account exists, is confirmed or in use."""

    code = "invalid_credentials"
    detail = "No account that can be used has this e-mail address and this password."


class WrongPassword(Problem):
    """The caller is known, and has not proven it once more."""

    status = 403
    code = "wrong_password"
    detail = "The current password is not right."


class RegistrationClosed(Problem):
    """Accounts are made by operators alone."""

    status = 403
    code = "registration_closed"
    detail = "This service takes no new accounts."


class UnfitAddress(ValueError):  # noqa: N818  it is what the operator is told
    """An operator named an address that cannot be used."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An email that somebody asks for."""

    granted: bool
    """Whether this network may have one more sent about this account."""
    share: Share


@dataclass(frozen=True, slots=True)
class Proven:
    """Somebody who knew the password, as the account was then."""

    id: UUID
    role: Role
    password_hash: str
    renewed_hash: str | None
    """The same password, hashed as dear as hashes are now."""
    attempt_id: UUID


# {% if not cookiecutter.background_tasks %}
def send_after_commit(transaction: Session, email: EmailRequest) -> None:
    """Hand an email to the thread that sends them, once a transaction is committed and only then."""
    composed = emails.compose(email)
    event.listen(transaction, "after_commit", lambda _: mail.of_app().send(composed), once=True)


add_email = send_after_commit
# {% endif %}
# {% if cookiecutter.background_tasks %}
add_email = stored_emails.add
# {% endif %}


def registration_open() -> bool:
    """Tell whether this service takes new accounts."""
    return bool(current_app.extensions[OPEN])


def register(email: str, password: str, address: str) -> None:
    """Make an account that can be used once its address is confirmed.

    Whoever has one already is told so by email, and the caller nothing: the same answer goes out. An
    account that was never confirmed may be a stranger's, who was first: its password is void from now on,
    and the link in the email, which goes to the owner of the address, lets them choose one.

    Raises:
        RegistrationClosed: when this service takes no new accounts.
        WeakPassword: when the password is not good enough.
        TooManyAttempts: when too many emails have been asked for from this network.

    """
    if not registration_open():
        raise RegistrationClosed
    passwords.of_app().check(password, email)
    asked = _ask(email, address, repository.by_email(email))
    user = _new(email, password)
    with writing() as transaction:
        # As many statements whoever has the address, because each takes a time that can be measured.
        with suppress(IntegrityError), transaction.begin_nested():
            transaction.add(user)
        owner = _contested(transaction, email, keep=user.id)
        template = "choose" if owner and owner.unconfirmed else "taken"
        _write(transaction, asked, "verify" if owner is user else template, owner, _reader(owner))


def create_admin(email: str, password: str) -> None:
    """Make the account of an administrator, also if a stranger has registered the address, unconfirmed.

    Raises:
        UnfitAddress: when it is no address, or has an account that its owner has confirmed.
        WeakPassword: when the password is not good enough.

    """
    address = mail.normalised(email)
    if address is None:
        message = "That is no e-mail address."
        raise UnfitAddress(message)
    passwords.of_app().check(password, address)
    user = _new(address, password)
    user.role = Role.ADMIN
    user.email_verified_at = user.created_at
    try:
        with writing() as transaction:
            _give_way(transaction, address)
            transaction.add(user)
    except IntegrityError:
        message = "This address has an account already."
        raise UnfitAddress(message) from None


def find(user_id: UUID) -> UserView:
    """Return an account as its owner sees it.

    Raises:
        NotFound: when there is none in use.

    """
    found = repository.view(user_id)
    if found is None:
        raise NotFound
    return found


def role_of(user_id: UUID) -> Role | None:
    """Return the role of an account, or None when it is not in use."""
    found = repository.view(user_id)
    return found.role if found else None


def is_administrator(principal: Principal) -> bool:
    """Tell whether a caller is an administrator now, by a login that has not ended."""
    if role_of(principal.id) is not Role.ADMIN:
        return False
    return principal.session is None or sessions.is_open(principal.session)


def authenticate(email: str, password: str, address: str) -> Proven:
    """Return whose address and password these are.

    Raises:
        InvalidCredentials: when they are nobody's who can log in.
        TooManyAttempts: when that has been tried too often.

    """
    found = repository.by_email(mail.normalised(email) or "")
    return _prove(found, email.lower(), password, address)


def admit(transaction: Session, proven: Proven) -> User:
    """Return the account of whoever has proven to be its owner, locked for a change.

    Raises:
        InvalidCredentials: when it has changed since.

    """
    user = transaction.get_one(User, proven.id, with_for_update=True)
    if user.deactivated_at or user.password_hash != proven.password_hash:
        raise InvalidCredentials
    if proven.renewed_hash:
        user.password_hash = proven.renewed_hash
    attempts.withdraw(transaction, proven.attempt_id)
    return user


# {% if cookiecutter.web_ui %}
def confirm_password(user_id: UUID, current: str, address: str) -> None:
    """Ask somebody who is logged in for the password once more.

    Raises:
        WrongPassword: when it is not right.
        TooManyAttempts: when that has been tried too often.

    """
    proven = _prove_again(user_id, current, address)
    with writing() as transaction:
        admit(transaction, proven)


# {% endif %}
def change_password(
    user_id: UUID, current: str, password: str, address: str, *, session_id: UUID | None
) -> None:
    """Change the password, and end every other login.

    Raises:
        WrongPassword: when the current one is not right.
        WeakPassword: when the new one is not good enough.
        TooManyAttempts: when that has been tried too often.

    """
    proven = _prove_again(user_id, current, address)
    new_hash = passwords.of_app().hash(password)
    with writing() as transaction:
        user = admit(transaction, proven)
        passwords.of_app().check(password, user.email)
        user.password_hash = new_hash
        sessions.end_all(transaction, user_id, keep=session_id)
        _notify(transaction, "password-changed", user, user.email)


def ask_to_change_email(user_id: UUID, current: str, email: str, address: str) -> None:
    """Write to a new address; the account uses it once it is confirmed.

    Raises:
        WrongPassword: when the current password is not right.
        TooManyAttempts: when that has been tried too often.

    """
    proven = _prove_again(user_id, current, address)
    # Whoever has an account gets no email, and the caller does not learn that.
    found = repository.by_email(email)
    free = found is None or found.unconfirmed
    asked = replace(_ask(email, address, found), share=emails.MOVED)
    with writing() as transaction:
        user = admit(transaction, proven)
        _write(transaction, asked, "change", user, email if free else None)


def change_email(token: str) -> None:
    """Use the new address that a link was sent to, and tell the old one.

    Raises:
        InvalidLink: when the link is not good.

    """
    link = signed_links.of_app().open(Purpose.CHANGE_EMAIL, token)
    try:
        with writing() as transaction:
            user = _follow(transaction, link)
            _give_way(transaction, link.email)
            old, user.email = user.email, link.email
            user.email_verified_at = datetime.now(UTC)
            transaction.flush()
            _notify(transaction, "address-changed", user, old)
    except IntegrityError:  # somebody else has taken it meanwhile
        raise InvalidLink from None


def ask_to_verify_email(email: str, address: str) -> None:
    """Write once more to whoever has not confirmed an address; they choose a password by the link.

    Whoever asks has proven nothing, and need not be who chose the password of the account.

    Raises:
        TooManyAttempts: when too many emails have been asked for from this network.

    """
    asked = _ask(email, address, repository.by_email(email))
    with writing() as transaction:
        found = _contested(transaction, email)
        to = email if found and found.unconfirmed else None
        _write(transaction, asked, "choose", found, to)


def verify_email(token: str) -> None:
    """Take an address for confirmed; its account can be used from now on.

    Raises:
        InvalidLink: when the link is not good.

    """
    link = signed_links.of_app().open(Purpose.VERIFY_EMAIL, token)
    with writing() as transaction:
        user = _follow(transaction, link)
        user.email_verified_at = datetime.now(UTC)
        sessions.end_all(transaction, user.id)


def ask_to_reset_password(email: str, address: str) -> None:
    """Write to whoever has forgotten a password.

    The links of an unconfirmed account are void before the first such email: nobody can make void what
    an owner has been sent once no further email is sent.

    Raises:
        TooManyAttempts: when too many emails have been asked for from this network.

    """
    asked = _ask(email, address, repository.by_email(email))
    with writing() as transaction:
        found = _contested(transaction, email)
        _write(transaction, asked, "reset", found, _reader(found))


def reset_password(token: str, password: str) -> None:
    """Change the password of whoever reads the account's mailbox, and end every login.

    Raises:
        InvalidLink: when the link is not good.
        WeakPassword: when the password is not good enough; the link stays good.

    """
    link = signed_links.of_app().open(Purpose.RESET_PASSWORD, token)
    new_hash = passwords.of_app().hash(password)
    with writing() as transaction:
        user = _follow(transaction, link)
        passwords.of_app().check(password, user.email)
        user.password_hash = new_hash
        user.email_verified_at = user.email_verified_at or datetime.now(UTC)
        sessions.end_all(transaction, user.id)
        _notify(transaction, "password-changed", user, user.email)


def deactivate(user_id: UUID, current: str, address: str) -> None:
    """Close an account, and end every login.

    Raises:
        WrongPassword: when the current password is not right.
        TooManyAttempts: when that has been tried too often.

    """
    proven = _prove_again(user_id, current, address)
    with writing() as transaction:
        user = admit(transaction, proven)
        user.deactivated_at = datetime.now(UTC)
        sessions.end_all(transaction, user_id)


def _new(email: str, password: str) -> User:
    return User(
        id=uuid4(),
        email=email,
        password_hash=passwords.of_app().hash(password),
        created_at=datetime.now(UTC),
    )


def _contested(transaction: Session, email: str, keep: UUID = NOBODY) -> User | None:
    """Return the account of an address; if it is unconfirmed, its password and links are void.

    Those of the account `keep` stay: it has just been made.
    """
    void = {"password_hash": NO_PASSWORD, "version": User.version + 1}
    others = (*repository.unconfirmed(email), User.id != keep)
    transaction.execute(update(User).where(*others).values(void))
    return transaction.scalars(select(User).where(User.email == email)).one_or_none()


def _give_way(transaction: Session, email: str) -> None:
    """Delete the account that has an address without a proof; nobody has ever logged in to it."""
    transaction.execute(delete(User).where(*repository.unconfirmed(email)))


def _prove(found: Credentials | None, email: str, password: str, address: str) -> Proven:
    """Compare a password; whoever there is or is not, it takes the same queries and a hash."""
    if found:
        auth_log.bind(str(found.id))
    network = pseudonyms.of_network(address)
    attempt = attempts.begin(attempts.LOGIN, pseudonyms.of_account(email), network)
    known = sessions.is_known(found.id if found else NOBODY, network)
    attempts.check(attempt, known=known)
    stored = found.password_hash if found and found.usable else None
    right, renewed = passwords.of_app().verify(password, stored)
    if found is None or not right:
        raise InvalidCredentials
    return Proven(found.id, found.role, found.password_hash, renewed, attempt.id)


def _prove_again(user_id: UUID, password: str, address: str) -> Proven:
    """Ask for the password although the caller is known: a token may have been stolen."""
    found = repository.by_id(user_id)
    if found is None:
        raise NotFound
    with auth_log.log_outcome("re-authentication"):
        try:
            return _prove(found, found.email, password, address)
        except InvalidCredentials:
            raise WrongPassword from None


def _ask(email: str, address: str, owner: Credentials | None) -> Asked:
    """Count that somebody asks for an email to an address, which may have an owner here.

    Raises:
        TooManyAttempts: when too many have been asked for from this network.

    """
    account, network = pseudonyms.of_account(email), pseudonyms.of_network(address)
    granted = attempts.is_granted(attempts.begin(attempts.LETTER, account, network))
    known = sessions.is_known(owner.id if owner else NOBODY, network)
    return Asked(granted, emails.ASKED_AT_HOME if known else emails.ASKED)


def _reader(found: Credentials | User | None) -> str | None:
    """Return to whom an email about an account goes, if to anybody."""
    return found.email if found and not found.deactivated_at else None


def _write(
    transaction: Session,
    asked: Asked,
    template: str,
    owner: Credentials | User | None,
    to: str | None,
) -> None:
    """Send an email with a link; what is written to nobody takes as long, and is not sent."""
    account, state = (owner.id, _state(owner)) if owner else (NOBODY, pseudonyms.of_state())
    reader = to if asked.granted else None
    add_email(transaction, EmailRequest(template, reader, asked.share, account, state))


def _notify(transaction: Session, template: str, user: User, to: str) -> None:
    """Tell the owner of an account what has been changed."""
    add_email(transaction, EmailRequest(template, to, emails.NOTICE, user.id))


def _follow(transaction: Session, link: Link) -> User:
    """Return the account that a link is about, locked for the change."""
    user = transaction.get(User, link.account, with_for_update=True)
    if user is None or user.deactivated_at or not link.matches(_state(user)):
        raise InvalidLink
    return user


def _state(owner: Credentials | User) -> str:
    return pseudonyms.of_state(owner.email, bool(owner.email_verified_at), owner.password_hash)
