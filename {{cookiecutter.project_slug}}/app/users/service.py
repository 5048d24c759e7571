"""The rules of accounts. No response reveals which addresses have an account."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

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
from app.core.database import UniqueViolation, writing
from app.core.errors import Conflict, NotFound, Problem
from app.core.extension import Extension
from app.core.mail.recipients import EmailCategory
from app.roles import Role
from app.sessions import service as sessions
from app.users import (  # one line where it fits
    attempts,
    emails,
    repository,
    # {% if cookiecutter.background_tasks %}
    stored_emails,
    # {% endif %}
)
from app.users.emails import EmailRequest
from app.users.models import User
from app.users.passwords import passwords
from app.users.repository import Credentials, UserView
from app.users.signed_links import InvalidLink, Link, Purpose, links

registration_open = Extension[bool]("registration_open")
confirmation_required = Extension[bool]("confirmation_required")
NO_USER = UUID(int=0)
NO_PASSWORD = ""  # not a hash, so no password matches


class InvalidCredentials(Unauthenticated):
    """The login failed. The response does not say if the account exists, is confirmed or active."""

    code = "invalid_credentials"
    detail = "The email address or the password is wrong, or the account cannot log in."


class WrongPassword(Problem):
    """Re-authentication failed: the current password is wrong."""

    status = 403
    code = "wrong_password"
    detail = "The current password is wrong."


class RegistrationClosed(Problem):
    """Only operators can create accounts."""

    status = 403
    code = "registration_closed"
    detail = "Registration is closed."


class AddressTaken(Conflict):
    """The address has an account already."""

    code = "address_taken"
    detail = "This email address has an account already."


class InvalidAddress(ValueError):  # noqa: N818  its text is shown to the operator
    """An operator gave an address that cannot be used."""


@dataclass(frozen=True, slots=True)
class EmailPermission:
    """Whether a requested email may be sent, and its category."""

    granted: bool
    """Whether the limit for this account and network allows another email."""
    category: EmailCategory


@dataclass(frozen=True, slots=True)
class AuthenticatedUser:
    """A user who has given the right password, with the account as it was then."""

    id: UUID
    role: Role
    password_hash: str
    renewed_hash: str | None
    """A new hash of the same password, if the cost parameters have increased."""
    attempt_id: UUID


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that `create_account` can create."""

    id: UUID
    email: str
    password_hash: str
    permission: EmailPermission
    """Whether the email that confirms the address may be sent."""


# {% if not cookiecutter.background_tasks %}
def send_after_commit(transaction: Session, email: EmailRequest) -> None:
    """Queue an email for the sending thread after the transaction commits."""
    composed = emails.compose(email)
    event.listen(
        transaction, "after_commit", lambda _: mail.email_queue.current.send(composed), once=True
    )


add_email = send_after_commit
# {% endif %}
# {% if cookiecutter.background_tasks %}
add_email = stored_emails.add
# {% endif %}


def register(email: str, password: str, address: str) -> None:
    """Create an account that can be used once its address is confirmed, if that is required.

    If the address has an account already, only an email to it says so; the response is the same. An
    unconfirmed account may have been registered by someone else. Its password is voided, and the
    email to the owner of the address has a link to choose a new one.

    Raises:
        RegistrationClosed: when users may not register.
        WeakPassword: when the password breaks a rule.
        TooManyAttempts: when too many emails have been requested from this network.

    """
    if not registration_open.current:
        raise RegistrationClosed
    passwords.current.check(password, email)
    permission = _request_email(email, address, repository.by_email(email))
    user = _new(email, password)
    with writing() as transaction:
        # The same number of statements in each case: response times must not reveal an account.
        with suppress(IntegrityError), transaction.begin_nested():
            transaction.add(user)
        owner = _void_unconfirmed(transaction, email, keep=user.id)
        template, to = "choose" if owner and owner.unconfirmed else "taken", _recipient(owner)
        if owner is user:
            template, to = "verify", _to_confirm(user)
        _send_link(transaction, permission, template, owner, to)


