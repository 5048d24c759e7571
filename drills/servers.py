"""Private servers for the drills: on loopback, in a temporary folder, stopped by process id.

Servers that already run on the machine are not touched. If a server is not installed, the drills that
need it are skipped with a message.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import psycopg
import pymysql
import redis

from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until

SEARCH_PATH = os.pathsep.join(
    [
        os.environ.get("PATH", ""),
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
        "/usr/sbin",
        "/usr/lib/rabbitmq/bin",
    ]
)


class MissingServerError(Exception):
    """A server is not installed; the message names its program."""


def program(name: str) -> str:
    """Return the path of a program."""
    found = shutil.which(name, path=SEARCH_PATH)
    if not found:
        message = f"{name} is not installed"
        raise MissingServerError(message)
    return found


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Server:
    """A private server process that can be stopped and started again on its port."""

    name: ClassVar[str]
    account: ClassVar[str | None] = None
    """The user it runs as if the drills run as root: some servers refuse to run as root."""
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir()
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.user = self.account if self.account and os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        self.prepare()

    def prepare(self) -> None:
        """Create the files it needs before the first start."""

    def command(self) -> list[str]:
        """Return the command that starts it."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes."""
        return {"PATH": SEARCH_PATH, "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def is_ready(self) -> bool:
        """Return whether it accepts requests."""
        raise NotImplementedError

    def run(self, *command: str) -> None:
        """Run a command as the server's user; raise with its output if it fails."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            user=self.user,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            raise RuntimeError(message)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with (self.folder / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                user=self.user,
                group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_until(self.is_ready, f"{self.name} starts")

    def stop(self) -> None:
        """Stop it, and wait until its process has ended."""
        if self.process:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(HANG_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class Database(Server):
    """A database server, with the operations that drills need."""

    answer: ClassVar[str]
    """The answer to the question `database`."""

    @property
    def url(self) -> str:
        """The service's DATABASE_URL."""
        raise NotImplementedError

    def connect(self) -> "Connection":
        """Open a connection in autocommit mode."""
        raise NotImplementedError

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def execute_all(self, *statements: str) -> None:
        """Run statements without results, each in its own transaction."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Lock the table of orders against all other sessions."""
        raise NotImplementedError

    def read_only(self) -> contextlib.AbstractContextManager[None]:
        """Make all sessions read-only, as after a failover to a standby.

        Sessions opened in the block stay read-only after it.
        """
        raise NotImplementedError

    def fail_order_inserts(self, *, every: int) -> None:
        """Make one in `every` inserts of an order fail with a serialization failure."""
        raise NotImplementedError

    def order_insert_attempts(self) -> int:
        """Return the number of attempted inserts since `fail_order_inserts`."""
        raise NotImplementedError


class Cursor(Protocol):
    """The part of a database driver that drills use."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def execute(self, statement: str, values: Any = None, /) -> object: ...  # noqa: ANN401, D102
    def fetchall(self) -> Any: ...  # noqa: ANN401, D102


class Connection(Protocol):
    """The part of a database driver that drills use."""

    def cursor(self) -> Cursor: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class PostgreSQL(Database):
    """A private PostgreSQL cluster."""

    name = "postgresql"
    answer = "postgresql"
    account = "postgres"
    stop_signal = signal.SIGINT  # the fast shutdown: open transactions are aborted

    def prepare(self) -> None:
        """Create the cluster."""
        self.run(
            *(program("initdb"), "--pgdata=data", "--auth=trust", "--username=drill"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        )

    def command(self) -> list[str]:
        """Return the command; the server listens on loopback only."""
        return [
            *(program("postgres"), "-D", "data", "-p", str(self.port), "-k", str(self.folder)),
            *("-c", "listen_addresses=127.0.0.1"),
        ]

    @property
    def url(self) -> str:
        """The service's DATABASE_URL."""
        return f"postgresql://drill@127.0.0.1:{self.port}/postgres"

    def connect(self) -> Connection:
        """Open a connection in autocommit mode."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=HANG_TIMEOUT_SECONDS)  # type: ignore[return-value]  # psycopg takes literal strings only

    def is_ready(self) -> bool:
        """Return whether it accepts connections."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the table of orders against all other sessions."""
        with psycopg.connect(self.url) as connection:
            connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            yield

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Make new sessions read-only, and terminate the others."""
        others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> "
        self.execute_all(
            "ALTER DATABASE postgres SET default_transaction_read_only = on",
            f"SELECT pg_terminate_backend(pid) {others} pg_backend_pid()",
        )
        yield
        self.execute_all(
            "SET default_transaction_read_only = off",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
        )

    def fail_order_inserts(self, *, every: int) -> None:
        """Raise SQLSTATE 40001 in a trigger. A sequence counts attempts, because a rollback does not reset it."""
        self.execute_all(
            "CREATE SEQUENCE IF NOT EXISTS tries",
            "ALTER SEQUENCE tries RESTART",
            "DROP TRIGGER IF EXISTS refuse ON orders",
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF nextval('tries') % {every} = 0 THEN"
            " RAISE EXCEPTION 'by the drill' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()",
        )

    def order_insert_attempts(self) -> int:
        """Return the sequence's value."""
        return int(self.query("SELECT last_value FROM tries")[0][0])


class PgBouncer(Server):
    """A connection pooler in transaction mode in front of PostgreSQL, with fewer sessions than clients."""

    name = "pgbouncer"
    account = "postgres"
    behind: ClassVar[str]
    """The connection string of the database, in libpq's keyword format."""

    def prepare(self) -> None:
        """Write its configuration: it accepts any user, and PostgreSQL authenticates."""
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = {self.behind}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
            "pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n"
        )

    def command(self) -> list[str]:
        """Return the command; the server stays in the foreground."""
        return [program("pgbouncer"), str(self.folder / "pgbouncer.ini")]

    def url(self, database: str) -> str:
        """Return the URL of a database through the pooler."""
        return f"postgresql://anybody@127.0.0.1:{self.port}/{database}"

    def is_ready(self) -> bool:
        """Return whether it forwards connections."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=HANG_TIMEOUT_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True


class MariaDB(Database):
    """A private MariaDB server."""

    name = "mariadb"
    answer = "mysql"
    account = "mysql"

    def prepare(self) -> None:
        """Create the data folder."""
        self.run(
            *(program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        )

    def command(self) -> list[str]:
        """Return the command; the server listens on loopback only."""
        return [
            *(program("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data"),
            *(f"--socket={self.folder}/socket", f"--port={self.port}"),
            *("--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid"),
        ]

    @property
    def url(self) -> str:
        """The service's DATABASE_URL."""
        return f"mysql://root@127.0.0.1:{self.port}/drill"

    def connect(self) -> Connection:
        """Open a connection in autocommit mode."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            autocommit=True,
            connect_timeout=HANG_TIMEOUT_SECONDS,
        )

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("USE drill")
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def execute_all(self, *statements: str) -> None:
        """Run statements without results, each in its own transaction."""
        super().execute_all("USE drill", *statements)

    def is_ready(self) -> bool:
        """Return whether it accepts connections; create the database if it does not exist."""
        try:
            super().execute_all("CREATE DATABASE IF NOT EXISTS drill")
        except pymysql.OperationalError:
            return False
        return True

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the table of orders against all other sessions."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES drill.orders WRITE")
            yield

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Make new sessions read-only, and terminate the others."""
        self.execute_all("SET GLOBAL tx_read_only = ON")
        for (number,) in self.query(
            "SELECT id FROM information_schema.processlist WHERE db = 'drill' AND id <> CONNECTION_ID()"
        ):
            with contextlib.suppress(pymysql.err.OperationalError):  # the session has ended
                self.execute_all(f"KILL {number}")
        yield
        self.execute_all("SET GLOBAL tx_read_only = OFF")

    def fail_order_inserts(self, *, every: int) -> None:
        """Signal a deadlock in a trigger. A sequence counts attempts, because a rollback does not reset it."""
        self.execute_all(
            "CREATE SEQUENCE IF NOT EXISTS tries NOCACHE",
            "ALTER SEQUENCE tries RESTART",
            "DROP TRIGGER IF EXISTS refuse",
            "CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW BEGIN NOT ATOMIC"
            f" IF NEXT VALUE FOR tries MOD {every} = 0 THEN"
            " SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'by the drill';"
            " END IF; END",
        )

    def order_insert_attempts(self) -> int:
        """Return the number of values taken from the sequence."""
        return int(self.query("SELECT next_not_cached_value FROM tries")[0][0]) - 1


