"""Starts and stops what is measured, and runs the load generator against it."""
import contextlib
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[-1], CORES[0]
PATIENCE_S = 30
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  upstream mock {{
    server {upstream};
    keepalive 2048;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_read_timeout 1h;
  server {{
    listen unix:{folder}/nginx.sock backlog=2048;
    location /v1/ {{ proxy_pass http://mock; }}
    location /streams/ {{ proxy_pass http://mock/; proxy_buffering off; }}
  }}
}}
"""

FREELLMD = """
[daemon]
socket = {folder}/freellmd.sock
state_dir = {folder}/{name}-state
log_level = warning

[limits]
max_sessions = 4000
max_transfers = 4000

[http]
max_connections = 1000

[provider bench]
base_url = http://{upstream}/v1
key = env:BENCH_KEY

[model bench/m]
context = 32768
"""


class Broken(Exception):
    """Something did not start, or an answer was wrong."""


def missing_programs(install):
    programs = {"nginx": "nginx-light", "redis-server": "redis-server"}

    def missing():
        return {program for program in programs if not shutil.which(program, path=PATH)}

    absent = missing()
    if absent and install:
        packages = " ".join(programs[program] for program in absent)
        subprocess.run(["bash", "-c", f"source .ci/packages && packages_install {packages}"], cwd=ROOT, check=False)
    return sorted(missing())


def describe_machine(build):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    kind = next(option["value"] for option in options if option["name"] == "buildtype")
    warning = "" if kind == "release" else "; NOT A RELEASE BUILD"
    return (f"{model}, {len(CORES)} cores, Linux {platform.release()}; server on core {SERVER_CORE}, load generator and "
            f"mock provider on core {LOAD_CORE}; load average {os.getloadavg()[0]:.1f}{warning}")


def children_of(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Server:
    """One running process and how to talk to it. Its standard error is in NAME.err."""

    def __init__(self, name, process, dialect, address, path="/v1/chat/completions",
                 stream_path="/v1/chat/completions"):
        self.name, self.process, self.dialect, self.address = name, process, dialect, str(address)
        self.path, self.stream_path = path, stream_path
        self.pid = process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.address.startswith("/"):
            pathlib.Path(self.address).unlink(missing_ok=True)


def options_of(values):
    for name, value in values.items():
        if value is True:
            yield "--" + name.replace("_", "-")
        elif value is not None and value is not False:
            yield from ("--" + name.replace("_", "-"), str(value))


class Bench:
    def __init__(self, folder, args, missing):
        self.folder, self.args, self.missing = folder, args, missing
        self.running = []
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))
        self.environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": str(folder), "BENCH_KEY": "bench"}

    def __enter__(self):
        self.mock = self.start_mock()
        return self

    def __exit__(self, *_):
        for server in reversed(self.running):
            server.stop()

    def spawn(self, name, core, *command, **more):
        log = open(self.folder / f"{name}.err", "ab")
        pinned = ["taskset", "-c", str(core)] if len(CORES) > 1 else []
        return subprocess.Popen([*pinned, *map(str, command)], stdin=subprocess.DEVNULL, stderr=log,
                                env=self.environment, cwd=self.folder, **more)

    def keep(self, server, probe=None):
        """Waits until the server listens."""
        self.running.append(server)
        deadline = time.monotonic() + PATIENCE_S
        while probe and not probe.exists():
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise Broken(f"{server.name} did not start:\n" + self.log_of(server.name))
            time.sleep(0.02)
        time.sleep(0.2)
        return server

    def log_of(self, name):
        log = self.folder / f"{name}.err"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def start_mock(self):
        process = self.spawn("mock", LOAD_CORE, self.args.build / "tests/freellm-mock", "--no-log",
                             stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline()
        if not line.startswith("listening on http://"):
            raise Broken("the mock provider did not start:\n" + self.log_of("mock"))
        self.upstream = line.strip().removeprefix("listening on http://")
        return self.keep(Server("mock", process, "http", self.upstream))

    def start_nginx(self):
        if "nginx" in self.missing:
            return None
        user = "user root;" if os.geteuid() == 0 else ""
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, upstream=self.upstream, user=user))
        process = self.spawn("nginx", SERVER_CORE, "nginx", "-p", self.folder, "-e", self.folder / "nginx.log",
                             "-c", config)
        server = self.keep(Server("nginx", process, "http", self.folder / "nginx.sock",
                                  stream_path="/streams/v1/chat/completions"), self.folder / "nginx.sock")
        workers = children_of(process.pid)
        if len(workers) != 1:
            raise Broken(f"nginx has {len(workers)} workers:\n" + self.log_of("nginx"))
        server.pid = workers[0]
        return server

    def start_bare(self):
        address = self.folder / "bare.sock"
        process = self.spawn("libuv-curl", SERVER_CORE, self.args.build / "tests/bench/bare_proxy", address,
                             f"http://{self.upstream}/v1/chat/completions")
        return self.keep(Server("libuv-curl", process, "http", address), address)

    def start_echo(self):
        address = self.folder / "echo.sock"
        process = self.spawn("libuv-echo", SERVER_CORE, self.args.build / "tests/bench/echo_server", address)
        return self.keep(Server("libuv-echo", process, "echo", address), address)

    def start_redis(self):
        if "redis-server" in self.missing:
            return None
        address = self.folder / "redis.sock"
        process = self.spawn("redis-get", SERVER_CORE, "redis-server", "--port", 0, "--unixsocket", address, "--save", "",
                             "--appendonly", "no", "--dir", self.folder, "--maxclients", 4000,
                             stdout=subprocess.DEVNULL)
        return self.keep(Server("redis-get", process, "resp", address), address)

    def start_freellmd(self):
        config, address = self.folder / "freellmd.ini", self.folder / "freellmd.sock"
        config.write_text(FREELLMD.format(folder=self.folder, upstream=self.upstream, name="freellmd"))
        process = self.spawn("freellmd", SERVER_CORE, self.args.build / "daemon/freellmd", "--config", config)
        return self.keep(Server("freellmd", process, "freellm", address), address)

    def stop(self, server):
        self.running.remove(server)
        server.stop()

    def load_command(self, server, options):
        if options.get("chunks") and server.dialect == "http":
            options.setdefault("path", server.stream_path)
        elif server.dialect == "http":
            options.setdefault("path", server.path)
        options.setdefault("value_bytes", self.args.value_bytes)
        command = [self.args.build / "tests/bench/load", "--dialect", server.dialect, "--address", server.address,
                   *options_of(options)]
        if len(CORES) > 1:
            command = ["taskset", "-c", str(LOAD_CORE), *command]
        return [str(word) for word in command]

    def load(self, server, **options):
        """What the load generator measured, as a dictionary."""
        options.setdefault("window", int(1000 * self.args.seconds))
        if server is not self.mock:
            options.setdefault("pid", server.pid)
        command = self.load_command(server, options)
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        if done.returncode != 0:
            raise Broken(f"{server.name}: {' '.join(command)}\n{done.stderr}{self.log_of(server.name)}")
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def held(self, server, **options):
        """Connections, or streams, that stay open."""
        process = subprocess.Popen(self.load_command(server, {"hold": True, **options}), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=self.environment)
        try:
            if process.stdout.readline() != "ready\n":
                raise Broken(f"{server.name}: {options} could not be held open\n{self.log_of(server.name)}")
            yield
        finally:
            process.stdin.close()
            process.wait(PATIENCE_S)
