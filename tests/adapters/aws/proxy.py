"""A proxy before an emulator of AWS: it keeps what was asked, and has faults when it is told to."""

import contextlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote_plus

import httpx

OF_THE_HOP = {
    "connection",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "host",
    "date",
    "server",
}


class AwsProxy(ThreadingHTTPServer):
    """Lets calls through to `behind`, or answers `(status, headers, body)` as `fault` says.

    `fault` is "hang", "half", such an answer, or a function of the request's text that gives one of these
    or None. `asked` has the text of each call, `well` of those that were answered with 200.
    """

    daemon_threads = True

    def __init__(self, behind):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.http = httpx.Client(base_url=behind)
        self.fault = None
        self.asked, self.well = [], []
        Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def end(self):
        self.shutdown()
        self.server_close()
        self.http.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        server = self.server
        text = body.decode(errors="replace")
        if "form-urlencoded" in self.headers.get("content-type", ""):
            text = unquote_plus(text)
        server.asked.append(text)
        fault = server.fault(text) if callable(server.fault) else server.fault
        if fault == "hang":
            time.sleep(1.2)
            fault = (500, {}, b"{}")
        if fault == "half":
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n")
            return
        if fault is None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_THE_HOP}
            found = server.http.request(self.command, self.path, content=body, headers=headers)
            fault = found.status_code, dict(found.headers), found.content
        status, headers, content = fault
        if status == 200:
            server.well.append(text)
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in OF_THE_HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 (names of the library)

    def log_message(self, *_):
        pass


def refusal(status, code, headers=None, *, form=False):
    """An error as AWS says it, in JSON or in the XML of the older services."""
    if form:
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    else:
        body = json.dumps({"__type": code, "message": "no"})
    return status, {"x-amzn-errortype": code} | (headers or {}), body.encode()