class Redis(Server):
    """A Redis without persistence, unless `persistent` is set."""

    name = "redis"
    persistent = False
    """Whether its data survives a restart."""

    def command(self) -> list[str]:
        """Return the command; the server listens on loopback only."""
        return [
            *(program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "3600 1" if self.persistent else "", "--dir", str(self.folder)),
        ]

    @property
    def url(self) -> str:
        """The service's REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def is_ready(self) -> bool:
        """Return whether it responds."""
        try:
            with contextlib.closing(
                redis.Redis.from_url(self.url, socket_timeout=HANG_TIMEOUT_SECONDS)
            ) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def keys(self, pattern: str = "*") -> int:
        """Return the number of its keys."""
        with contextlib.closing(
            redis.Redis.from_url(self.url, socket_timeout=HANG_TIMEOUT_SECONDS)
        ) as client:
            return sum(1 for _ in client.scan_iter(pattern, count=1_000))


class Nginx(Server):
    """The proxy that the service ships, in front of its Gunicorn; only addresses and folders differ."""

    name = "nginx"
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

    def __init__(self, folder: Path, shipped: Path, upstream: int) -> None:
        self.shipped = shipped
        self.upstream = upstream
        super().__init__(folder)

    def prepare(self) -> None:
        """Write its configuration.

        Raises:
            LookupError: if a text to be replaced is missing in the shipped configuration.

        """
        folders = "".join(f"{each}_temp_path {self.folder}/{each};\n" for each in self.temporary)
        user = "user root;\n" if os.geteuid() == 0 else ""  # nginx runs as another user
        text = self.shipped.read_text(encoding="utf-8")
        for old, new in {
            "worker_processes auto;": f"{user}worker_processes 2;\ndaemon off;\npid pid;",
            "http {\n": f"http {{\n{folders}",
            "listen 80 ": f"listen 127.0.0.1:{self.port} ",
            "127.0.0.1:8000": f"127.0.0.1:{self.upstream}",
            "/var/log/nginx/access.log": f"{self.folder}/access.log",
        }.items():
            if old not in text:
                raise LookupError(old)
            text = text.replace(old, new)
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")

    def command(self) -> list[str]:
        """Return the command; the server stays in the foreground."""
        return [
            *(program("nginx"), "-e", str(self.folder / "error.log"), "-p", str(self.folder)),
            *("-c", str(self.folder / "nginx.conf")),
        ]

    def is_ready(self) -> bool:
        """Return whether it accepts connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), HANG_TIMEOUT_SECONDS).close()
        except OSError:
            return False
        return True

    def switch_upstream(self, upstream: int) -> None:
        """Change the upstream port and reload nginx, as an operator does.

        Old workers of nginx still send requests to the previous port, so wait until they have exited.
        """
        self.upstream = upstream
        self.prepare()
        if self.process:
            pid = self.process.pid
            before = children(pid)
            self.process.send_signal(signal.SIGHUP)
            wait_until(lambda: children(pid) and not children(pid) & before, "nginx has reloaded")


