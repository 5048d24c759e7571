"""The URL of this service for its users."""

from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from app.core.config.settings import CoreSettings, Environment, required_in_production

DEVELOPMENT_URL = "http://127.0.0.1:8000"


def _is_host_with_path(text: str) -> bool:
    """Return whether this is a host with an optional port and path, and nothing else."""
    try:
        parts = urlsplit(f"//{text}")
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and text.isprintable() and not set(text) & set(" ?#@\\")


class PublicURLSettings(CoreSettings):
    """Public URL."""

    # Never taken from a request: its sender chooses the Host header (CWE-640).
    public_url: str = Field(default="", validate_default=True, examples=["https://shop.example"])
    """The URL of the service for its users, with no path except URL_PREFIX; it must be https in
    production."""

    @field_validator("public_url")
    @classmethod
    def _valid_url(cls, value: str, info: ValidationInfo) -> str:
        prefix: str = info.data.get("url_prefix", "")
        if not value:
            required_in_production(None, info)
            return DEVELOPMENT_URL + prefix
        production = info.data.get("app_env") is Environment.PRODUCTION
        schemes = ("https://",) if production else ("https://", "http://")
        _, _, rest = value.partition("://")
        if not value.startswith(schemes) or not _is_host_with_path(rest):
            message = (
                f"must begin with {' or '.join(schemes)} and a host, with nothing after a path"
            )
            raise ValueError(message)
        _, slash, path = rest.rstrip("/").partition("/")
        if slash + path not in {"", prefix}:
            message = "must have no path other than URL_PREFIX"
            raise ValueError(message)
        return value.rstrip("/").removesuffix(prefix) + prefix
