import logging
import time
from dataclasses import dataclass

import pytest

from app.core.api import PREFIX
from app.core.observability import redaction
from app.core.observability.redaction import redact
from conftest import LogLines

logger = logging.getLogger("app.notes")

PEM = "-----BEGIN {0}PRIVATE KEY-----\nHUSH+HUSH/HUSH\nHUSH=\n-----END {0}PRIVATE KEY-----"

SPELLED = (
    "password=HUSH",
    "db_password: 'HUSH'",
    'password="correct HUSH battery HUSH"',
    r'password="with \"HUSH\" in it, HUSH"',
    "password='it\\'s HUSH'",
    "{'password': 'HUSH HUSH'}",
    "{'password': b'HUSH'}",
    r"{\"password\": \"HUSH HUSH\", \"a\": 1}",
    '{"client_secret": "HUSH", "a": 1}',
    '"refresh_token":"HUSH"',
    'os.environ["DB_PASSWORD"] = "HUSH"',
    "secret => 'HUSH'",
    "pwd:HUSH",
    "<password>HUSH</password>",
    '{"name": "password", "value": "HUSH"}',
    '<input name="password" value="HUSH">',
    "password=SecretStr('HUSH')",
    "Key (token)=(HUSH) already exists",
    "password1=HUSH&password_confirmation=HUSH",
    "password_hash=$argon2id$v=19$m=65536,t=3,p=4$HUSH$HUSH",
    "'$argon2id$v=19$m=65536,t=3,p=4$HUSHHUSH$HUSHHUSH'",
    "api key: HUSH",
    "code_verifier=HUSH&client_assertion=HUSH",
    "password%3DHUSH%26page%3D2",
    "%22password%22%3A%20%22HUSH%22",
    "url=postgresql%3A%2F%2Fme%3AHUSH%40db%2Fx",
    "next=%2Fcallback%3Fcode%3DHUSH%26state%3DHUSH",
    "--password HUSH",
    "--db-password 'HUSH HUSH'",
    "--db-password=HUSH",
    "ALTER USER me PASSWORD 'HUSH'",
    "SET PASSWORD FOR me IDENTIFIED BY 'HUSH'",
    "CREATE USER me IDENTIFIED WITH caching_sha2_password BY 'HUSH'",
    "SET PASSWORD = PASSWORD('HUSH')",
    'the password is "HUSH HUSH"',
    "secret: |\n  HUSH\n",
    '<password type="text">HUSH HUSH</password>',
    "curl -u me:HUSH https://shop.example",
    "machine db login me password HUSH",
    "CONFIG SET requirepass HUSH",
    r"https:\/\/me:HUSH@db\/x",
    '{"otp": "HUSH", "recovery_code": "HUSH"}',
    '{"auth": "HUSH"}, //registry/:_auth=HUSH',
    "wifi_psk=HUSH&hmac_key=HUSH&pre-shared-key=HUSH",
    "JSESSIONID=HUSH, PHPSESSID=HUSH",
    'tokens=["HUSH", "HUSH"]',
    "WEBHOOK_SECRETS=HUSH,HUSH",
    "AWS_SECRET_ACCESS_KEY=HUSH",
    "X-Api-Key: HUSH",
    "api_key=HUSH&page=2",
    "Authorization: Bearer HUSHHUSHHUSH",
    "Authorization: Basic HUSHHUSHHUSH",
    "Authorization: Token HUSH",
    'Authorization: Digest username="HUSH", realm="HUSH", response=HUSH',
    "authorization: AWS4-HMAC-SHA256 Credential=HUSH/20261128, SignedHeaders=host;HUSH, Signature=HUSH",
    '("Authorization", "Bearer HUSH")',
    "sent bearer HUSHHUSHHUSH",
    "Proxy-Authorization: Basic HUSHHUSHHUSH",
    "send: 'AUTH PLAIN HUSHHUSHHUSH='",
    "Cookie: session=HUSH; other=HUSH",
    "Set-Cookie: session=HUSH; HttpOnly; Path=/",
    "cookie=session=HUSH",
    '[("cookie", "a=HUSH; b=HUSH")]',
    "postgresql://me:HUSH@db/x",
    "postgresql://me:HUSH@HUSH@db/x",
    "postgresql://me:HUSH/HUSH@db/x",
    "redis://:HUSH@localhost:6379/0",
    "https://HUSH@git.example/x",
    "https://shop.example/callback?code=HUSH&state=HUSH",
    "https://store.example/a?X-Amz-Signature=HUSH&sig=HUSH",
    "https://store.example/a?password=HUSH#top",
    "eyJIUSH.eyJHUSH.HUSH",
    "eyJIUSH.eyJHUSH",
    "found whsec_HUSHHUSHHUSH+/=",
    "found sk_live_HUSHHUSHHUSH",
    "found ghp_HUSHHUSHHUSHHUSHHUSH",
    "found AKIAHUSHHUSHHUSHHUSH",
    "found xapp-1-HUSHHUSH-HUSHHUSH",
    "found pypi-HUSHHUSHHUSHHUSHHUSH",
    "found hvs.HUSHHUSHHUSHHUSHHUSH",
    "found shpat_HUSHHUSHHUSHHUSHHUSH",
    "found https://hooks.slack.com/services/T0/B0/HUSHHUSH",
    "found dckr_pat_HUSHHUSHhushHUSH27abcd",
    "found glrt-HUSHhush4HUSHhush5HUSH",
    "found https://discord.com/api/webhooks/1/HUSH",
    "found https://api.telegram.org/bot1:HUSH",
    '{"kty": "oct", "k": "HUSHHUSHHUSHHUSHHUSH"}',
    "ſecret=HUSH",
    "auth-tokens: authorIzation=HUSH",
    PEM.format("RSA "),
    PEM.format("").replace("\n", "\\n"),
    f"private_key='{PEM.format('EC ')}'",
    f"key: {PEM.format('ENCRYPTED ')}",
)
# A secret without a delimiter: everything up to the end of the text is redacted.
TO_THE_END = (
    "passphrase: correct HUSH battery HUSH",
    "passphrase=correct HUSH battery HUSH",
    "password: correct HUSH battery HUSH",
    'password = "HUSH HUSH',
    "-----BEGIN OPENSSH PRIVATE KEY-----\nHUSH\nHUSH-HUSH",
)
HARMLESS = (
    f"GET {PREFIX}/notes/<uuid:note_id> 200",
    "the token has expired, and the password is wrong",
    "http://localhost:8080/path?email=ann@shop.example",
    "https://shop.example/unsubscribe/ann@shop.example",
    "sort_key=name, Idempotency-Key: 5f0c9a52",
    "12 tokens left in Asia/Tokyo",
    "-----BEGIN CERTIFICATE-----",
    "basic understanding of bearer authentication",
    "bypass=true, compass: north",
    "Debugger PIN: 123-456-789",
    "shipping=2, mapping: north, option='x'",
    "country code: DE, status_code=404, auth: failed",
    "tests/test_app.py::test_a_note_1_has_TEXT, app-5d8f7c9b6d-x2x9z",
    "/static/pages-8d78f5a25f2739f46112f4bc173e230b.css",
    "next=https%3A%2F%2Fshop.example%2F%40ann",
    "cost $25, 100%25",
)


