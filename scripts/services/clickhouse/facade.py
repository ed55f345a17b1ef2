#!/usr/bin/env python3
"""ClickHouse's HTTP interface over ClickHouse's own engine (chdb), for tests where no ClickHouse server can be installed.

Enough for clickhouse-go/v2 over HTTP and for curl: the query in the URL or in the body, settings and param_* in the URL,
Native in and out, ClickHouse's and HTTP's compression, errors with the engine's own code and text. What it lacks is in
../README.md. Environment: FACADE_ADDRESS (host:port), FACADE_DATA (folder), FACADE_SPOOL (folder for what is being
inserted), FACADE_USER and FACADE_PASSWORD ("default" and none).
"""
import base64
import gzip
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from body import Body
from compression import compress
from engine import DATA_IN_QUERY, FORMAT_LAST, INSERT, Engine
from faults import Faults

SESSIONS = 4
# What clickhouse-go asks first.
HELLO = "SELECT displayName(), version(), revision(), timezone()"
NOT_SETTINGS = {
    "query", "database", "default_format", "client_protocol_version", "query_id", "quota_key", "session_id", "session_timeout",
    "session_check", "close_session", "user", "password", "compress", "decompress", "network_compression_method",
    "wait_end_of_query", "buffer_size", "stacktrace", "role", "add_http_cors_header",
}
# HTTP status by ClickHouse error code, as its server answers; 500 for every other.
STATUS = {
    16: 404, 27: 400, 46: 404, 53: 400, 60: 404, 62: 400, 81: 404, 115: 404, 159: 408, 164: 403, 202: 503, 242: 503, 497: 403, 516: 403,
}


class ClientGone(Exception):
    """The connection was closed on purpose."""


