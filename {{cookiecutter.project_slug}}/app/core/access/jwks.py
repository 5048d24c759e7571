"""The metadata and keys of an OpenID provider, fetched when first needed, and cached.

At most one fetch runs at a time; requests that need its result wait at most FETCH_SECONDS. While
the provider is unavailable, cached keys remain trusted until they are MAX_STALE_SECONDS old.
"""

import ipaddress
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.parse import urlsplit

import orjson
import requests
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from app.core import (  # one line where it fits
    errors,
    # {% if cookiecutter.tracing %}
    observability,
    # {% endif %}
    telemetry,
)

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0  # the age at which keys are fetched again
MAX_STALE_SECONDS = 14_400.0  # the age up to which they are trusted if the provider is unavailable
PAUSE_SECONDS = 10.0  # between two fetches after a failure, or for unknown keys
FETCH_SECONDS = 3.0  # the time limit of a fetch
MAX_BYTES = 262_144  # of a response
# {% if cookiecutter.web_ui %}
MAX_POSTS = 8  # at the same time
# {% endif %}
NEVER = float("-inf")
MIN_RSA_BITS = 2_048  # bits (RFC 7518, section 3.3)
CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
EDWARDS = frozenset({"EdDSA", "Ed25519"})  # the same algorithm: the old name, and that of RFC 9864
RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
ALGORITHMS = RSA_ALGORITHMS | EDWARDS | set(CURVES.values())
"""Asymmetric signature algorithms: a private key signs, and a public key verifies."""
PUBLIC = ("kty", "n", "e", "crv", "x", "y")
"""The public members of a key (RFC 7518, section 6; RFC 8037); no others are read."""


class ProviderUnavailable(errors.Unavailable):
    """The request needs a response from the provider, which is unavailable."""

    code = "identity_provider_unavailable"
    detail = "The identity provider is unavailable. Try again shortly."


class InvalidProviderResponse(Exception):  # noqa: N818  the response is at fault
    """The provider's response does not conform to OpenID Connect Discovery or RFC 7517."""


def is_fetchable(url: str, *, require_https: bool) -> bool:
    """Return whether a URL may be fetched: always by https, by http only from this machine.

    Without `require_https`, http is allowed for every host.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and (not require_https or _is_this_machine(host))
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key, and the algorithms that it may be used with (RFC 8725, section 3.1)."""

    key: Key
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Cached:
    keys: Mapping[str, PublicKey]
    since: float
    # {% if cookiecutter.web_ui %}
    document: Mapping[str, Any]
    # {% endif %}


