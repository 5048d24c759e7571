"""The settings of the database."""

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import URL, make_url

from app.core.config import CoreSettings, Environment, required_in_production
from app.core.config.secret_url import SecretURL
from app.core.database import database_url

DRIVERS = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",  # as libpq takes it, and Heroku and Render write it
    "postgresql+psycopg": "postgresql+psycopg",
    "postgresql+psycopg2": "postgresql+psycopg",  # the same libpq, so the same parameters
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
    # {% endif %}
    # {% if cookiecutter.database == "sqlite" %}
    "sqlite": "sqlite",
    # {% endif %}
}
"""What DATABASE_URL may begin with in production, and the driver that it means."""

UNSET = {
    Environment.DEVELOPMENT: "sqlite:///development.db",  # in the folder `instance`
    Environment.TESTING: "sqlite://",  # in memory
}


class DatabaseSettings(CoreSettings):
    """Where the data is, and how long and by how many it is asked for."""

    database_url: SecretURL = Field(default=SecretURL(""), validate_default=True)
    database_pool_size: int = Field(default=5, ge=1, le=128)
    database_max_overflow: int = Field(default=5, ge=0, le=128)
    database_pool_timeout_seconds: float = Field(default=5, gt=0, le=60)
    database_pool_recycle_seconds: int = Field(default=1_800, ge=1)
    database_connect_timeout_seconds: int = Field(default=5, ge=1, le=60)
    database_statement_timeout_ms: int = Field(default=10_000, ge=1, le=3_600_000)
    # {% if cookiecutter.database == "postgresql" %}
    database_transaction_pooling: bool = False
    """Whether DATABASE_URL leads to a pooler that gives each transaction any session."""
    database_prepared_statements: bool | None = None
    """Whether the driver prepares what it sends often; unset: not in transaction pooling."""
    # {% endif %}
    # {% if cookiecutter.database != "sqlite" %}
    database_migration_url: SecretURL | None = None
    """Where migrations connect: an account with more rights, or the server behind a pooler."""
    # {% endif %}
    database_migration_lock_timeout_seconds: int = Field(default=10, ge=1, le=3_600)
    database_migration_wait_timeout_seconds: int = Field(default=600, ge=0, le=86_400)
    slow_query_ms: int = Field(default=500, ge=0)
    """From when on a query is logged; 0: never."""

    @field_validator("database_url")
    @classmethod
    def _of_our_kind(cls, value: SecretURL, info: ValidationInfo) -> SecretURL:
        environment = info.data.get("app_env")
        text = value.get_secret_value() or UNSET.get(environment or Environment.PRODUCTION)
        if not text:
            required_in_production(None, info)
            return value
        # A laptop and a test run may use a file, whatever production runs on.
        file = {} if environment is Environment.PRODUCTION else {"sqlite": "sqlite"}
        url = database_url.read(text, {**DRIVERS, **file})
        return SecretURL(url.render_as_string(hide_password=False))

    # {% if cookiecutter.database != "sqlite" %}
    @field_validator("database_migration_url")
    @classmethod
    def _of_the_same_kind(cls, value: SecretURL | None) -> SecretURL | None:
        if value is None:
            return None
        url = database_url.read(value.get_secret_value(), DRIVERS)
        return SecretURL(url.render_as_string(hide_password=False))

    # {% endif %}
    @property
    def url(self) -> URL:
        """The address, in its parts."""
        return make_url(self.database_url.get_secret_value())

    def warnings(self) -> list[str]:
        """Tell what is allowed but unwise here, one sentence each."""
        found = super().warnings()
        if self.database_pool_size + self.database_max_overflow < self.web_threads:
            found.append(
                "DATABASE_POOL_SIZE and DATABASE_MAX_OVERFLOW together are less than WEB_THREADS: "
                "requests will wait for a connection."
            )
        # {% if cookiecutter.database == "postgresql" %}
        if self.database_transaction_pooling and not self.database_migration_url:
            found.append(
                "DATABASE_TRANSACTION_POOLING is on and DATABASE_MIGRATION_URL is not set: "
                "`flask db upgrade` will refuse to run."
            )
        # {% endif %}
        return found