@pytest.mark.attack
def test_secrets_in_a_message_are_masked(subtests: pytest.Subtests) -> None:
    for text in SPELLED:
        with subtests.test(text):
            masked = redact(f"before {text} after")

            assert "HUSH" not in masked
            assert "IUSH" not in masked
            assert "***" in masked
            assert masked.startswith("before ")
            assert masked.endswith(" after")
    for text in TO_THE_END:
        with subtests.test(text):
            masked = redact(f"before {text}")

            assert "HUSH" not in masked
            assert masked.startswith("before ")


def test_text_without_secrets_stays_readable() -> None:
    for text in HARMLESS:
        assert redact(text) == text


def test_quotes_around_a_secret_stay_in_pairs() -> None:
    assert (
        redact("{'password': 'x', \"token\": b\"y\"}") == "{'password': '***', \"token\": b\"***\"}"
    )


def test_few_harmless_texts_are_remembered_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: set[str] = set()
    monkeypatch.setattr(redaction, "_plain", remembered)
    for text in ("password=HUSH", "x" * 1_000):
        redact(text)
    assert remembered == set()
    for number in range(redaction.MAX_PLAIN + 1):
        assert redact(f"note {number}") == f"note {number}"
    assert len(remembered) == 1
    assert redact(remembered.copy().pop()) in remembered


@dataclass
class _Login:
    email: str
    token: str


def test_values_of_any_kind_are_masked(log_lines: LogLines) -> None:
    deep: dict[str, object] = {"password": "HUSH"}
    for _ in range(20):
        deep = {"below": deep}
    logger.warning(
        "values",
        extra={
            "webhook_secrets": ["HUSH"],
            "headers": [("X-Api-Key", "HUSH"), ("Accept", "text/html")],
            "urls": ("https://HUSH@a.example", "b", "c"),
            "login": _Login("ann@shop.example", "HUSH"),
            "sent": b"password=HUSH",
            "deep": deep,
            "number": 7,
            "nothing": None,
        },
    )

    (line,) = log_lines
    assert "HUSH" not in str(line)
    assert line["headers"] == [["X-Api-Key", "***"], ["Accept", "text/html"]]
    assert line["urls"] == ["https://***@a.example", "b", "c"]
    assert "ann@shop.example" in line["login"]
    assert (line["number"], line["nothing"]) == (7, None)


@pytest.mark.slow
@pytest.mark.attack
def test_masking_takes_linear_time(subtests: pytest.Subtests) -> None:
    for text in (
        *("x", "-", "=", "a:", "'", "\\", "\n"),
        *(
            "secret",
            "secret ",
            "secret\\\\",
            "secret\"'\\",
            "key\n",
            "xox",
            "whsec_",
            "sk-a",
            "AKIA",
        ),
        *(
            'password="',
            "password='",
            'password="\\',
            'password=\\"',
            'password=b"x\n',
            "password: a ",
        ),
        *('secret="\\""', "tokens=[", "passphrase:", "--password ", "--", "identified by "),
        *(
            "authorization: ",
            "authorization: a=b,",
            'authorization:a a="',
            "cookie: a; ",
            "cookie=a;b=c,",
        ),
        *("%3A%2F%2F", "%3A%2F%2Fa", "password%3D", "secret=a(", "$2a$1", "auth plain "),
        *('secret"value', 'secret",', "secret%20", "password1"),
        *("a-", "aaaaaaaa_", "aA1", "-u a:", "<secret ", "<a", "login a password ", "secret: |\n "),
        *("://", "://a:", "://a@", "://a:b/", "://a:1", "?code=", "basic ", "eyJ-", "eyJa."),
        *(
            "'k':'",
            '"d": ',
            "bru\"secret bru'",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----a-",
        ),
    ):
        with subtests.test(text):
            began = time.process_time()
            redact(text * 5_000)
            # It takes a tenth of this; a pattern that backtracks takes minutes.
            assert time.process_time() - began < 2
