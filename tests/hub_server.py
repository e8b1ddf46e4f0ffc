"""A Hugging Face Hub on the loopback interface, enough of one for the real client.

    with HubServer() as hub:
        result = run_client(hub, "import huggingface_hub ...", token=hub.token)

The client reads `HF_ENDPOINT` when it is imported, so it runs in a process of its own: `run_client`
and `start_client` give it an environment that reaches this server and no other. By hand:

    python tests/hub_server.py --port 8000

Not here: Xet storage (the client is told to do without), multipart uploads, pull requests.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from hub_routes import answer
from hub_store import HubError, Store

HOST = "127.0.0.1"  # never anything else
TOKEN = "hf_loopback"
USER = "tester"
MAX_STALL = 30  # seconds


@dataclass
class Request:
    """A request as it came in; `status` and `n_sent` (bytes of body) tell what went out."""

    method: str
    path: str  # still quoted: a revision may contain a quoted slash
    query: dict
    headers: Message  # whatever the case of the name
    body: bytes = b""
    status: int | None = None
    n_sent: int = 0

    def json(self):
        return json.loads(self.body or b"{}")


@dataclass
class Fault:
    """Breaks matching requests after some bytes of their body (of the answer's, for a GET).

    The connection is dropped, or `status` answered instead, or with `stall` nothing more happens
    until the server stops; `reached` is set when it has come so far.
    """

    method: str
    path: str
    after_bytes: int = 0
    times: int = 1
    status: int | None = None
    stall: bool = False
    reached: threading.Event = field(default_factory=threading.Event)


class HubServer:
    """The server as a context manager. `hub.log` has the requests, `hub.store` what is stored.

    Args:
        tokens (dict, optional): User names by token; by default one, `hub.token` of "tester".
        port (int): 0 for any free one.
    """

    def __init__(self, tokens=None, port=0):
        self.store = Store(tokens or {TOKEN: USER})
        self.token, self.user = next(iter(self.store.tokens.items()))
        self.log = []
        self.faults = []
        self.replaced = {}
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._port = port

    def __enter__(self):
        self._home = tempfile.TemporaryDirectory(prefix="hub-home-")
        self.home = self._home.name
        self._http = ThreadingHTTPServer((HOST, self._port), _Handler)
        self._http.daemon_threads = True
        self._http.hub = self
        self.endpoint = f"http://{HOST}:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._home.cleanup()

    def fail(self, method, path, **options):
        """Registers a Fault for requests whose path matches the regular expression; returns it."""
        self.faults.append(Fault(method, path, **options))
        return self.faults[-1]

    def fail_upload(self, after_bytes, **options):
        """Breaks the sending of a large file."""
        return self.fail("PUT", "/lfs/", after_bytes=after_bytes, **options)

    def fail_download(self, after_bytes, **options):
        """Breaks the fetching of a file."""
        return self.fail("GET", "/resolve/", after_bytes=after_bytes, **options)

    def gate(self, repo_id, *allowed, kind="models"):
        """Gates a repository: its owner and `allowed` users get at the files, others do not."""
        self.store.repos[kind, repo_id].allowed = set(allowed)

    def tamper(self, repo_id, path, content):
        """Serves `content` in place of a file, while name, commit and ETag stay as they were."""
        self.replaced[repo_id, path] = content

    def files(self, repo_id, revision="main", kind="models"):
        """What a revision holds, as {path: bytes}, without `.gitattributes`."""
        files = self.store.repos[kind, repo_id].files(revision)
        return {p: file.content for p, file in files.items() if p != ".gitattributes"}

    def requests(self, method, path=""):
        """The logged requests with this method and a path that matches."""
        return [r for r in list(self.log) if r.method == method and re.search(path, r.path)]

    def take_fault(self, request):
        with self._lock:
            for fault in self.faults:
                if fault.method == request.method and re.search(fault.path, request.path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds: a connection that says nothing is closed

    def _handle(self):
        hub = self.server.hub
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        request = Request(self.command, url.path, query, self.headers)
        hub.log.append(request)
        fault = hub.take_fault(request)
        # Some of a GET's answer goes out first; everything else breaks while the request comes in.
        early = fault is not None and (self.command != "GET" or fault.status is not None)
        body = self._read_body(fault.after_bytes if early else None)
        if early:
            self._break(fault)
            if fault.status is not None:
                self._send(request, fault.status, {}, b'{"error": "broken on purpose"}')
            return
        request.body = body
        try:
            with hub._lock:
                status, headers, content = answer(hub, request)
        except HubError as error:
            status, content = error.status, json.dumps({"error": error.message, **error.body})
            headers = {"X-Error-Message": error.message, "Content-Type": "application/json"}
            if error.code:
                headers["X-Error-Code"] = error.code
        self._send(request, status, headers, content, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle

    def _break(self, fault):
        fault.reached.set()
        self.close_connection = True
        if fault.stall:
            self.server.hub.stopping.wait(MAX_STALL)

    def _read_body(self, limit):
        """The body, or its first `limit` bytes."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
                if limit is not None and len(body) >= limit:
                    return body[:limit]
            self.rfile.readline()
            return body
        length = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(length if limit is None else min(length, limit))

    def _send(self, request, status, headers, content, fault=None):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        request.status = status
        if self.command == "HEAD":
            return
        sent = content if fault is None else content[: fault.after_bytes]
        self.wfile.write(sent)
        request.n_sent = len(sent)
        if fault is not None:
            self.wfile.flush()
            self._break(fault)

    def log_message(self, *_):
        """Requests are in `hub.log`, not on the terminal."""


def client_environment(hub, token=None, env=None):
    """An environment in which the client talks to `hub` only and keeps its files in `hub.home`."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith("HF_")}
    kept = {k: v for k, v in kept.items() if not k.lower().endswith("_proxy")}
    kept |= {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(hub.home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    return kept | ({"HF_TOKEN": token} if token else {}) | (env or {})


def start_client(hub, code, *, token=None, env=None):
    """Starts Python on `code` as a client of `hub`; returns the Popen object."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=client_environment(hub, token, env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_client(hub, code, *, token=None, env=None, timeout=120, check=True):
    """Runs Python on `code` as a client of `hub`.

    Args:
        hub (HubServer): The server, running.
        code (str): What to run, as with `python -c`.
        token (str, optional): Logs in with it; by default nobody is logged in.
        env (dict, optional): Further variables, e.g. another `HF_HOME`, or `HF_HUB_OFFLINE`.
        timeout (float): Seconds until the client is killed.
        check (bool): Raise RuntimeError with what it said on stderr if it fails.

    Returns:
        subprocess.CompletedProcess: with text in `stdout` and `stderr`.
    """
    process = start_client(hub, code, token=token, env=env)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    finally:
        process.kill()
    if check and process.returncode:
        raise RuntimeError(f"the client failed with {process.returncode}:\n{stderr}")
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def main():
    """Serves until interrupted or out of time, and says how a client finds it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--user", default=USER)
    parser.add_argument("--max-seconds", type=float, default=3600)
    args = parser.parse_args()
    with HubServer({args.token: args.user}, args.port) as hub:
        print(f"export HF_ENDPOINT={hub.endpoint} HF_HUB_DISABLE_XET=1 HF_TOKEN={args.token}")
        print(
            f"# the user is {args.user}; Ctrl-C stops it, and so do {args.max_seconds:g} s",
            flush=True,
        )
        try:
            time.sleep(args.max_seconds)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)


if __name__ == "__main__":
    main()
