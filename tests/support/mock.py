"""Runs freellm-mock and talks to it. tests/mock/README.md describes what it can do."""
import http.client
import json
import signal
import socket
import subprocess
import threading
import urllib.parse

from . import BUILD, FIXTURES, PATIENCE, stop_process, wait_until

DIGEST_START = 0xCBF29CE484222325
DIGEST_PRIME = 0x100000001B3
ECHO_WORDS = 64
ECHO_BYTES = 4096


class Mock:
    """A mock provider in a process of its own. Arguments are those of its command line."""

    def __init__(self, *arguments, wrap=()):
        command = [*wrap, str(BUILD / "tests" / "freellm-mock"), *arguments]
        if "--recordings" not in arguments and FIXTURES.is_dir():
            command += ["--recordings", str(FIXTURES)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on http://"):
            self.process.kill()
            raise AssertionError(f"the mock said {line!r} and {self.process.stderr.read()!r}")
        self.origin = line.split()[-1]
        self.url = self.origin + "/v1"
        self.host, self.port = urllib.parse.urlsplit(self.origin).hostname, urllib.parse.urlsplit(self.origin).port
        self._errors = []
        self._drain = threading.Thread(target=lambda: self._errors.append(self.process.stderr.read()), daemon=True)
        self._drain.start()
        # One connection for all control, made now: it works on while the mock refuses connections.
        self._lock = threading.Lock()
        self._control = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        self.control("GET", "/_mock/stats")

    @property
    def pid(self):
        return self.process.pid

    def control(self, method, path, value=None):
        """One control request; returns what it answers, and fails the test when it is refused."""
        with self._lock:
            body = None if value is None else json.dumps(value)
            self._control.request(method, path, body)
            response = self._control.getresponse()
            answer = json.loads(response.read())
        assert response.status == 200, (path, value, answer)
        return answer

    def script(self, *behaviours):
        """The next requests behave so, one after the other; {"times": N} repeats an entry."""
        self.control("POST", "/_mock/script", list(behaviours))

    def config(self, **settings):
        self.control("POST", "/_mock/config", settings)

    def deafen(self, milliseconds=86_400_000):
        """Nobody can connect until then, or until hear(); connections that exist work on."""
        self.config(deaf_ms=milliseconds)

    def hear(self):
        self.config(deaf_ms=0)
        wait_until(self._listens, "the mock to listen")

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def clock(self, **change):
        """advance_ms, set_ms, freeze; returns the virtual time in microseconds."""
        return self.control("POST", "/_mock/clock", change)["now_us"]

    def release(self):
        """Lets every request that hangs go on."""
        self.control("POST", "/_mock/release")

    def reset(self):
        self.control("POST", "/_mock/reset")

    def log(self, since=0, bodies=True):
        return self.control("GET", f"/_mock/log?since={since}&bodies={int(bodies)}")

    def stats(self):
        return self.control("GET", "/_mock/stats")

    def wait_for(self, condition, what="the mock to have seen it"):
        """Waits until condition(stats) is true, and returns those stats."""

        def check():
            stats = self.stats()
            return stats if condition(stats) else None

        return wait_until(check, what)

    def wait_requests(self, count):
        return self.wait_for(lambda stats: stats["requests"] >= count, f"{count} requests")

    def wait_idle(self):
        """Waits until nothing is in flight: only then has every record of the log its end."""
        return self.wait_for(lambda stats: stats["in_flight"] == 0, "the mock to be idle")

    def stop(self):
        """Ends it, and checks that it ended well; a second call does nothing."""
        if self.process.stdout.closed:
            return
        self._control.close()
        status = stop_process(self.process, signal.SIGTERM, "the mock")
        self._drain.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        errors = "".join(self._errors)
        assert status == 0, (status, errors)
        assert "Sanitizer" not in errors and "runtime error" not in errors, errors


def message_text(message):
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def expected_digest(model, messages):
    """The digest of a request that begins its answer: FNV-1a of the model, and roles and texts."""
    data = model.encode() + b"".join(b"\n" + m["role"].encode() + b":" + message_text(m).encode() for m in messages)
    digest = DIGEST_START
    for byte in data:
        digest = ((digest ^ byte) * DIGEST_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def expected_echo(model, messages):
    """What the mock answers to this request when nothing else is asked for."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    said = [message_text(m) for m in messages if m["role"] == "user"]
    data, end, words = (said[-1] if said else "").encode(), 0, 0
    while end < len(data) and end < ECHO_BYTES and words < ECHO_WORDS:
        while end < len(data) and end < ECHO_BYTES and data[end:end + 1] in b" \n\t\r":
            end += 1
        while end < len(data) and end < ECHO_BYTES and data[end:end + 1] not in b" \n\t\r":
            end += 1
        words += 1
    while 0 < end < len(data) and data[end] & 0xC0 == 0x80:
        end -= 1
    echo = data[:end].decode()
    return expected_digest(model, messages) + (" " + echo if echo else "")


def expected_chunks(model, messages, count):
    """The answer to a request with "chunks": count, piece by piece."""
    words = [word for word in expected_echo(model, messages).replace("\t", " ").split() if word]
    return [(" " if i else "") + words[i % len(words)] for i in range(count)]