class ProviderClient:
    """The cached metadata and keys of an application's provider, shared by all of its threads.

    Nothing is fetched when it is created.
    """

    def __init__(
        self,
        issuer: str,
        algorithms: Collection[str],
        *,
        ca_file: Path | None = None,
        require_https: bool = True,
    ) -> None:
        self._issuer = issuer
        self._algorithms = frozenset(algorithms)
        self._verify = str(ca_file) if ca_file else True
        self._require_https = require_https
        self._cached = _Cached(  # one line where it fits
            MappingProxyType({}),
            NEVER,
            # {% if cookiecutter.web_ui %}
            MappingProxyType({}),
            # {% endif %}
        )
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="openid-provider")
        # {% if cookiecutter.web_ui %}
        self._posting = ThreadPoolExecutor(MAX_POSTS, thread_name_prefix="openid-provider-post")
        # {% endif %}
        self._lock = Lock()  # for the four attributes below
        self._current_fetch: Future[None] | None = None
        self._fetch_started_at = NEVER
        self._fetched_for_unknown_at = NEVER
        self._failed_at = NEVER

    def key(self, kid: str) -> PublicKey:
        """Return the provider's key with this id.

        Raises:
            KeyError: when the provider has no such key.
            ProviderUnavailable: when it does not respond and no cached data is recent enough.

        """
        return self._fetch_if_needed(lambda known: kid in known.keys).keys[kid]

    # {% if cookiecutter.web_ui %}
    def metadata(self) -> Mapping[str, Any]:
        """Return the provider's discovery document.

        Raises:
            ProviderUnavailable: when it does not respond and no cached data is recent enough.

        """
        return self._fetch_if_needed(lambda _cached: True).document

    def post(
        self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        """Post a form to the provider; return the status and the JSON object of the response.

        Raises:
            ProviderUnavailable: when there is no such response in time.

        """
        # In a thread, because the HTTP client's timeout restarts at each byte of a header.
        future = self._posting.submit(copy_context().run, self._post, url, form, auth)
        try:
            return future.result(FETCH_SECONDS)
        except Exception as error:
            future.cancel()
            logger.warning(
                "OpenID provider request failed",
                extra={
                    telemetry.ERROR_TYPE: type(error).__name__,
                    telemetry.EXCEPTION_MESSAGE: str(error),
                },
            )
            raise _unavailable() from error

    def _post(
        self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        began = time.monotonic()
        with (
            self._session() as session,
            session.post(
                url,
                data=form,
                auth=auth,
                timeout=FETCH_SECONDS,
                stream=True,
                allow_redirects=False,
            ) as response,
        ):
            return response.status_code, _object(response, began)

    # {% endif %}
    def _fetch_if_needed(self, enough: Callable[[_Cached], bool]) -> _Cached:
        """Return the cached data if it is fresh and `enough` accepts it; otherwise fetch first.

        Raises:
            ProviderUnavailable: when it does not respond and no cached data is recent enough.

        """
        cached = self._cached
        if enough(cached) and time.monotonic() < cached.since + FRESH_SECONDS:
            return cached
        fetch, seconds = self._join_or_start_fetch(enough)
        wait([fetch], timeout=seconds)
        cached = self._cached
        succeeded = fetch.done() and fetch.exception() is None
        if (enough(cached) or succeeded) and time.monotonic() < cached.since + MAX_STALE_SECONDS:
            return cached
        raise _unavailable()

    def _join_or_start_fetch(self, enough: Callable[[_Cached], bool]) -> tuple[Future[None], float]:
        """Return the fetch that is running or was the last, and the seconds to wait for it.

        Clients can invent key ids, so unknown ids cause at most one fetch in PAUSE_SECONDS. Those
        fetches are limited separately, so that a key rotation right after any other fetch is
        noticed at once.
        """
        with self._lock:
            now = time.monotonic()
            fresh = now < self._cached.since + FRESH_SECONDS
            learned = fresh and enough(
                self._cached
            )  # fetched while this thread waited for the lock
            last = self._fetched_for_unknown_at if fresh else self._failed_at
            due = now >= last + PAUSE_SECONDS and not learned
            if self._current_fetch is None or (due and self._current_fetch.done()):
                self._fetch_started_at = now
                self._failed_at = now  # reset when it succeeds
                if fresh:
                    self._fetched_for_unknown_at = now
                # In the context of this request, to which the log lines and spans belong.
                self._current_fetch = self._threads.submit(copy_context().run, self._fetch, now)
            # A thread that joins a running fetch waits only for the rest of its time limit.
            return self._current_fetch, max(0.0, self._fetch_started_at + FETCH_SECONDS - now)

    def _fetch(self, now: float) -> None:
        """Fetch the discovery document and the keys.

        Raises:
            Exception: any failure; it is logged, and the cached data remains.

        """
        try:
            document = self._get(discovery_url(self._issuer), now)
            if document.get("issuer") != self._issuer:  # OpenID Connect Discovery 1.0, section 4.3
                _refuse("its discovery document names another issuer")
            keys_url = document.get("jwks_uri")
            if not isinstance(keys_url, str) or not is_fetchable(
                keys_url, require_https=self._require_https
            ):
                _refuse("its jwks_uri is not a URL to fetch keys from")
            keys = dict(_usable_keys(self._get(keys_url, now), self._algorithms))
            if not keys:
                _refuse("it has no key of an accepted type and size")
        except Exception as error:
            logger.warning(
                "OpenID provider keys unavailable",
                extra={
                    telemetry.ERROR_TYPE: type(error).__name__,
                    telemetry.EXCEPTION_MESSAGE: str(error),
                },
            )
            raise
        with self._lock:
            self._cached = _Cached(  # one line where it fits
                MappingProxyType(keys),
                now,
                # {% if cookiecutter.web_ui %}
                MappingProxyType(document),
                # {% endif %}
            )
            self._failed_at = NEVER

    def _get(self, url: str, began: float) -> dict[str, Any]:
        """Fetch a JSON object from this URL: no redirects, limited time and size."""
        with (
            self._session() as session,
            session.get(url, timeout=FETCH_SECONDS, stream=True, allow_redirects=False) as response,
        ):
            if response.status_code != requests.codes.ok:
                _refuse(f"it responded with status {response.status_code}")
            return _object(response, began)

    def _session(self) -> requests.Session:
        session = requests.Session()
        # {% if cookiecutter.tracing %}
        observability.http_client_spans.observe(session)
        # {% endif %}
        # Ignore the proxies, netrc and certificates of the environment; they are meant for other connections.
        session.trust_env = False
        session.verify = self._verify
        session.headers["Accept"] = "application/json"
        session.headers["Accept-Encoding"] = "identity"  # so that MAX_BYTES limits the document
        return session


def _object(response: requests.Response, began: float) -> dict[str, Any]:
    """Read a JSON object of limited size, in the rest of the time limit."""
    body = b""
    while part := response.raw.read1(16_384):
        body += part
        if len(body) > MAX_BYTES:
            _refuse("its response is too large")
        if time.monotonic() > began + FETCH_SECONDS:
            _refuse("its response takes too long")
    found = orjson.loads(body)
    if not isinstance(found, dict):
        _refuse("its response is not a JSON object")
    return found


def _unavailable() -> ProviderUnavailable:
    return ProviderUnavailable(headers={"Retry-After": str(round(PAUSE_SECONDS))})


def discovery_url(issuer: str) -> str:
    """Return the URL of the discovery document (OpenID Connect Discovery 1.0, section 4)."""
    return f"{issuer.removesuffix('/')}/.well-known/openid-configuration"


def _refuse(sentence: str) -> NoReturn:
    raise InvalidProviderResponse(sentence)


def _usable_keys(
    described: Mapping[str, Any], accepted: frozenset[str]
) -> Iterator[tuple[str, PublicKey]]:
    """Yield the keys that may verify signatures, by id.

    A key set may also contain keys for other uses and of new types. Keys without an id are skipped
    too, because no token can name them.
    """
    listed = described.get("keys")
    for member in listed if isinstance(listed, list) else ():
        if not isinstance(member, dict) or not _is_for_signatures(member):
            continue
        try:
            key = import_key({name: member[name] for name in PUBLIC if name in member})
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        algorithms = _algorithms(key, member.get("alg")) & accepted
        if algorithms:
            yield member["kid"], PublicKey(key, algorithms)


def _is_for_signatures(member: Mapping[str, Any]) -> bool:
    """Return whether a key has an id and is meant for signatures (RFC 7517, section 4).

    A key that is published with its private part is refused: anyone could sign with it.
    """
    operations = member.get("key_ops", ["verify"])
    return (
        isinstance(member.get("kid"), str)
        and "d" not in member
        and member.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )


def _algorithms(key: Key, stated: object) -> frozenset[str]:
    """Return the algorithms that a key can be used with, restricted to the one that it states."""
    match key:
        case RSAKey() if key.raw_value.key_size >= MIN_RSA_BITS:
            possible = RSA_ALGORITHMS
        case ECKey() if key.curve_name in CURVES:
            possible = frozenset({CURVES[key.curve_name]})
        case OKPKey() if key.curve_name == "Ed25519":
            possible = EDWARDS
        case _:
            return frozenset()
    if stated is None:
        return possible
    matching = frozenset(each for each in possible if each == stated)
    return EDWARDS if matching & EDWARDS else matching
