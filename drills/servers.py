"""Private servers for the drills: on loopback, in a temporary folder, stopped by their own id.

Nothing here touches a server that runs on the machine already. What is not installed skips the
drills that need it, with a sentence.
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

PLACES = os.pathsep.join(
    [
        os.environ.get("PATH", ""),
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
        "/usr/sbin",
        "/usr/lib/rabbitmq/bin",
    ]
)


class MissingServerError(Exception):
    """A server that is not installed here; the message says which program was looked for."""


def program(name: str) -> str:
    """Return where a program is."""
    found = shutil.which(name, path=PLACES)
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
    """A process of ours that can be stopped and started again on its port."""

    name: ClassVar[str]
    account: ClassVar[str | None] = None
    """Whom it runs as when we are root; some refuse to be root."""
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
        """Make what it needs before the first start."""

    def command(self) -> list[str]:
        """Say how it is started."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes."""
        return {"PATH": PLACES, "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def answers(self) -> bool:
        """Tell whether it serves."""
        raise NotImplementedError

    def run(self, *command: str) -> None:
        """Run a command as the server's user; its output is shown only when it fails."""
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
        """Start it, and wait until it serves."""
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
        wait_until(self.answers, f"{self.name} starts")

    def stop(self) -> None:
        """Stop it, and wait until it is gone."""
        if self.process:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(HANG_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class Database(Server):
    """A database server, as the drills use it."""

    answer: ClassVar[str]
    """What the question `database` is answered with."""

    @property
    def url(self) -> str:
        """The service's DATABASE_URL."""
        raise NotImplementedError

    def connect(self) -> "Connection":
        """Open a connection of the drill's own, without a transaction around each statement."""
        raise NotImplementedError

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def do(self, *statements: str) -> None:
        """Run statements that return nothing, each one a transaction."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Lock the table of orders against all others."""
        raise NotImplementedError

    def read_only(self) -> contextlib.AbstractContextManager[None]:
        """Give all clients read-only sessions, as a failover to a standby does.

        Who got one keeps it afterwards.
        """
        raise NotImplementedError

    def order_refusals(self, *, every: int) -> None:
        """Let one in `every` inserts of an order end like a serialization failure."""
        raise NotImplementedError

    def order_tries(self) -> int:
        """Return how many inserts of orders were tried since `order_refusals`."""
        raise NotImplementedError


class Cursor(Protocol):
    """What both drivers offer."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def execute(self, statement: str, values: Any = None, /) -> object: ...  # noqa: ANN401, D102
    def fetchall(self) -> Any: ...  # noqa: ANN401, D102


class Connection(Protocol):
    """What both drivers offer."""

    def cursor(self) -> Cursor: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class PostgreSQL(Database):
    """A cluster of its own."""

    name = "postgresql"
    answer = "postgresql"
    account = "postgres"
    stop_signal = signal.SIGINT  # its fast shutdown: open transactions are cut off

    def prepare(self) -> None:
        """Make the cluster."""
        self.run(
            *(program("initdb"), "--pgdata=data", "--auth=trust", "--username=drill"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        )

    def command(self) -> list[str]:
        """Listen on loopback alone."""
        return [
            *(program("postgres"), "-D", "data", "-p", str(self.port), "-k", str(self.folder)),
            *("-c", "listen_addresses=127.0.0.1"),
        ]

    @property
    def url(self) -> str:
        """The service's DATABASE_URL."""
        return f"postgresql://drill@127.0.0.1:{self.port}/postgres"

    def connect(self) -> Connection:
        """Open a connection."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=HANG_TIMEOUT_SECONDS)  # type: ignore[return-value]  # any string is a query here

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the table of orders against all others."""
        with psycopg.connect(self.url) as connection:
            connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            yield

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Make new sessions read-only, and end the old ones."""
        others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> "
        self.do(
            "ALTER DATABASE postgres SET default_transaction_read_only = on",
            f"SELECT pg_terminate_backend(pid) {others} pg_backend_pid()",
        )
        yield
        self.do(
            "SET default_transaction_read_only = off",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
        )

    def order_refusals(self, *, every: int) -> None:
        """Raise SQLSTATE 40001 in a trigger, counted by a sequence, which no rollback resets."""
        self.do(
            "CREATE SEQUENCE IF NOT EXISTS tries",
            "ALTER SEQUENCE tries RESTART",
            "DROP TRIGGER IF EXISTS refuse ON orders",
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF nextval('tries') % {every} = 0 THEN"
            " RAISE EXCEPTION 'by the drill' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()",
        )

    def order_tries(self) -> int:
        """Return the sequence's value."""
        return int(self.rows("SELECT last_value FROM tries")[0][0])


class PgBouncer(Server):
    """A pooler in transaction mode before a PostgreSQL, with fewer sessions than clients."""

    name = "pgbouncer"
    account = "postgres"
    behind: ClassVar[str]
    """Where the database is, as libpq's keywords say it."""

    def prepare(self) -> None:
        """Write its configuration: who may connect is settled behind it."""
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = {self.behind}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
            "pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n"
        )

    def command(self) -> list[str]:
        """Run it in the foreground."""
        return [program("pgbouncer"), str(self.folder / "pgbouncer.ini")]

    def url(self, database: str) -> str:
        """Return the address of a database behind it."""
        return f"postgresql://anybody@127.0.0.1:{self.port}/{database}"

    def answers(self) -> bool:
        """Tell whether it passes on."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=HANG_TIMEOUT_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True


class MariaDB(Database):
    """A data folder of its own."""

    name = "mariadb"
    answer = "mysql"
    account = "mysql"

    def prepare(self) -> None:
        """Make the data folder."""
        self.run(
            *(program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        )

    def command(self) -> list[str]:
        """Listen on loopback alone."""
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
        """Open a connection."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            autocommit=True,
            connect_timeout=HANG_TIMEOUT_SECONDS,
        )

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("USE drill")
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def do(self, *statements: str) -> None:
        """Run statements that return nothing, each one a transaction."""
        super().do("USE drill", *statements)

    def answers(self) -> bool:
        """Tell whether it takes connections, and make the database the first time."""
        try:
            super().do("CREATE DATABASE IF NOT EXISTS drill")
        except pymysql.OperationalError:
            return False
        return True

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the table of orders against all others."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES drill.orders WRITE")
            yield

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Make new sessions read-only, and end the old ones."""
        self.do("SET GLOBAL tx_read_only = ON")
        for (number,) in self.rows(
            "SELECT id FROM information_schema.processlist WHERE db = 'drill' AND id <> CONNECTION_ID()"
        ):
            with contextlib.suppress(pymysql.err.OperationalError):  # one that has ended meanwhile
                self.do(f"KILL {number}")
        yield
        self.do("SET GLOBAL tx_read_only = OFF")

    def order_refusals(self, *, every: int) -> None:
        """Signal a deadlock in a trigger, counted by a sequence, which no rollback resets."""
        self.do(
            "CREATE SEQUENCE IF NOT EXISTS tries NOCACHE",
            "ALTER SEQUENCE tries RESTART",
            "DROP TRIGGER IF EXISTS refuse",
            "CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW BEGIN NOT ATOMIC"
            f" IF NEXT VALUE FOR tries MOD {every} = 0 THEN"
            " SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'by the drill';"
            " END IF; END",
        )

    def order_tries(self) -> int:
        """Return what the sequence has reached."""
        return int(self.rows("SELECT next_not_cached_value FROM tries")[0][0]) - 1


class Redis(Server):
    """A Redis that keeps nothing on disk, unless a test asks for it."""

    name = "redis"
    keeps = False
    """Whether it has after a stop what it had before."""

    def command(self) -> list[str]:
        """Listen on loopback alone."""
        return [
            *(program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "3600 1" if self.keeps else "", "--dir", str(self.folder)),
        ]

    @property
    def url(self) -> str:
        """The service's REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            with contextlib.closing(
                redis.Redis.from_url(self.url, socket_timeout=HANG_TIMEOUT_SECONDS)
            ) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def keys(self, pattern: str = "*") -> int:
        """Return how many keys it has."""
        with contextlib.closing(
            redis.Redis.from_url(self.url, socket_timeout=HANG_TIMEOUT_SECONDS)
        ) as client:
            return sum(1 for _ in client.scan_iter(pattern, count=1_000))


