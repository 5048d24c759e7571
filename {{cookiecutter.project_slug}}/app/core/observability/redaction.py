"""Masks passwords, tokens and keys in log lines, by their names and by their formats.

This is only a safety net: code must not log secrets. The patterns are searched in text that clients
write, so matching must take linear time: repetitions are possessive or bounded.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

MASK = "***"
MAX_DEPTH = 8  # levels of nested mappings and lists

_NAME = (
    r"(?:(?:(?<!by)(?<!com)pass(?:word|wd|phrase|code)?s?|pwd|secrets?|tokens?|credentials?|authorization"
    r"|(?<![a-z])(?:[th]?otp|pw|psk)|bindpw|mnemonic|connection_?string|(?:php|j)?sess(?:ion)?id"
    r"|cookies?|code_?verifier|client_?assertion|samlresponse|xsrf|(?<=[\"'_])auth"
    r"|(?:api|private|access|secret|signing|encryption|account|master|auth|session|hmac|license|shared"
    r"|pre_?shared|webhook|ssh)[_.\x20-]?keys?"
    r"|(?:auth(?:orization)?|backup|device|one[_.\x20-]?time|recovery|verification)[_.\x20-]?codes?)"
    r"(?:[_-]?(?:\d{1,2}|hash|digest|value|confirm(?:ation)?))?)"
)
_SENSITIVE_NAME = re.compile(rf"[\w-]*{_NAME}", re.IGNORECASE)

# From a name to its value: `name=`, `"name": `, `\"name\": `, `[name] = `, `<name>`, `("name", "`, `NAME '`,
# `NAME('`, `name is "`, `"name", "value": `, `name: |` with the value in the next line (YAML), and
# `name=` with percent-encoding.
_TO_VALUE = (
    r"(?:\\{0,4}[\"']?[\])]?\s{0,8}(?:=>?|:=?)\s{0,8}(?:[|>][+-]?\n\s{1,16})?|>"
    r"|\\{0,4}[\"'][\s,]{1,8}\\{0,4}[\"']?value\\{0,4}[\"']?\s{0,8}[:=]\s{0,8}"
    r"|(?:%2[27])?(?:\+|%20){0,4}%3[ad](?:\+|%2[027]){0,4}"
    r"|\\{0,4}[\"']\s{0,8},\s{0,8}(?=[bru]{0,2}\\{0,4}[\"'])|(?:\(|\s{1,8}(?:(?:is|was)\s{1,8})?)(?=[bru]{0,2}[\"']))"
)
_CALL = r"(?:\w{1,32}\(|[bruf]{0,2})"  # SecretStr('…'), b"…"
_QUOTED = (
    rf"{_CALL}"
    r"(?:\"(?:[^\"\\]|\\[\s\S]){0,4096}+(?=\")"  # a quoted string, with escapes
    r"|'(?:[^'\\]|\\[\s\S]){0,4096}+(?=')"
    r"|\\{1,4}[\"'](?:(?!\\{1,4}[\"'])[^\n])*+"  # the same inside a quoted string
    r"|[\"'][^\n]*+)"  # an unterminated string
)
_LISTED = r"[\[({][^\])}\n]*+"
_WORD = r"[^\s\"',;&}<]++(?:,[^\s\"',;&}<=]++(?!=))*+"
_PAIR = r"(?:[\w.-]{1,64}=)?(?:\"[^\"\n]*+\"|[^\s\"',;&}]++)"
# An Authorization header has a scheme and a value, or several pairs, as a cookie has.
_SCHEME = r"(?:[a-z][\w-]{0,31}\x20+)?"
_FURTHER = r"(?:\x20?[,;]\x20?[\w.-]{1,64}(?:=(?:\"[^\"\n]*+\"|[^\s\"',;]*+))?(?=[,;]|$|\s))*+"
_CREDENTIALS = _SCHEME + _PAIR + _FURTHER
_CLAUSE = r"[^\n\"',;&}<]++"  # including spaces
_BEFORE = r"(?:(?:bearer|basic)\s{1,8})?"
_OPTION = r"--[\w-]{0,32}"

_TEXT = re.compile(
    # The value of a sensitive name. A password after a colon may have spaces without quotes.
    rf"(?P<name>{_NAME}{_TO_VALUE})(?:{_QUOTED}|{_LISTED}"
    rf"|(?<=authorization:)\s?{_CREDENTIALS}|(?<=authorization[:=]\s){_CREDENTIALS}"
    rf"|(?<=cookie:)\s?{_CREDENTIALS}|(?<=cookie[:=]\s){_CREDENTIALS}"
    rf"|(?<=passphrase:){_CLAUSE}|(?<=password:){_CLAUSE}|(?<=passphrase=){_CLAUSE}"
    rf"|(?<=passphrase:\s){_CLAUSE}|(?<=password:\s){_CLAUSE}"
    r"|\$[\w$=,./+-]{8,}+"  # a password hash
    rf"|{_BEFORE}{_WORD})"
    rf"|(?P<flag>{_OPTION}{_NAME}\x20+)(?:{_QUOTED}|\S++)"  # a command-line option
    r"|(?P<user>(?<![\w-])(?:-u|--user|--proxy-user)[=\s]\s{0,8}[\"']?[^\s:\"']{1,64}:)[^\s\"']++"
    r"|(?P<tag><[\w:.-]{0,64}"
    rf"{_NAME}\s"
    r"[^<>\n]{1,128}>)[^<\n]++"
    r"|(?P<conf>\b(?:login\s{1,8}[^\s]{1,128}\s{1,8}password|requirepass|masterauth)\s{1,8})\S++"
    r"|(?P<sql>identified\s{1,8}(?:with\s{1,8}\w{1,64}\s{1,8})?(?:by|as)\s{1,8})(?:"
    f"{_QUOTED})"
    # The value of a header without its name; a word in lowercase is part of a sentence.
    r"|(?P<scheme>\b(?:bearer|basic)\s{1,8})(?!(?-i:[a-z]++)(?![\w.~+/=-]))[\w.~+/=-]{8,}+"
    r"|(?P<smtp>\bauth\s(?:plain|login|xoauth2)\s)[\w+/=]{4,}+"
    # The user info of a URL, also a token alone, or a password with an unescaped / or @.
    r"|(?P<url>:(?:\\?/){2})(?:[^\s/?#\"'<>@:]{0,64}:(?!\d{1,5}(?:[/?#\s\"']|$))[^\s\"'<>@]{1,256}@"
    r"|(?:[^\s/?#\"'<>@]{0,256}@))(?:[^\s/?#\"'<>@]{0,256}@)*+"
    r"|(?P<encoded>%3A%2F%2F)(?:[\w.~!*+-]|%(?!2F|40)){1,256}%40"
    r"|(?P<query>(?:[?&]|%3F|%26)(?:code|state|sig|signature|hmac|key|x-(?:amz|goog)-[\w-]{1,32})(?:=|%3D))"
    r"(?:[^\s&#\"'<>%]|%(?!26))++"
    # Known formats: JSON Web Tokens, keys of well-known services, private parameters of a JWK.
    r"|(?<![\w-])eyJ[\w-]+(?:\.[\w-]*){1,4}"
    r"|(?<![a-z0-9])(?:whsec_[\w+/=-]{8,}+|[spr]k_(?:live|test)_\w{8,}+|gh[oprsu]_\w{16,}+"
    r"|github_pat_\w{16,}+|glpat-[\w-]{16,}+|xox[a-z]-[\w-]{8,}+|npm_[a-z0-9]{36}|hf_[a-z0-9]{30,}+"
    r"|(?:xapp|pypi)-[\w-]{16,}+|(?:ya29|hvs)\.[\w-]{16,}+|(?:dop_v1|shp(?:at|ca|pa|ss))_\w{16,}+"
    r"|\$(?:argon2(?:id?|d)\$|2[aby]\$\d)[\w$=,./+]{20,}+|hooks\.slack\.com/services/[\w/]++"
    r"|discord(?:app)?\.com/api/webhooks/[\w/-]++|api\.telegram\.org/bot[\w:-]++|age-secret-key-\w++"
    r"|sk-[\w-]{20,}+|(?-i:A[KS]IA[A-Z0-9]{16})|(?-i:AIza)[\w-]{30,}+|(?-i:SG)\.[\w-]{16,}+\.[\w-]{16,}+)"
    r"|(?P<jwk>[\"'](?:k|d|p|q|dp|dq|qi)[\"']\s{0,4}:\s{0,4}[\"'])[\w-]{16,}+",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)[^-]*+(?:-(?!----)[^-]*+)*+",
)

# A key of any service that puts its name before it, such as glrt-… or dckr_pat_…
_PREFIXED = re.compile(
    r"(?<![\w-])[a-zA-Z][a-zA-Z0-9]{1,15}(?:[_-][a-zA-Z0-9]{1,8}){0,2}[_-]"
    r"(?=[a-zA-Z0-9]{0,32}[a-z])(?=[a-zA-Z0-9]{0,32}[A-Z])(?=[a-zA-Z0-9]{0,32}[0-9])"
    r"[a-zA-Z0-9]{20}[\w-]*+",
    re.ASCII,
)
_PREFIXED_HINT = re.compile(r"[_-][a-zA-Z0-9]{20}")

# Every match of _TEXT and _KEY contains one of these. Most texts contain none, which is faster to
# check.
_HINTS = (
    *("pass", "pwd", "secret", "token", "credential", "auth", "cookie", "key", "otp", "pw", "psk"),
    *("mnemonic", "string", "sess", "code", " -u", "--user", "--proxy", ":\\/", "discord"),
    *("://", "bearer", "basic", "identified", "eyj", "whsec_", "_live_", "_test_", "ghp_", "gho_"),
    *("ghr_", "ghs_", "ghu_", "github_pat_", "glpat-", "xox", "npm_", "hf_", "sk-", "akia", "asia"),
    *("aiza", "sg.", '"k', "'k", '"d', "'d", '"p"', "'p'", '"q', "'q", "code=", "state=", "sig"),
    *(
        "hmac=",
        "x-amz-",
        "x-goog-",
        "%3f",
        "%26",
        "%3a%2f%2f",
        "assertion",
        "saml",
        "xsrf",
        "verifier",
    ),
    *(
        "xapp-",
        "pypi-",
        "ya29.",
        "hvs.",
        "dop_v1",
        "shp",
        "$argon2",
        "$2",
        "hooks.slack",
        "telegram",
    ),
)


# The groups that are kept before the mask.
_UNMASKED_GROUPS = ("name", "flag", "user", "tag", "conf", "sql", "scheme", "smtp", "query", "jwk")
_OPENING = re.compile(_CALL + r"\\{0,4}[\"']|\s", re.IGNORECASE)

# A cache of short texts without any hint, which recur: routes, methods, user agents.
_plain: set[str] = set()
MAX_PLAIN = 1_024
MAX_PLAIN_LENGTH = 256  # characters


def redact(text: str) -> str:
    """Mask passwords, tokens and keys in free text."""
    if text in _plain:
        return text
    # Outside ASCII, IGNORECASE matches characters that `lower` does not convert.
    prefixed = _PREFIXED_HINT.search(text)
    if text.isascii() and not prefixed and not any(map(text.lower().__contains__, _HINTS)):
        if len(text) <= MAX_PLAIN_LENGTH:
            if len(_plain) >= MAX_PLAIN:
                _plain.clear()
            _plain.add(text)
        return text
    if "-----BEGIN" in text:  # first, because its lines may be inside quotes
        text = _KEY.sub(rf"\1{MASK}", text)
    if prefixed:
        text = _PREFIXED.sub(MASK, text)
    return _TEXT.sub(_masking, text)


def _masking(match: re.Match[str]) -> str:
    if match["url"]:
        return f"{match['url']}{MASK}@"
    if match["encoded"]:
        return f"{match['encoded']}{MASK}%40"
    before = next(filter(None, match.group(*_UNMASKED_GROUPS)), "")
    opening = _OPENING.match(match[0], len(before))  # kept, like the closing quote
    return f"{before}{opening[0] if opening else ''}{MASK}"


@lru_cache(maxsize=1_024)
def is_sensitive(name: str) -> bool:
    """Return whether a value with this name is a secret."""
    return _SENSITIVE_NAME.fullmatch(name) is not None


def masked(name: str, value: object, depth: int = 0) -> object:
    """Return a value with its secrets masked: text, a number, or lists and mappings of them."""
    if is_sensitive(name):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        named = ((text_of(key), below) for key, below in value.items())
        return {name: masked(name, below, depth + 1) for name, below in named}
    if isinstance(value, list | tuple | set | frozenset) and depth < MAX_DEPTH:
        return _masked_items(tuple(value), depth + 1)
    return redact(value if isinstance(value, str) else text_of(value))


def text_of(value: object) -> str:
    """Return a value as text, even if its `__str__` fails."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  its `__str__` may raise anything
        return f"<{type(value).__name__} without text>"


def _masked_items(values: tuple[object, ...], depth: int) -> list[object]:
    match values:
        case (str(name), value):  # a name and its value, such as a header
            return [redact(name), masked(name, value, depth)]
    return [masked("", value, depth) for value in values]
