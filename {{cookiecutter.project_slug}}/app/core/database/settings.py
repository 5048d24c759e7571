"""The settings of the database."""

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import URL, make_url

from app.core.config import CoreSettings, Environment, required_in_production
from app.core.config.secret_url import SecretURL
from app.core.database import database_url

DRIVERS = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",  # libpq accepts it, and Heroku and Render use it
    "postgresql+psycopg": "postgresql+psycopg",
    "postgresql+psycopg2": "postgresql+psycopg",  # uses libpq too, so has the same parameters
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
# {% if cookiecutter.database == "postgresql" %}
EXAMPLE_URL = "postgresql://user:password@localhost:5432/{{cookiecutter.project_slug}}"
# {% endif %}
# {% if cookiecutter.database == "mysql" %}
EXAMPLE_URL = "mysql://user:password@localhost:3306/{{cookiecutter.project_slug}}"
# {% endif %}
# {% if cookiecutter.database == "sqlite" %}
EXAMPLE_URL = "sqlite:////srv/data/service.sqlite3"
# {% endif %}

UNSET = {
    Environment.DEVELOPMENT: "sqlite:///development.db",  # in the folder `instance`
    Environment.TESTING: "sqlite://",  # in memory
}


class DatabaseSettings(CoreSettings):
    """Database."""

    database_url: SecretURL = Field(
        default=SecretURL(""), validate_default=True, examples=[EXAMPLE_URL]
    )
    """The URL of the database; in development an SQLite file in the folder instance by default."""
    database_pool_size: int = Field(default=5, ge=1, le=128)
    """The number of connections that each process keeps open."""
    database_max_overflow: int = Field(default=5, ge=0, le=128)
    """The number of connections that each process may open in addition."""
    database_pool_timeout_seconds: float = Field(default=5, gt=0, le=60)
    """The maximum wait of a request for a connection, in seconds."""
    database_pool_recycle_seconds: int = Field(default=1_800, ge=1)
    """The maximum age of a connection, in seconds."""
    database_connect_timeout_seconds: int = Field(default=5, ge=1, le=60)
    """The time limit for connecting, in seconds."""
    database_statement_timeout_ms: int = Field(default=10_000, ge=1, le=3_600_000)
    """The time limit of one statement, in milliseconds."""
    # {% if cookiecutter.database == "postgresql" %}
    database_transaction_pooling: bool = False
    """Whether DATABASE_URL leads to a pooler in transaction mode, such as PgBouncer."""
    database_prepared_statements: bool | None = None
    """Whether the driver prepares frequent statements; unset: yes, except with transaction pooling.
    """
    # {% endif %}
    # {% if cookiecutter.database != "sqlite" %}
    database_migration_url: SecretURL | None = None
    """The URL for migrations, for an account with more rights or the server behind a pooler; unset:
    DATABASE_URL."""
    # {% endif %}
    database_migration_lock_timeout_seconds: int = Field(default=10, ge=1, le=3_600)
    """The maximum wait of a migration for a lock of a table, in seconds."""
    database_migration_wait_timeout_seconds: int = Field(default=600, ge=0, le=86_400)
    """The maximum wait of a migration for another process that migrates, in seconds."""
    slow_query_ms: int = Field(default=500, ge=0)
    """The duration, in milliseconds, from which a query is logged, without its values; 0: never."""

    @field_validator("database_url")
    @classmethod
    def _of_our_kind(cls, value: SecretURL, info: ValidationInfo) -> SecretURL:
        environment = info.data.get("app_env")
        text = value.get_secret_value() or UNSET.get(environment or Environment.PRODUCTION)
        if not text:
            required_in_production(None, info)
            return value
        # Development and tests may use SQLite, whatever production uses.
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
        """The URL of the database, parsed."""
        return make_url(self.database_url.get_secret_value())

    def warnings(self) -> list[str]:
        """Return one sentence for each setting that is valid but not advisable."""
        found = super().warnings()
        if self.database_pool_size + self.database_max_overflow < self.web_threads:
            found.append(
                "DATABASE_POOL_SIZE plus DATABASE_MAX_OVERFLOW is less than WEB_THREADS: "
                "requests may wait for a connection."
            )
        # {% if cookiecutter.database == "postgresql" %}
        if self.database_transaction_pooling and not self.database_migration_url:
            found.append(
                "DATABASE_TRANSACTION_POOLING is enabled and DATABASE_MIGRATION_URL is not set: "
                "`flask db upgrade` refuses to run."
            )
        # {% endif %}
        return found