def prepare_account(email: str, password: str, address: str) -> NewAccount:
    """Check a new account and hash its password, before the transaction that creates it.

    `email` is normalised, as by `EmailField`; `address` is the client's IP address.

    Raises:
        WeakPassword: when the password breaks a rule.
        TooManyAttempts: when too many emails have been requested from this network.

    """
    passwords.current.check(password, email)
    permission = _request_email(email, address, repository.by_email(email))
    return NewAccount(uuid4(), email, passwords.current.hash(password), permission)


def create_account(transaction: Session, account: NewAccount) -> None:
    """Create an account in the caller's transaction, and email the link to confirm its address.

    It is for routes that store more than the account: both are stored, or neither. Unlike
    `register`, it reveals whether the address has an account.

    Raises:
        AddressTaken: when the address has an account; the transaction can continue.

    """
    user = _user(account.id, account.email, account.password_hash)
    transaction.flush()  # a violation of the caller's rows is not one of the address
    try:
        with transaction.begin_nested():
            transaction.add(user)
    except UniqueViolation:
        raise AddressTaken from None
    _send_link(transaction, account.permission, "verify", user, _to_confirm(user))


def create_admin(email: str, password: str) -> None:
    """Create an administrator's account. It replaces an unconfirmed account of the address.

    Raises:
        InvalidAddress: when the address is malformed or has a confirmed account.
        WeakPassword: when the password breaks a rule.

    """
    address = mail.normalised(email)
    if address is None:
        message = "Not a valid email address."
        raise InvalidAddress(message)
    passwords.current.check(password, address)
    user = _new(address, password)
    user.role = Role.ADMIN
    user.email_verified_at = user.created_at
    try:
        with writing() as transaction:
            _delete_unconfirmed(transaction, address)
            transaction.add(user)
    except IntegrityError:
        message = "This address has an account already."
        raise InvalidAddress(message) from None


def find(user_id: UUID) -> UserView:
    """Return an account as its owner sees it.

    Raises:
        NotFound: when no active account has this id.

    """
    found = repository.view(user_id)
    if found is None:
        raise NotFound
    return found


def role_of(user_id: UUID) -> Role | None:
    """Return the role of an account, or None if it is not active."""
    found = repository.view(user_id)
    return found.role if found else None


def is_administrator(principal: Principal) -> bool:
    """Return whether a principal is an administrator now and their session, if any, is open."""
    if role_of(principal.id) is not Role.ADMIN:
        return False
    return principal.session is None or sessions.is_open(principal.session)


def authenticate(email: str, password: str, address: str) -> AuthenticatedUser:
    """Verify an email address and a password.

    Raises:
        InvalidCredentials: when they do not match an account that can log in.
        TooManyAttempts: when a limit of login attempts is exceeded.

    """
    found = repository.by_email(mail.normalised(email) or "")
    return _authenticate(found, email.lower(), password, address)


def lock_authenticated(transaction: Session, authenticated: AuthenticatedUser) -> User:
    """Return the account of an authenticated user, its row locked for a change.

    Stores the new hash if there is one, and withdraws the attempt.

    Raises:
        InvalidCredentials: when the account was deactivated or its password changed meanwhile.

    """
    user = transaction.get_one(User, authenticated.id, with_for_update=True)
    if user.deactivated_at or user.password_hash != authenticated.password_hash:
        raise InvalidCredentials
    if authenticated.renewed_hash:
        user.password_hash = authenticated.renewed_hash
    attempts.withdraw(transaction, authenticated.attempt_id)
    return user


# {% if cookiecutter.web_ui %}
def confirm_password(user_id: UUID, current: str, address: str) -> None:
    """Re-authenticate a logged-in user with the current password.

    Raises:
        WrongPassword: when the password is wrong.
        TooManyAttempts: when a limit of login attempts is exceeded.

    """
    authenticated = _reauthenticate(user_id, current, address)
    with writing() as transaction:
        lock_authenticated(transaction, authenticated)


# {% endif %}
def change_password(
    user_id: UUID, current: str, password: str, address: str, *, session_id: UUID | None
) -> None:
    """Change the password and end all other sessions.

    Raises:
        WrongPassword: when the current password is wrong.
        WeakPassword: when the new password breaks a rule.
        TooManyAttempts: when a limit of login attempts is exceeded.

    """
    authenticated = _reauthenticate(user_id, current, address)
    new_hash = passwords.current.hash(password)
    with writing() as transaction:
        user = lock_authenticated(transaction, authenticated)
        passwords.current.check(password, user.email)
        user.password_hash = new_hash
        sessions.end_all(transaction, user_id, keep=session_id)
        _notify(transaction, "password-changed", user, user.email)


