"""Real services for tests and benchmarks: an S3 server (Ceph RGW) and a PostgreSQL, on loopback, in a temporary folder.

    python -m tests.services.servers COMMAND...      runs the command with both, and stops them

The command finds them in its environment: `MPR_TEST_S3_ENDPOINT_URL`, `MPR_TEST_S3_KEY`, `MPR_TEST_S3_SECRET` and
`MPR_TEST_POSTGRES_URL`. A service whose address is set already is taken as it is. Programs that are not installed are
fetched from Debian's packages, which takes a user who may. What is stored is gone at the end.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

S3_URL, S3_KEY, S3_SECRET = "MPR_TEST_S3_ENDPOINT_URL", "MPR_TEST_S3_KEY", "MPR_TEST_S3_SECRET"
POSTGRES_URL = "MPR_TEST_POSTGRES_URL"
KEY, SECRET = "testkey", "testsecret"

S3_PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
S3_PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool")
START_S = 90

FSID, OSD_ID = "6a5d1c1e-0000-4000-8000-000000000001", "6a5d1c1e-0000-4000-8000-000000000002"
CEPH_CONF = """
[global]
fsid = {fsid}
mon host = 127.0.0.1:{mon_port}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
log file = {folder}/$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail crit = 1
mon osd full ratio = 0.99
osd objectstore = memstore
memstore device bytes = 4294967296
osd op num shards = 2
ms bind msgr2 = false
{user}
[mon.a]
mon data = {folder}/mon
mon addr = 127.0.0.1:{mon_port}
[osd.0]
osd data = {folder}/osd
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 32
rgw data = {folder}/rgw
"""


class NoService(Exception):
    """A service cannot be had here; the message is one sentence."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class S3Server:
    """Ceph RGW over one OSD that keeps its objects in memory; `kill` and `start` its front end as a fault would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._environ = os.environ | {"CEPH_CONF": str(folder / "ceph.conf")}
        self.url = f"http://127.0.0.1:{self._port}"

    def set_up(self) -> None:
        """Start everything, the front end included."""
        install(S3_PROGRAMS, S3_PACKAGES, "the S3 server")
        folder, mon_port = self._folder, free_port()
        for name in ("mon", "osd", "run"):
            (folder / name).mkdir(parents=True)
        user = "setuser = root\nsetgroup = root" if os.geteuid() == 0 else ""
        conf = CEPH_CONF.format(folder=folder, fsid=FSID, mon_port=mon_port, port=self._port, user=user)
        (folder / "ceph.conf").write_text(conf)
        monmap = str(folder / "monmap")
        self._run("monmaptool", "--create", "--clobber", "--fsid", FSID, "--addv", "a",
                  f"[v1:127.0.0.1:{mon_port}]", monmap)  # fmt: skip
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._run("ceph-mon", "-i", "a")
        self._run_when_ready("ceph", "osd", "new", OSD_ID)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", OSD_ID)
        self._run_when_ready("ceph-osd", "-i", "0")
        self.start()
        self._run("radosgw-admin", "user", "create", "--uid=test", "--display-name=test",
                  f"--access-key={KEY}", f"--secret-key={SECRET}")  # fmt: skip

    def start(self) -> None:
        """The front end, which answers when this returns."""
        self._run("radosgw", "-n", "client.rgw")
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise NoService(f"The S3 server does not answer at {self.url} within {START_S} s; see {self._folder}/*.log.")

    def kill(self) -> None:
        """End the front end at once; what it stored stays."""
        end(self._folder / "run" / "client.rgw.pid", signal.SIGKILL)

    def stop(self) -> None:
        for pid_file in sorted((self._folder / "run").glob("*.pid")):
            end(pid_file, signal.SIGKILL)

    def _run_when_ready(self, *command: str) -> None:
        """A monitor that has just started refuses what it takes a second later; a storage daemon tells so and ends."""
        end_s = time.monotonic() + START_S
        while True:
            try:
                return self._run(*command)
            except NoService:
                if time.monotonic() > end_s:
                    raise
                time.sleep(1)

    def _run(self, *command: str) -> None:
        try:
            subprocess.run(command, env=self._environ, check=True, capture_output=True, text=True, timeout=START_S)
        except subprocess.TimeoutExpired as error:
            raise NoService(f"The S3 server does not start: {command[0]} takes longer than {START_S} s.") from error
        except subprocess.CalledProcessError as error:
            said = (error.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise NoService(f"The S3 server does not start: {command[0]} failed ({said}).") from error


class PostgresServer:
    """A PostgreSQL cluster of its own; `kill` and `start` it as a fault would."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._port = free_port()
        self.url = f"postgresql+psycopg2://mpr@127.0.0.1:{self._port}/mpr"

    def set_up(self) -> None:
        """Make the cluster and its empty database."""
        if not postgres_program("initdb"):
            install(("pg_ctlcluster",), ("postgresql",), "PostgreSQL")
        if not postgres_program("initdb"):
            raise NoService("PostgreSQL is not installed; install Debian's package postgresql.")
        self._data.mkdir(parents=True)
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            for folder in (self._data, self._data.parent):
                shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(self._data), "-U", "mpr", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "mpr", "mpr")

    def start(self) -> None:
        """The server, which answers when this returns."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = str(self._data.parent / "postgres.log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", str(START_S), "-l", log, "-o", options, "start")

    def kill(self) -> None:
        """End it at once, as a power failure would."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def stop(self) -> None:
        if (self._data / "postmaster.pid").exists():
            self.kill()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(postgres_program(program)), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        # Not captured by pipes: the server that pg_ctl starts would keep them open.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/", check=False)
            if done.returncode:
                said.seek(0)
                last = (said.read().strip().splitlines() or ["it says nothing"])[-1]
                raise NoService(f"PostgreSQL does not start: {program} failed ({last}).")


