import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from app.core.access import jwks as core
from app.core.access.jwks import ALGORITHMS, ProviderClient, ProviderUnavailable, is_fetchable
from conftest import LogLines
from tests.provider import DISCOVERY, KEY, KEYS, OpenIDProvider, Realm
from tests.waiting import HANG_TIMEOUT_SECONDS

OTHER = ECKey.generate_key("P-256", {"kid": "other"})
NOWHERE = "http://127.0.0.1:1"  # nothing listens there
PassTime = Callable[[float], None]


def provider_client(realm: Realm) -> ProviderClient:
    return ProviderClient(realm.issuer, ALGORITHMS)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> PassTime:
    """Return a function that advances the clock."""
    clock, passed = time.monotonic, [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock() + sum(passed))
    return passed.append


@pytest.fixture
def realm(openid_provider: OpenIDProvider) -> Realm:
    """Return an issuer that no other test changes."""
    return openid_provider.realm(KEY)


def test_keys_are_fetched_when_the_first_token_arrives_and_are_cached(
    realm: Realm, pass_time: PassTime
) -> None:
    provider = provider_client(realm)
    assert realm.request_count(DISCOVERY) == realm.request_count(KEYS) == 0

    for _ in range(3):
        assert provider.key("first").algorithms == {"ES256"}
    assert realm.request_count(DISCOVERY) == realm.request_count(KEYS) == 1

    pass_time(core.FRESH_SECONDS)
    provider.key("first")
    provider.key("first")
    assert realm.request_count(DISCOVERY) == realm.request_count(KEYS) == 2


def test_a_change_of_keys_is_seen_by_the_first_token_of_the_new_one(realm: Realm) -> None:
    provider = provider_client(realm)
    provider.key("first")

    realm.publish(OTHER)

    assert provider.key("other").algorithms == {"ES256"}
    with pytest.raises(KeyError):
        provider.key("first")
    assert realm.request_count(KEYS) == 1


def test_a_withdrawn_key_is_accepted_no_longer_than_keys_are_fresh(
    realm: Realm, pass_time: PassTime
) -> None:
    provider = provider_client(realm)
    provider.key("first")
    realm.publish(OTHER)
    provider.key("first")

    pass_time(core.FRESH_SECONDS)

    with pytest.raises(KeyError):
        provider.key("first")


@pytest.mark.attack
def test_a_flood_of_unknown_keys_causes_one_request_to_the_provider_in_each_period(
    realm: Realm, pass_time: PassTime, subtests: pytest.Subtests
) -> None:
    provider = provider_client(realm)
    provider.key("first")

    def look_up(number: int) -> bool:
        with pytest.raises(KeyError):
            provider.key(f"invented {number}")
        return provider.key("first").key is not None

    for requests in (2, 3):  # the first one was for a known key
        with subtests.test(f"in {requests} periods"), ThreadPoolExecutor(8) as threads:
            assert all(threads.map(look_up, range(200)))
            assert realm.request_count(KEYS) == requests
        pass_time(core.PAUSE_SECONDS)


def test_many_threads_that_need_keys_at_once_fetch_them_once(realm: Realm) -> None:
    realm.set_response(KEYS, json.dumps({"keys": [KEY.as_dict(private=False)]}), seconds=0.05)
    provider, together = provider_client(realm), threading.Barrier(8)

    def look_up(_: int) -> bool:
        together.wait()
        return provider.key("first").key is not None

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(look_up, range(8)))
    assert realm.request_count(KEYS) == 1


def test_without_the_provider_known_keys_are_accepted_for_some_hours(
    realm: Realm, pass_time: PassTime, log_lines: LogLines
) -> None:
    provider = provider_client(realm)
    provider.key("first")
    realm.set_response(DISCOVERY, "", status=0)

    pass_time(core.FRESH_SECONDS)
    for _ in range(5):
        assert provider.key("first")
    assert realm.request_count(DISCOVERY) == 1
    assert [line["message"] for line in log_lines] == ["OpenID provider keys unavailable"]
    assert log_lines[0]["error.type"] == "ConnectionError"

    with pytest.raises(ProviderUnavailable) as unavailable:
        provider.key("unknown")
    assert unavailable.value.headers == {"Retry-After": "10"}
    assert realm.request_count(DISCOVERY) == 1

    pass_time(core.MAX_STALE_SECONDS)
    with pytest.raises(ProviderUnavailable):
        provider.key("first")
    assert realm.request_count(DISCOVERY) == 2

    realm.describe()
    with pytest.raises(ProviderUnavailable):
        provider.key("first")  # no new request yet
    pass_time(core.PAUSE_SECONDS)
    assert provider.key("first")


