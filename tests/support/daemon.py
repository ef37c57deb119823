"""Runs freellmd with a configuration in a temporary folder."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from . import BUILD, stop_process, wait_until
from .rpc import RpcClient

COMPLAINTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "UndefinedBehaviorSanitizer")

DAEMON = BUILD / "daemon" / "freellmd"
SANITIZED = DAEMON.exists() and b"__asan_init" in DAEMON.read_bytes()


class Daemon:
    """A daemon with one provider called mock.

    mock      a support.mock.Mock, or None for no provider
    models    the models of the provider, each with the lines of its section: {"mock": {"context": 32768}}
    options   lines of [daemon], and other sections: {"cache": {...}}, {"provider mock": {...}}
    extra     text that is appended to the configuration
    env       environment variables besides the inherited ones
    wrap      a command to run it under, such as valgrind
    home      a folder of an earlier daemon to start in again
    """

    def __init__(self, mock=None, models=None, options=None, extra="", env=None, wrap=(), home=None, start=True):
        self.owns_home = home is None
        # Not pytest's folder: the path of a socket may have 107 bytes only.
        self.home = pathlib.Path(home or tempfile.mkdtemp(prefix="freellm-"))
        self.socket = self.home / "freellmd.sock"
        self.state = self.home / "state"
        self.config = self.home / "freellmd.ini"
        self.log_file = self.home / "log"
        self.wrap = tuple(wrap)
        self.env = env or {}
        self.process = None
        self._write_config(mock, models, options, extra)
        if start:
            self.start()

    def _write_config(self, mock, models, options, extra):
        sections = {"daemon": {"socket": self.socket, "state_dir": self.state}}
        if mock is not None:
            sections["provider mock"] = {"base_url": mock.url}
            for model, lines in (models or {"mock": {"context": 32768}}).items():
                sections[f"model mock/{model}"] = dict(lines)
        for name, lines in (options or {}).items():
            sections.setdefault(name, {}).update(lines)
        text = "".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items()) + "\n"
            for name, lines in sections.items())
        self.config.write_text(text + extra)

    def environment(self):
        """Without the keys, sockets and proxies of who runs the test."""
        foreign = re.compile(r".*_API_KEY.*|.*_TOKEN|.*_SECRET.*|FREELLM_SOCKET|.*_proxy|.*_PROXY|LISTEN_.*|NOTIFY_SOCKET")
        clean = {name: value for name, value in os.environ.items() if not foreign.fullmatch(name)}
        return {**clean, "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home), **self.env}

    def start(self):
        command = [*self.wrap, str(DAEMON), "--config", str(self.config)]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(), cwd=self.home)
        wait_until(self._answers, "the daemon to listen")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def _status(self, file, name):
        text = pathlib.Path(f"/proc/{self.pid}/{file}").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M).group(1)) * 1024

    @property
    def rss(self):
        """Resident memory in bytes."""
        return self._status("status", "VmRSS")

    def memory_is_below(self, limit):
        """Is the resident memory below so many bytes? A sanitizer keeps what is freed: then it is not looked at."""
        return SANITIZED or self.rss < limit

    @property
    def private(self):
        """Memory in bytes that is nobody else's."""
        return self._status("smaps_rollup", "Private_Dirty") + self._status("smaps_rollup", "Private_Clean")

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def client(self):
        return RpcClient(self.socket)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """As kill -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, expect=0):
        """Ends it with SIGTERM, and checks its exit status and that no sanitizer complained."""
        if self.process is None:
            return
        process, self.process = self.process, None
        status = stop_process(process, signal.SIGTERM, "the daemon")
        log = self.log
        assert status == expect, f"the daemon ended with {status}:\n{log}"
        for complaint in COMPLAINTS:
            assert complaint not in log, log

    def restart(self):
        self.stop()
        self.start()

    def remove(self):
        if self.process is not None:
            self.kill()
        if self.owns_home:
            shutil.rmtree(self.home, ignore_errors=True)