class Handler(BaseHTTPRequestHandler):
    protocol_version, server_version, sys_version = "HTTP/1.1", "facade", ""
    wbufsize, disable_nagle_algorithm = 1 << 16, True
    engine, faults = None, Faults()
    user, password = os.environ.get("FACADE_USER", "default"), os.environ.get("FACADE_PASSWORD", "")

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        url = urlsplit(self.path)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        body = Body(self)
        try:
            if url.path in ("/ping", "/replicas_status"):
                body.drain()
                self.answer(200, b"Ok.\n")
            elif url.path == "/__fault":
                body.drain()
                self.faults.add(parameters)
                self.answer(200, b"ok\n")
            else:
                self.query(parameters, body)
        except (ConnectionError, ClientGone):
            self.close_connection = True

    def query(self, parameters, body):
        if not self.authenticated(parameters):
            body.drain()
            text = "Code: 516. DB::Exception: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"
            self.error(text, None)
            return
        method = parameters.get("network_compression_method", "LZ4").upper() if parameters.get("compress") == "1" else None
        try:
            query, data = self.read(parameters, body)
        except ValueError as problem:
            body.drain()
            self.error(str(problem), method)
            return
        if self.made_up(query, body):
            return
        began = time.time()
        if query.strip() == HELLO and "client_protocol_version" in parameters:
            self.result(self.hello(), method, dict(parameters, default_format="Native"), began)
            return
        settings = {k: v for k, v in parameters.items() if k not in NOT_SETTINGS and not k.startswith("param_")}
        bound = {k.removeprefix("param_"): v for k, v in parameters.items() if k.startswith("param_")}

        def work(session):
            if data is not None:
                self.engine.insert(session, query, data)
                return b""
            return session.query(query, parameters.get("default_format", "TabSeparated"), params=bound or None).bytes() or b""

        try:
            result = self.engine.run(parameters.get("database") or "default", settings, work)
        except ConnectionError:
            raise
        except Exception as problem:  # chdb raises its own and RuntimeError, with the engine's text
            body.drain()
            self.error(str(problem), method)
            return
        self.result(result, method, parameters, began)

    def read(self, parameters, body):
        """The query, and the parts of an INSERT's data or None."""
        parts = body.parts(self.headers.get("Content-Encoding", ""), parameters.get("decompress") == "1")
        query = parameters.get("query", "")
        if query and INSERT.match(query):
            return query, parts
        raw = (query.encode() + b"\n" if query else b"") + b"".join(parts)
        if INSERT.match(raw[:2000].decode(errors="replace")):
            split = DATA_IN_QUERY.match(raw)
            if split and FORMAT_LAST.match(split.group(1).decode(errors="replace")):
                return split.group(1).decode(), [split.group(2)]
        return raw.decode(), None

    def authenticated(self, parameters):
        user, password = self.headers.get("X-ClickHouse-User"), self.headers.get("X-ClickHouse-Key", "")
        authorization = self.headers.get("Authorization", "")
        if user is None and authorization.startswith("Basic "):
            user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if user is None:
            user, password = parameters.get("user"), parameters.get("password", "")
        return (user or "default") == self.user and password == self.password

    def made_up(self, query, body):
        fault = self.faults.take(query)
        if fault is None:
            return False
        body.drain()
        time.sleep(fault["delay"])
        if fault["status"] == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            raise ClientGone
        text = f"Code: {fault['code'] or 999}. DB::Exception: injected fault. (INJECTED)\n"
        self.answer(fault["status"], text.encode(), fault["code"])
        return True

    def hello(self):
        """The answer to HELLO in the Native format.

        The driver reads this one as of its own revision and every later block as of the revision named here. 0 means plain
        Native, which is what the engine writes.
        """
        block_info = b"\x01\x00\x02" + struct.pack("<i", -1) + b"\x00"
        columns = [
            ("displayName()", "String", text(socket.gethostname())), ("version()", "String", text(self.engine.version)),
            ("revision()", "UInt32", struct.pack("<I", 0)), ("timezone()", "String", text(self.engine.timezone)),
        ]
        return block_info + number(len(columns)) + number(1) + b"".join(text(name) + text(kind) + b"\x00" + value for name, kind, value in columns)

    def error(self, problem, method):
        found = re.search(r"Code: (\d+)\.", problem)
        code = int(found.group(1)) if found else 1002
        problem = problem[found.start():] if found else f"Code: 1002. DB::Exception: {problem} (UNKNOWN_EXCEPTION)"
        data = f"{problem.rstrip()} (version {self.engine.version} (chdb))\n".encode()
        self.answer(STATUS.get(code, 500), compress(data, method) if method else data, code)

    def result(self, data, method, parameters, began):
        output = parameters.get("default_format", "TabSeparated")
        elapsed = str(int((time.time() - began) * 1e9))
        headers = [
            ("Content-Type", "application/octet-stream" if output == "Native" else "text/plain; charset=UTF-8"),
            ("X-ClickHouse-Query-Id", parameters.get("query_id") or str(uuid.uuid4())), ("X-ClickHouse-Format", output),
            ("X-ClickHouse-Timezone", self.engine.timezone),
            ("X-ClickHouse-Summary", json.dumps({"read_rows": "0", "written_rows": "0", "elapsed_ns": elapsed})),
        ]
        if data and method:
            data = compress(data, method)
        elif data and "gzip" in self.headers.get("Accept-Encoding", "") and parameters.get("enable_http_compression") == "1":
            data = gzip.compress(data, 1)
            headers.append(("Content-Encoding", "gzip"))
        self.answer(200, data, None, headers)

    def answer(self, status, data, code=None, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.send_header("X-ClickHouse-Server-Display-Name", socket.gethostname())
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def number(n):
    """A variable length integer of the Native format."""
    encoded = bytearray()
    while n > 127:
        encoded.append(n & 127 | 128)
        n >>= 7
    encoded.append(n)
    return bytes(encoded)


def text(s):
    """A string of the Native format."""
    return number(len(s.encode())) + s.encode()


class Server(ThreadingHTTPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 256


def main():
    host, _, port = os.environ["FACADE_ADDRESS"].rpartition(":")
    engine = Engine(os.environ["FACADE_DATA"], os.environ["FACADE_SPOOL"], SESSIONS)
    Handler.engine = engine
    server = Server((host, int(port)), Handler)
    for number_of_signal in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop that this handler interrupts, so it needs a thread.
        signal.signal(number_of_signal, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"ClickHouse engine {engine.version} on {host}:{port}", file=sys.stderr, flush=True)
    server.serve_forever()
    engine.close()


if __name__ == "__main__":
    main()