def request_email_change(user_id: UUID, current: str, email: str, address: str) -> None:
    """Send a confirmation link to a new address. The account uses it once it is confirmed.

    Raises:
        WrongPassword: when the current password is wrong.
        TooManyAttempts: when a limit of login attempts is exceeded.

    """
    authenticated = _reauthenticate(user_id, current, address)
    # An address with a confirmed account gets no email; the response must not reveal that.
    found = repository.by_email(email)
    free = found is None or found.unconfirmed
    permission = replace(_request_email(email, address, found), category=emails.ADDRESS_CHANGE)
    with writing() as transaction:
        user = lock_authenticated(transaction, authenticated)
        _send_link(transaction, permission, "change", user, email if free else None)


def change_email(token: str) -> None:
    """Change the address of an account to the one that a link was sent to, and notify the old one.

    Raises:
        InvalidLink: when the link is invalid or has expired.

    """
    link = links.current.open(Purpose.CHANGE_EMAIL, token)
    try:
        with writing() as transaction:
            user = _follow(transaction, link)
            _delete_unconfirmed(transaction, link.email)
            old, user.email = user.email, link.email
            user.email_verified_at = datetime.now(UTC)
            transaction.flush()
            _notify(transaction, "address-changed", user, old)
    except IntegrityError:  # another account has taken the address meanwhile
        raise InvalidLink from None


def request_email_verification(email: str, address: str) -> None:
    """Send another link to an unconfirmed address. Its owner chooses a new password with it.

    The request is not authenticated, and the account's password may be another person's choice.

    Raises:
        TooManyAttempts: when too many emails have been requested from this network.

    """
    permission = _request_email(email, address, repository.by_email(email))
    with writing() as transaction:
        found = _void_unconfirmed(transaction, email)
        to = email if found and found.unconfirmed else None
        _send_link(transaction, permission, "choose", found, to)


def verify_email(token: str) -> None:
    """Confirm the address of an account, which can be used from now on.

    Raises:
        InvalidLink: when the link is invalid or has expired.

    """
    link = links.current.open(Purpose.VERIFY_EMAIL, token)
    with writing() as transaction:
        user = _follow(transaction, link)
        user.email_verified_at = datetime.now(UTC)
        sessions.end_all(transaction, user.id)


def request_password_reset(email: str, address: str) -> None:
    """Send a link to choose a new password.

    For an unconfirmed account, the first request voids the password and the links of earlier
    registrations. All links sent from then on carry the same state, so no request voids another's
    link.

    Raises:
        TooManyAttempts: when too many emails have been requested from this network.

    """
    permission = _request_email(email, address, repository.by_email(email))
    with writing() as transaction:
        found = _void_unconfirmed(transaction, email)
        _send_link(transaction, permission, "reset", found, _recipient(found))


def reset_password(token: str, password: str) -> None:
    """Set a new password with the token of an emailed link, and end all sessions.

    Raises:
        InvalidLink: when the link is invalid or has expired.
        WeakPassword: when the password breaks a rule; the link stays valid.

    """
    link = links.current.open(Purpose.RESET_PASSWORD, token)
    new_hash = passwords.current.hash(password)
    with writing() as transaction:
        user = _follow(transaction, link)
        passwords.current.check(password, user.email)
        user.password_hash = new_hash
        user.email_verified_at = user.email_verified_at or datetime.now(UTC)
        sessions.end_all(transaction, user.id)
        _notify(transaction, "password-changed", user, user.email)


def deactivate(user_id: UUID, current: str, address: str) -> None:
    """Close an account and end all its sessions.

    Raises:
        WrongPassword: when the current password is wrong.
        TooManyAttempts: when a limit of login attempts is exceeded.

    """
    authenticated = _reauthenticate(user_id, current, address)
    with writing() as transaction:
        user = lock_authenticated(transaction, authenticated)
        user.deactivated_at = datetime.now(UTC)
        sessions.end_all(transaction, user_id)


def _new(email: str, password: str) -> User:
    return _user(uuid4(), email, passwords.current.hash(password))


