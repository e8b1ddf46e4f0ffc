"""Files on the loopback interface, with ranges, and with faults on request."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves ``files`` (path to bytes) as a context manager; ``url`` is where, ``log`` who asked.

    ``break_after``: numbers of bytes, one a request, after which the connection is dropped;
    ``statuses``: answers to give first; ``ranges``: whether it knows them.
    """

    def __init__(self, files, break_after=(), statuses=(), ranges=True):
        self.files = files
        self.break_after, self.statuses, self.ranges = list(break_after), list(statuses), ranges
        self.log = []

    def __enter__(self):
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.files = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server.files
        wanted = self.headers.get("Range", "")
        server.log.append((self.path, wanted))
        content = server.files.get(self.path.partition("?")[0].lstrip("/"))
        if server.statuses or content is None:
            self.send_error(server.statuses.pop(0) if server.statuses else 404)
            return
        start = 0
        if server.ranges and (match := re.fullmatch(r"bytes=(\d+)-", wanted)):
            start = int(match[1])
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if server.break_after:
            end = start + server.break_after.pop(0)
        self.wfile.write(content[start:end])

    def log_message(self, *_):
        """Requests are in `log`, not on the terminal."""
