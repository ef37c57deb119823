"""A MessagePack-RPC client on a Unix socket that shares nothing with the project's own code."""
import collections
import itertools
import socket

import msgpack

from . import PATIENCE

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2


class RpcError(Exception):
    """The error map of a response."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error
        self.code = error.get("code") if isinstance(error, dict) else None


class Closed(Exception):
    """The daemon closed the connection."""


class RpcClient:
    """Requests, notifications, and the raw bytes underneath. One thread at a time."""

    def __init__(self, path, timeout=PATIENCE):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=1 << 30)
        self.msgids = itertools.count(1)
        self.responses = {}
        self.events = collections.defaultdict(list)  # by msgid: [(method, params)]
        self.notifications = []  # those that carry no msgid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def request(self, method, params=None, msgid=None):
        """Sends a request and returns its msgid without waiting."""
        msgid = next(self.msgids) if msgid is None else msgid
        self.send_raw(msgpack.packb([REQUEST, msgid, method, [params if params is not None else {}]]))
        return msgid

    def notify(self, method, params=None):
        self.send_raw(msgpack.packb([NOTIFICATION, method, [params if params is not None else {}]]))

    def receive(self):
        """Returns the next message, whatever it is."""
        while True:
            try:
                return next(self.unpacker)
            except StopIteration:
                data = self.socket.recv(65536)
                if not data:
                    raise Closed from None
                self.unpacker.feed(data)

    def step(self):
        """Receives one message and files it."""
        message = self.receive()
        if message[0] == RESPONSE:
            _, msgid, error, result = message
            assert msgid not in self.responses, f"a second response to {msgid}"
            self.responses[msgid] = (error, result)
        else:
            assert message[0] == NOTIFICATION, message
            _, method, params = message
            body = params[0] if params else {}
            if "msgid" in body:
                assert body["msgid"] not in self.responses, f"an event after its response: {message}"
                self.events[body["msgid"]].append((method, body))
            else:
                self.notifications.append((method, body))
        return message

    def wait(self, msgid):
        """Waits for the response to a request: (error, result)."""
        while msgid not in self.responses:
            self.step()
        return self.responses[msgid]

    def wait_event(self, msgid, method):
        """Waits for an event of a request that has no response yet, and returns its params."""
        while True:
            for name, params in self.events[msgid]:
                if name == method:
                    return params
            assert msgid not in self.responses, f"a response before {method}: {self.responses[msgid]}"
            self.step()

    def call(self, method, params=None):
        """Sends a request and returns its result, or raises RpcError."""
        error, result = self.wait(self.request(method, params))
        if error is not None:
            raise RpcError(error)
        return result

    def submit(self, prompt, model="mock/mock", **params):
        """Submits and waits: the result, or RpcError."""
        return self.call("submit", {"prompt": prompt, "model": model, **params})

    def text_of_chunks(self, msgid):
        """The text of the chunk events of a request so far."""
        return "".join(params.get("text", "") for name, params in self.events[msgid] if name == "chunk")
