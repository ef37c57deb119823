"""HTTP as bytes: sends a chat completion and shows what came over the wire, before any library made sense of it."""
import json
import socket
import zlib

from . import PATIENCE


def connect(mock):
    connection = socket.create_connection((mock.host, mock.port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def chat_body(prompt="hello world", model="mock", behaviour=None, **members):
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], **members}
    if behaviour:
        body["mock"] = behaviour
    return body


def request_bytes(path="/v1/chat/completions", body=None, headers=None, method="POST"):
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Host": "mock", "Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode() + b"\r\n" + data


def receive_all(connection):
    """Reads to the end. Returns the bytes and how it ended: "fin" or "rst"."""
    data = bytearray()
    while True:
        try:
            block = connection.recv(1 << 16)
        except ConnectionResetError:
            return bytes(data), "rst"
        if not block:
            return bytes(data), "fin"
        data += block


class Reader:
    """Reads answers from a connection that may carry more than one."""

    def __init__(self, connection):
        self.connection = connection
        self.data = bytearray()

    def fill(self):
        block = self.connection.recv(1 << 16)
        if not block:
            raise EOFError(bytes(self.data))
        self.data += block

    def until(self, mark):
        while mark not in self.data:
            self.fill()
        end = self.data.index(mark) + len(mark)
        taken = bytes(self.data[:end])
        del self.data[:end]
        return taken

    def exactly(self, count):
        while len(self.data) < count:
            self.fill()
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken

    def answer(self):
        return Answer(self)


class Answer:
    """One answer: status, head as bytes, headers, body, and the HTTP chunks that it came in."""

    def __init__(self, reader):
        self.head = reader.until(b"\r\n\r\n")
        lines = self.head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.header_list = [tuple(line.split(": ", 1)) for line in lines[1:] if line]
        self.headers = {name.lower(): value for name, value in self.header_list}
        self.chunks = []
        if self.headers.get("transfer-encoding") == "chunked":
            while True:
                size = int(reader.until(b"\r\n"), 16)
                data = reader.exactly(size)
                assert reader.exactly(2) == b"\r\n"
                if size == 0:
                    break
                self.chunks.append(data)
        elif "content-length" in self.headers:
            self.chunks.append(reader.exactly(int(self.headers["content-length"])))
        else:
            try:
                while True:
                    reader.fill()
            except EOFError:
                self.chunks.append(bytes(reader.data))
        self.body = b"".join(self.chunks)
        if self.headers.get("content-encoding") == "gzip":
            self.body = zlib.decompress(self.body, 31)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        """The data of each event of a stream; comments are left out."""
        blocks = self.body.decode().replace("\r\n", "\n").split("\n\n")
        assert blocks[-1] == "", blocks[-1]
        events = []
        for block in blocks:
            data = [line[6:] for line in block.split("\n") if line.startswith("data: ")]
            if data:
                events.append("\n".join(data))
        return events

    @property
    def deltas(self):
        """Each delta of the first choice."""
        chunks = [json.loads(event) for event in self.events if event != "[DONE]"]
        return [chunk["choices"][0]["delta"] for chunk in chunks if chunk.get("choices")]

    @property
    def text(self):
        if self.headers["content-type"].startswith("text/event-stream"):
            return "".join(delta.get("content") or "" for delta in self.deltas)
        return self.json["choices"][0]["message"]["content"]


def exchange(mock, body=None, headers=None, path="/v1/chat/completions", method="POST"):
    """One request on a connection of its own."""
    with connect(mock) as connection:
        connection.sendall(request_bytes(path, body, headers, method))
        return Reader(connection).answer()


def chat(mock, prompt="hello world", headers=None, **members):
    return exchange(mock, chat_body(prompt, **members), headers)


def chat_to_end(mock, prompt="hello world", **members):
    """A chat whose connection the mock ends: all bytes, and how it ended."""
    with connect(mock) as connection:
        connection.sendall(request_bytes(body=chat_body(prompt, **members)))
        return receive_all(connection)
