"""A daemon that says what the real one never would."""
import socket
import threading

import msgpack

from . import PATIENCE

HELLO = {"server": "freellmd", "version": "0.1.0", "protocol": 1,
         "limits": {"frame_bytes": 1 << 24, "nesting": 16, "jobs": 256}}


def response(msgid, result):
    return msgpack.packb([1, msgid, None, result])


def refusal(msgid, error):
    return msgpack.packb([1, msgid, error, None])


def event(name, **params):
    return msgpack.packb([2, name, [params]])


def completion(text="fine", **members):
    return {"text": text, "message": {"role": "assistant", "content": text}, "usage": {}, "target": "lab/small",
            "cached": False, "coalesced": False, "attempts": [], "timing": {"queued_ms": 0, "total_ms": 1}, **members}


class FakeDaemon:
    """Answers hello (with `hello` when it is given as bytes), and a submit with what answer(msgid) returns: bytes, or
    a list of bytes that are sent one after the other. Then it closes, or waits for the client to do so (linger)."""

    def __init__(self, folder, answer, hello=None, linger=False):
        self.path = folder / "fake.sock"
        self.answer, self.hello, self.linger = answer, hello, linger
        self.received = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(PATIENCE)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(PATIENCE)
        self.listener.close()
        assert not self.thread.is_alive()

    def _serve(self):
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE)
        with connection:
            try:
                self._talk(connection)
            except (BrokenPipeError, ConnectionResetError):
                pass

    def _talk(self, connection):
        unpacker = msgpack.Unpacker()
        while data := connection.recv(65536):
            unpacker.feed(data)
            for message in unpacker:
                self.received.append(message)
                if message[2] == "hello":
                    connection.sendall(response(message[1], HELLO) if self.hello is None else self.hello)
                    if self.hello is not None and not self.linger:
                        return
                elif message[2] == "submit":
                    answer = self.answer(message[1])
                    for part in [answer] if isinstance(answer, bytes) else answer:
                        connection.sendall(part)
                    if not self.linger:
                        return