def _user(user_id: UUID, email: str, password_hash: str) -> User:
    """Return a new account; its address counts as confirmed if that is not required."""
    now = datetime.now(UTC)
    return User(
        id=user_id,
        email=email,
        email_verified_at=None if confirmation_required.current else now,
        password_hash=password_hash,
        created_at=now,
    )


def _to_confirm(user: User) -> str | None:
    """Return the address to confirm; None if it is confirmed."""
    return user.email if user.unconfirmed else None


def _void_unconfirmed(transaction: Session, email: str, keep: UUID = NO_USER) -> User | None:
    """Return the account of an address. If it is unconfirmed, void its password and links first.

    The account `keep` is left alone: it has just been created.
    """
    void = {"password_hash": NO_PASSWORD, "version": User.version + 1}
    others = (*repository.unconfirmed(email), User.id != keep)
    transaction.execute(update(User).where(*others).values(void))
    return transaction.scalars(select(User).where(User.email == email)).one_or_none()


def _delete_unconfirmed(transaction: Session, email: str) -> None:
    """Delete the account of an address if it is unconfirmed: no user can have logged in to it."""
    transaction.execute(delete(User).where(*repository.unconfirmed(email)))


def _authenticate(
    found: Credentials | None, email: str, password: str, address: str
) -> AuthenticatedUser:
    """Verify a password, with the same queries and one hash whether or not the account exists."""
    if found:
        auth_log.bind(str(found.id))
    network = pseudonyms.of_network(address)
    attempt = attempts.begin(attempts.LOGIN, pseudonyms.of_account(email), network)
    known = sessions.is_known(found.id if found else NO_USER, network)
    attempts.check(attempt, known=known)
    stored = found.password_hash if found and found.usable else None
    right, renewed = passwords.current.verify(password, stored)
    if found is None or not right:
        raise InvalidCredentials
    return AuthenticatedUser(found.id, found.role, found.password_hash, renewed, attempt.id)


def _reauthenticate(user_id: UUID, password: str, address: str) -> AuthenticatedUser:
    """Re-authenticate a user with the current password, since a token may be stolen."""
    found = repository.by_id(user_id)
    if found is None:
        raise NotFound
    with auth_log.log_outcome("re-authentication"):
        try:
            return _authenticate(found, found.email, password, address)
        except InvalidCredentials:
            raise WrongPassword from None


def _request_email(email: str, address: str, owner: Credentials | None) -> EmailPermission:
    """Count a request for an email to an address, which may have an account.

    Raises:
        TooManyAttempts: when too many emails have been requested from this network.

    """
    account, network = pseudonyms.of_account(email), pseudonyms.of_network(address)
    granted = attempts.is_granted(attempts.begin(attempts.EMAIL, account, network))
    known = sessions.is_known(owner.id if owner else NO_USER, network)
    return EmailPermission(
        granted, emails.REQUESTED_FROM_KNOWN_NETWORK if known else emails.REQUESTED
    )


def _recipient(found: Credentials | User | None) -> str | None:
    """Return the recipient of an email about an account; None if it is missing or deactivated."""
    return found.email if found and not found.deactivated_at else None


def _send_link(
    transaction: Session,
    permission: EmailPermission,
    template: str,
    owner: Credentials | User | None,
    to: str | None,
) -> None:
    """Send an email with a link; without a recipient, compose it only, for equal timing."""
    account, state = (owner.id, _state(owner)) if owner else (NO_USER, pseudonyms.of_state())
    recipient = to if permission.granted else None
    add_email(transaction, EmailRequest(template, recipient, permission.category, account, state))


def _notify(transaction: Session, template: str, user: User, to: str) -> None:
    """Notify the owner of an account of a change."""
    add_email(transaction, EmailRequest(template, to, emails.NOTICE, user.id))


def _follow(transaction: Session, link: Link) -> User:
    """Return the account of a link, its row locked for a change."""
    user = transaction.get(User, link.account, with_for_update=True)
    if user is None or user.deactivated_at or not link.matches(_state(user)):
        raise InvalidLink
    return user


def _state(owner: Credentials | User) -> str:
    return pseudonyms.of_state(owner.email, bool(owner.email_verified_at), owner.password_hash)
