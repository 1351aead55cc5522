"""Three PostgreSQL that Patroni keeps as one, on this machine: each node is an etcd, a Patroni and its PostgreSQL.

Changes are acknowledged when a second node has them (`synchronous_mode_strict`). Needs the system's packages `patroni`,
`etcd-server` and `postgresql`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from database_breaking import Place, Unwell
from postgres_servers import as_user, free_port, tree, user_id
from servers import until

from cocoannot.store.postgres.schema import upgrade

_LIMIT = 120.0
_ACKNOWLEDGED = 10.0
_TIMELINE = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int4"
_BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
is_installed = _BIN is not None and all(shutil.which(each) for each in ("patroni", "etcd"))


@dataclass
class Node:
    """One of three, in a folder of its own."""

    number: int
    folder: Path
    etcd_port: int = field(default_factory=free_port)
    peer_port: int = field(default_factory=free_port)
    rest_port: int = field(default_factory=free_port)
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"node{self.number}"

    def all_processes(self, *, etcd: bool = True) -> list[int]:
        """All that runs of it, or all but `etcd`."""
        some = [each for name, each in self.processes.items() if etcd or name != "etcd"]
        found = [pid for each in some for pid in tree(each.pid)]
        with suppress(OSError, ValueError, IndexError):
            # Patroni starts it as a process of its own.
            found += tree(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        return found

    def signal(self, number: signal.Signals, *, etcd: bool = True) -> None:
        """Send a signal to all of them, or to all but `etcd`."""
        for pid in self.all_processes(etcd=etcd):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill -9 of everything, as if its power were cut."""
        self.signal(signal.SIGKILL)
        for each in self.processes.values():
            each.wait(_LIMIT)

    def ask(self, path: str, body: object = None) -> Any:
        """What its Patroni says. Raises `OSError`."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.rest_port}{path}", data)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith(b"{") else text.decode()


class Cluster:
    """Three nodes. `timeline` is that of the leader when it took changes last, and `highest` the highest that was."""

    timeline = highest = 0

    def __init__(self, folder: Path) -> None:
        self.nodes = [Node(number, folder / f"node{number}") for number in range(3)]
        for node in self.nodes:
            node.folder.mkdir()
            (node.folder / "patroni.yml").write_text(json.dumps(self._settings(node)))
            if (uid := user_id()) is not None:
                os.chown(node.folder, uid, -1)

    def uri(self, database: str = "cocoannot") -> str:
        """All of them; a client finds the one that takes changes."""
        return f"postgresql://postgres@{','.join(f'127.0.0.1:{each.port}' for each in self.nodes)}/{database}"

    def start(self, nodes: Sequence[Node] | None = None) -> None:
        """Start nodes, all of them if none is said."""
        for node in nodes or self.nodes:
            peers = ",".join(f"{each.name}=http://127.0.0.1:{each.peer_port}" for each in self.nodes)
            client, peer = (f"http://127.0.0.1:{port}" for port in (node.etcd_port, node.peer_port))
            options = {
                "name": node.name,
                "data-dir": str(node.folder / "etcd"),
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": peers,
                "heartbeat-interval": "200",
                "election-timeout": "2000",
            }
            self._run(node, "etcd", ["etcd", *(f"--{name}={value}" for name, value in options.items())])
            self.start_patroni(node)

    def start_patroni(self, node: Node) -> None:
        """Start it alone, where the rest of the node runs."""
        self._run(node, "patroni", ["/usr/bin/patroni", str(node.folder / "patroni.yml")])

    def stop(self) -> None:
        """End everything, at once."""
        for node in self.nodes:
            node.kill()

    def leader(self) -> Node | None:
        """The node that Patroni says leads, `None` for none."""
        for node in self.nodes:
            with suppress(OSError):
                members = node.ask("/cluster")["members"]
                names = [each["name"] for each in members if each["role"] == "leader"]
                return next((each for each in self.nodes if each.name in names), None)
        return None

    def is_whole(self) -> bool:
        """Whether all three work, and one of the others has all that the leader has."""
        with suppress(OSError):
            members = self.nodes[0].ask("/cluster")["members"]
            states = [(each["role"], each["state"]) for each in members]
            return (
                len(states) == 3
                and all(state in ("running", "streaming") for _, state in states)
                and sum(role == "leader" for role, _ in states) == 1
                and any(role == "sync_standby" for role, _ in states)
            )
        return False

    def takes_changes(self) -> bool:
        """Whether a change is acknowledged, within some seconds."""
        warnings: list[str | None] = []
        with suppress(psycopg.Error):
            options: dict[str, Any] = {"connect_timeout": 2, "target_session_attrs": "read-write", "autocommit": True}
            with psycopg.connect(self.uri("postgres"), **options) as connection:
                connection.add_notice_handler(lambda told: warnings.append(told.severity_nonlocalized))
                # No second node has it: that may be so for ever, and then there is a warning.
                timer = threading.Timer(_ACKNOWLEDGED, connection.cancel)
                timer.start()
                try:
                    connection.execute("CREATE TABLE IF NOT EXISTS probe (at timestamptz)")
                    connection.execute("INSERT INTO probe VALUES (now())")
                    row = connection.execute(_TIMELINE).fetchone()
                finally:
                    timer.cancel()
            assert row is not None
            self.timeline = row[0]
            self.highest = max(self.highest, self.timeline)
            return "WARNING" not in warnings
        return False

    def states(self) -> dict[str, str]:
        """What each Patroni says of all of them."""
        found: dict[str, str] = {}
        for node in self.nodes:
            try:
                members = node.ask("/cluster")["members"]
                found[node.name] = ", ".join(f"{each['name']} {each['role']} {each['state']}" for each in members)
            except OSError as exc:
                found[node.name] = str(exc)
        return found

    def _run(self, node: Node, name: str, command: Sequence[str]) -> None:
        assert _BIN is not None
        env = {"PATH": f"{_BIN}:/usr/bin:/bin", "HOME": str(node.folder), "LC_ALL": "C.UTF-8"}
        with (node.folder / f"{name}.log").open("ab") as log:
            node.processes[name] = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_user(),
            )

    def _settings(self, node: Node) -> dict[str, Any]:
        known = {"max_connections": 100, "wal_log_hints": "on", "shared_buffers": "32MB"}
        return {
            "scope": "proof",
            "name": node.name,
            "restapi": dict.fromkeys(("listen", "connect_address"), f"127.0.0.1:{node.rest_port}"),
            "etcd3": {"hosts": [f"127.0.0.1:{each.etcd_port}" for each in self.nodes]},
            "bootstrap": {
                "dcs": {
                    "ttl": 20,
                    "loop_wait": 2,
                    "retry_timeout": 5,
                    "synchronous_mode": True,
                    "synchronous_mode_strict": True,
                    "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": known},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                **dict.fromkeys(("listen", "connect_address"), f"127.0.0.1:{node.port}"),
                "data_dir": str(node.folder / "data"),
                "bin_dir": str(_BIN),
                "pgpass": str(node.folder / "pgpass"),
                "authentication": {
                    role: {"username": name, "password": "x"}
                    for role, name in (("superuser", "postgres"), ("replication", "copies"), ("rewind", "rewinds"))
                },
                "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
                "parameters": {"unix_socket_directories": ""},
            },
        }


@dataclass
class ClusterPlace(Place):
    """Servers of a dataset in a cluster."""

    cluster: Cluster

    def leader(self) -> Node:
        """The node that leads, once all three are well."""
        try:
            until(self.cluster.is_whole, "three nodes are well", _LIMIT)
        except AssertionError as exc:
            raise Unwell(f"Patroni has not made the cluster whole: {self.cluster.states()}") from exc
        leader = self.cluster.leader()
        assert leader is not None
        return leader

    def check(self) -> None:
        if not self.cluster.takes_changes():
            raise Unwell(f"the cluster takes no changes: {self.cluster.states()}")
        if self.cluster.timeline < self.cluster.highest:
            raise Unwell(
                f"Patroni went back from timeline {self.cluster.highest} to {self.cluster.timeline}: what was "
                f"acknowledged on the higher one is lost: {self.cluster.states()}"
            )


def switch_over(place: ClusterPlace) -> None:
    """The operator makes another node the leader."""
    leader = place.leader()
    leader.ask("/switchover", {"leader": leader.name})
    until(place.cluster.takes_changes, "the cluster takes changes", _LIMIT)


def kill_leading_postgres(place: ClusterPlace) -> None:
    """Kill -9 of the PostgreSQL that leads; its Patroni notices."""
    leader = place.leader()
    for pid in tree(int((leader.folder / "data" / "postmaster.pid").read_text().split()[0])):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(place.cluster.takes_changes, "the cluster takes changes", _LIMIT)


def kill_leading_node(place: ClusterPlace) -> None:
    """Kill -9 of all processes of the node that leads; it starts again when another one leads."""
    leader = place.leader()
    leader.kill()
    until(place.cluster.takes_changes, "the cluster takes changes", _LIMIT)
    place.go_on(5)
    place.cluster.start([leader])


def kill_other_node(place: ClusterPlace) -> None:
    """Kill -9 of a node that does not lead, perhaps the one that has to acknowledge."""
    leader = place.leader()
    other = place.chance.choice([each for each in place.cluster.nodes if each is not leader])
    other.kill()
    until(place.cluster.takes_changes, "the cluster takes changes", _LIMIT)
    place.go_on(5)
    place.cluster.start([other])


def pause_leading_postgres(place: ClusterPlace) -> None:
    """The PostgreSQL that leads stops (SIGSTOP) with all connections, and its Patroni is killed.

    When another one leads it goes on as if it led still, and shows what it never acknowledged. Then its Patroni starts.
    That is not stopped too: a Patroni 3.0 that goes on takes the lock from the new leader, without a look at whose it
    is, and what was acknowledged meanwhile is lost.
    """
    leader = place.leader()
    patroni = leader.processes.pop("patroni")
    patroni.kill()
    patroni.wait(_LIMIT)
    leader.signal(signal.SIGSTOP, etcd=False)
    try:
        until(place.cluster.takes_changes, "the cluster takes changes", _LIMIT)
        place.go_on(5)
    finally:
        leader.signal(signal.SIGCONT, etcd=False)
    options: dict[str, Any] = {"autocommit": True, "connect_timeout": 5}
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{leader.port}/cocoannot", **options) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    place.go_on(20)
    place.cluster.start_patroni(leader)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster with an up-to-date database `cocoannot`."""
    folder = Path(tempfile.mkdtemp(prefix="cocoannot-cluster-"))
    folder.chmod(0o755)
    cluster = Cluster(folder)
    try:
        cluster.start()
        until(cluster.is_whole, "three nodes are well", _LIMIT)
        until(cluster.takes_changes, "the cluster takes changes", _LIMIT)
        with psycopg.connect(cluster.uri("postgres"), autocommit=True, target_session_attrs="read-write") as connection:
            connection.execute("CREATE DATABASE cocoannot")
        upgrade(cluster.uri() + "?target_session_attrs=read-write")
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