class Nginx(Server):
    """The proxy that the service ships, before its Gunicorn; only addresses and folders differ."""

    name = "nginx"
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

    def __init__(self, folder: Path, shipped: Path, upstream: int) -> None:
        self.shipped = shipped
        self.upstream = upstream
        super().__init__(folder)

    def prepare(self) -> None:
        """Write its configuration.

        Raises:
            LookupError: when the shipped one has not what is to be replaced.

        """
        folders = "".join(f"{each}_temp_path {self.folder}/{each};\n" for each in self.temporary)
        user = "user root;\n" if os.geteuid() == 0 else ""  # it has to get at these folders
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
        """Run it in the foreground."""
        return [
            *(program("nginx"), "-e", str(self.folder / "error.log"), "-p", str(self.folder)),
            *("-c", str(self.folder / "nginx.conf")),
        ]

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), HANG_TIMEOUT_SECONDS).close()
        except OSError:
            return False
        return True

    def point(self, upstream: int) -> None:
        """Send requests to another port from now on, as an operator does: change, and reload.

        Its old workers still pass requests to the port before; it may stop when they have ended.
        """
        self.upstream = upstream
        self.prepare()
        if self.process:
            pid = self.process.pid
            before = children(pid)
            self.process.send_signal(signal.SIGHUP)
            wait_until(lambda: children(pid) and not children(pid) & before, "nginx has reloaded")


def children(pid: int) -> set[int]:
    """Return the ids of a process' children."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return set(map(int, listed.split()))


class Collector(Server):
    """A stand-in for the OpenTelemetry collector: it takes OTLP over HTTP and counts spans."""

    name = "collector"

    def command(self) -> list[str]:
        """Run the stand-in with this Python."""
        return [sys.executable, "-P", str(Path(__file__).with_name("collector.py")), str(self.port)]

    @property
    def url(self) -> str:
        """The service's OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            self.spans()
        except OSError:
            return False
        return True

    def spans(self) -> int:
        """Return how many spans it has been sent since it was started."""
        with urllib.request.urlopen(self.url, timeout=HANG_TIMEOUT_SECONDS) as answer:  # noqa: S310  our own
            return int(answer.read())


class RabbitMQ(Server):
    """A broker of its own."""

    name = "rabbitmq"
    account = "rabbitmq"

    def prepare(self) -> None:
        """Say where to listen; without this it would listen everywhere, and with plugins."""
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")

    def command(self) -> list[str]:
        """Run it in the foreground, without Debian's wrapper, which has files of its own."""
        direct = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin")
        return [direct or program("rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        """Keep everything in the folder, and listen on loopback alone."""
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

    def answers(self) -> bool:
        """Tell whether it speaks AMQP: it says which version it wants to one who asks for none."""
        try:
            with socket.create_connection(
                ("127.0.0.1", self.port), timeout=HANG_TIMEOUT_SECONDS
            ) as asking:
                asking.sendall(b"AMQP\x00\x00\x00\x00")
                return asking.recv(4) == b"AMQP"
        except OSError:
            return False