def children(pid: int) -> set[int]:
    """Return the process ids of the children of a process."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return set(map(int, listed.split()))


class Collector(Server):
    """A simulated OpenTelemetry collector: it accepts OTLP over HTTP and counts spans."""

    name = "collector"

    def command(self) -> list[str]:
        """Run the module `collector` with this Python."""
        return [sys.executable, "-P", str(Path(__file__).with_name("collector.py")), str(self.port)]

    @property
    def url(self) -> str:
        """The service's OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Return whether it responds."""
        try:
            self.spans()
        except OSError:
            return False
        return True

    def spans(self) -> int:
        """Return the number of spans received since its start."""
        with urllib.request.urlopen(self.url, timeout=HANG_TIMEOUT_SECONDS) as answer:  # noqa: S310  a URL on loopback
            return int(answer.read())


class RabbitMQ(Server):
    """A private RabbitMQ server."""

    name = "rabbitmq"
    account = "rabbitmq"

    def prepare(self) -> None:
        """Write its configuration: it listens on loopback, without plugins."""
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")

    def command(self) -> list[str]:
        """Run it in the foreground, without Debian's wrapper, which uses other folders."""
        direct = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin")
        return [direct or program("rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        """Keep all files in the folder, and listen on loopback only."""
        return super().environment() | {
            "RABBITMQ_NODENAME": f"drill-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    @property
    def url(self) -> str:
        """The service's BROKER_URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def is_ready(self) -> bool:
        """Return whether it speaks AMQP: to an invalid header it replies with its protocol version."""
        try:
            with socket.create_connection(
                ("127.0.0.1", self.port), timeout=HANG_TIMEOUT_SECONDS
            ) as asking:
                asking.sendall(b"AMQP\x00\x00\x00\x00")
                return asking.recv(4) == b"AMQP"
        except OSError:
            return False
