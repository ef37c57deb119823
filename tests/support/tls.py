"""An HTTPS provider on HTTP/2 or HTTP/1.1, with a certificate of its own, and a CONNECT proxy: in Python, in threads."""
import json
import select
import socket
import ssl
import subprocess
import threading

import h2.config
import h2.connection
import h2.events

from . import PATIENCE


def make_certificate(folder):
    """A self-signed certificate for localhost; returns (certificate, key)."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return certificate, key


def answer(body):
    request = json.loads(body)
    text = "answer to " + request["messages"][-1]["content"]
    if not request.get("stream"):
        return "application/json", [json.dumps({"choices": [{
            "index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}).encode()]
    pieces = [{"choices": [{"index": 0, "delta": {"content": word + " "}, "finish_reason": None}]}
              for word in text.split()]
    pieces.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return "text/event-stream", [b"data: " + json.dumps(p).encode() + b"\n\n" for p in pieces] + [b"data: [DONE]\n\n"]


class Listener:
    """Accepts on a port of its own and serves each connection in a thread."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._guard, args=(connection,), daemon=True).start()

    def _guard(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def stop(self):
        self.listener.close()
        for connection in self.open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class HttpsProvider(Listener):
    """Answers chat completions. `hold`: HTTP/2 answers wait until so many streams are open at once."""

    def __init__(self, folder, protocols=("h2",), hold=0):
        self.certificate, key = make_certificate(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.context.set_alpn_protocols(list(protocols))
        self.hold = hold
        self.requests = []  # (protocol, headers)
        super().__init__()
        self.url = f"https://localhost:{self.port}/v1"

    def serve(self, connection):
        connection.settimeout(PATIENCE)
        with self.context.wrap_socket(connection, server_side=True) as tls:
            if tls.selected_alpn_protocol() == "h2":
                self._serve_h2(tls)
            else:
                self._serve_h1(tls)

    def _serve_h2(self, tls):
        h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        h2c.initiate_connection()
        tls.sendall(h2c.data_to_send())
        bodies, waiting = {}, []
        while True:
            data = tls.recv(65536)
            if not data:
                return
            for event in h2c.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self.requests.append(("h2", dict(event.headers)))
                    bodies[event.stream_id] = b""
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    h2c.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    waiting.append(event.stream_id)
            if len(waiting) >= self.hold:
                for stream in waiting:
                    content_type, blocks = answer(bodies[stream])
                    h2c.send_headers(stream, [(":status", "200"), ("content-type", content_type)])
                    for i, block in enumerate(blocks):
                        h2c.send_data(stream, block, end_stream=i == len(blocks) - 1)
                waiting.clear()
            tls.sendall(h2c.data_to_send())

    def _serve_h1(self, tls):
        file = tls.makefile("rwb")
        while file.readline():
            headers = {}
            for line in iter(file.readline, b"\r\n"):
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            self.requests.append(("http/1.1", headers))
            content_type, blocks = answer(file.read(int(headers["content-length"])))
            body = b"".join(blocks)
            file.write(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            file.flush()


class ConnectProxy(Listener):
    """Tunnels what CONNECT names, and remembers every first line it is sent."""

    def __init__(self):
        self.lines = []
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            block = connection.recv(4096)
            if not block:
                return
            head += block
        line = head.split(b"\r\n")[0].decode()
        self.lines.append(line)
        method, target, _ = line.split()
        if method != "CONNECT":
            connection.sendall(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = target.rpartition(":")
        # Not every bare system has localhost in its /etc/hosts.
        with socket.create_connection((host.replace("localhost", "127.0.0.1"), int(port))) as upstream:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            pair = {connection: upstream, upstream: connection}
            while True:
                for ready in select.select(list(pair), [], [], PATIENCE)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    pair[ready].sendall(data)