def test_nobody_waits_for_a_slow_provider_longer_than_the_limit(
    realm: Realm, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    monkeypatch.setattr(core, "FETCH_SECONDS", 0.3)
    for path, pieces in ((DISCOVERY, ["{}"]), (KEYS, [" "] * 10_000)):
        realm.set_response(
            path, *pieces, seconds=0.1 if len(pieces) > 1 else 2 * HANG_TIMEOUT_SECONDS
        )
        provider, began = provider_client(realm), time.monotonic()
        for _ in range(3):
            with pytest.raises(ProviderUnavailable):
                provider.key("first")
        assert time.monotonic() - began < HANG_TIMEOUT_SECONDS
        assert realm.request_count(path) == 1
        realm.describe()
        provider._threads.shutdown()  # noqa: SLF001  so that its line is in the log
    assert log_lines[-1]["exception.message"] == "its response takes too long"


@pytest.mark.attack
def test_an_invalid_response_of_the_provider_is_not_used(
    realm: Realm, subtests: pytest.Subtests, log_lines: LogLines
) -> None:
    keys = json.dumps({"keys": [KEY.as_dict(private=False)]})
    elsewhere = {"Location": f"{realm.issuer}/elsewhere"}
    realm.set_response("/elsewhere", keys)
    unfit: dict[str, tuple[Callable[[], None], str]] = {
        "another issuer": (lambda: realm.describe(issuer="https://evil.example"), "another issuer"),
        "its issuer with a slash": (
            lambda: realm.describe(issuer=f"{realm.issuer}/"),
            "another issuer",
        ),
        "no issuer": (lambda: realm.describe(issuer=None), "another issuer"),
        "no place of keys": (lambda: realm.describe(jwks_uri=None), "not a URL"),
        "keys in a file": (lambda: realm.describe(jwks_uri="file:///etc/passwd"), "not a URL"),
        "keys on the way": (lambda: realm.describe(jwks_uri="http://10.0.0.1/keys"), "not a URL"),
        "keys nowhere": (lambda: realm.describe(jwks_uri=NOWHERE), "refused"),
        "an error": (lambda: realm.set_response(KEYS, keys, status=500), "status 500"),
        "elsewhere": (
            lambda: realm.set_response(KEYS, "", status=302, headers=elsewhere),
            "status 302",
        ),
        "garbage": (lambda: realm.set_response(KEYS, "<html>"), ""),
        "a part": (lambda: realm.set_response(KEYS, keys[:-2]), ""),
        "a list": (lambda: realm.set_response(KEYS, f"[{keys}]"), "not a JSON object"),
        "too much": (lambda: realm.set_response(KEYS, keys, *[" " * 65_536] * 5), "too large"),
        "nesting": (lambda: realm.set_response(KEYS, "[" * 100_000), ""),
        "nothing": (lambda: realm.set_response(KEYS, "", status=0), ""),
        "something packed": (
            lambda: realm.set_response(KEYS, "x", headers={"Content-Encoding": "gzip"}),
            "",
        ),
        "no keys": (realm.publish, "no key of an accepted type"),
        "keys in no list": (
            lambda: realm.set_response(KEYS, '{"keys": "x"}'),
            "no key of an accepted type",
        ),
    }
    for name, (change, reason) in unfit.items():
        with subtests.test(name):
            realm.describe()
            realm.publish(KEY)
            change()

            with pytest.raises(ProviderUnavailable):
                provider_client(realm).key("first")
            assert reason in log_lines[-1]["exception.message"]
    assert realm.request_count("/elsewhere") == 0


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_only_keys_that_are_fit_for_signatures_are_used(realm: Realm) -> None:
    curve = OKPKey.generate_key("Ed25519", {"kid": "curve", "alg": "EdDSA"})
    long = RSAKey.generate_key(2048)
    public = KEY.as_dict(private=False)
    realm.publish(
        public,
        KEY.as_dict(private=True, kid="leaked"),
        curve,
        ECKey.generate_key("P-384", {"kid": "other curve"}),
        long.as_dict(private=False, kid="long"),
        long.as_dict(private=False, kid="long for one", alg="PS256"),
        {**public, "kid": "encrypts", "use": "enc"},
        {**public, "kid": "signs", "key_ops": ["sign"]},
        {**public, "kid": "logs in words", "key_ops": "verify"},
        {**public, "kid": "for something else", "alg": "HS256"},
        {**public, "kid": "for a list", "alg": ["ES256"]},
        {**public, "kid": 7},
        {**public, "kid": None},
        {**public, "kid": "no point", "y": public["x"]},
        {**public, "kid": "no number", "x": 7},
        {"kty": "EC", "kid": "half"},
        {"kty": "strange", "kid": "strange"},
        {"kty": ["EC"], "kid": "no kind"},
        OctKey.generate_key(256).as_dict(kid="secret"),
        OKPKey.generate_key("X25519").as_dict(private=False, kid="agrees"),
        ECKey.generate_key("secp256k1").as_dict(private=False, kid="coin"),
        RSAKey.generate_key(1024).as_dict(private=False, kid="short"),
        {},
    )
    provider = provider_client(realm)

    provider.key("first")
    known = provider._cached.keys  # noqa: SLF001  all of them
    assert {kid: set(key.algorithms) for kid, key in known.items()} == {
        "first": {"ES256"},
        "curve": {"EdDSA", "Ed25519"},
        "other curve": {"ES384"},
        "long": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
        "long for one": {"PS256"},
    }


def test_a_url_is_fetched_by_https_or_from_this_machine() -> None:
    securely = {
        "https://login.example/keys": True,
        "https://[::1]:8443/keys": True,
        "http://127.0.0.1:8080/keys": True,
        "http://[::1]/keys": True,
        "http://localhost/keys": True,
        "http://login.example/keys": False,
        "http://127.0.0.1.evil.example/keys": False,
        "https://user:pass-word@login.example/keys": False,
        "https://login.example/a b": False,
        "https://login.example/\x7f": False,
        "https://login.example:port/keys": False,
        "https://[::1/keys": False,
        "https:///keys": False,
        "ftp://login.example/keys": False,
        "login.example": False,
        "": False,
    }

    assert {url: is_fetchable(url, require_https=True) for url in securely} == securely
    assert is_fetchable("http://login.example/keys", require_https=False)
    assert not is_fetchable("ftp://login.example/keys", require_https=False)