def postgres_program(name: str) -> Path | None:
    """Of the newest version that is installed; Debian does not put them on the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which(name)
    return Path(found) if found else None


def install(programs: tuple[str, ...], packages: tuple[str, ...], what: str) -> None:
    """Have the programs, from Debian's packages if they are not here.

    Raises:
        NoService: they are not, and cannot be fetched.
    """
    missing = [program for program in programs if not shutil.which(program)]
    if not missing:
        return
    by_hand = f"install Debian's packages {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise NoService(f"There is no {missing[0]} for {what} here, and no apt-get to fetch it; {by_hand}.")
    root: list[str] = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if root and not shutil.which("sudo"):
        raise NoService(f"There is no {missing[0]} for {what} here, and user {me()} may not fetch it; {by_hand}.")
    print(f"servers: fetching {' '.join(packages)}", file=sys.stderr)
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run([*root, *quiet, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise NoService(f"{what.capitalize()} cannot be fetched: apt-get {command[0]} failed ({said}); {by_hand}.")


def me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def end(pid_file: Path, how: signal.Signals) -> None:
    """End the process of the file, and wait until it is gone."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    pid_file.unlink()
    try:
        os.kill(pid, how)
        for _ in range(200):
            os.kill(pid, 0)
            time.sleep(0.05)
    except ProcessLookupError:
        return
    raise NoService(f"Process {pid} does not end.")


@contextmanager
def services(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Both, as variables to add to the environment. Those that it names already are left as they are."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mpr-services-")))
        folder.chmod(0o755)  # PostgreSQL's user goes through it
        found: dict[str, str] = {}
        if S3_URL not in environ:
            s3 = S3Server(folder / "s3")
            stack.callback(s3.stop)
            s3.set_up()
            found |= {S3_URL: s3.url, S3_KEY: KEY, S3_SECRET: SECRET}
        if POSTGRES_URL not in environ:
            postgres = PostgresServer(folder / "postgres")
            stack.callback(postgres.stop)
            postgres.set_up()
            found[POSTGRES_URL] = postgres.url
        yield found


def main() -> int:
    """Exit status of the command; 3 where a service cannot be had."""
    if len(sys.argv) < 2:
        print(f"usage: python -m tests.services.servers COMMAND...\n\n{__doc__}", file=sys.stderr)
        return 2
    # So that a terminal's or a supervisor's wish to end goes through the clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with services(os.environ) as found:
            return subprocess.run(sys.argv[1:], env=os.environ | found, check=False).returncode
    except NoService as error:
        print(f"servers: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
