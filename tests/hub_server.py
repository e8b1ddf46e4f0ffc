"""A Hugging Face Hub on the loopback interface, enough of one for the real client.

The client reads `HF_ENDPOINT` when it is imported, so it runs in a process of its own."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from hub_routes import ROUTES, HubError, Repo, commit, etag


@dataclass
class Fault:
    """Answers matching requests with `status`, or says nothing until the server stops."""

    method: str
    path: str
    status: int | None
    times: int
    reached: threading.Event = field(default_factory=threading.Event)


class HubServer:
    """The server as a context manager. `hub.repos` has what is stored, `hub.home` the client's."""

    def __init__(self):
        self.token, self.user = "hf_loopback", "tester"
        self.tokens = {self.token: self.user}
        self.repos, self.objects, self.faults, self.tampered = {}, {}, [], {}
        self.stopping = threading.Event()

    def __enter__(self):
        self._home = tempfile.TemporaryDirectory(prefix="hub-home-")
        self.home = self._home.name
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads, self._http.hub = True, self
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._home.cleanup()

    def fail(self, method, path, status=None, times=1):
        """Breaks requests whose path matches; see Fault."""
        self.faults.append(Fault(method, path, status, times))
        return self.faults[-1]

    def put(self, repo_id, files, private=False):
        """Puts files into a repository without the client; returns the commit."""
        repo = self.repos.setdefault(repo_id, Repo(repo_id, private))
        before = repo.commits.get(repo.branches.get("main"), {})
        return repo.publish("main", {**before, **files})

    def files(self, repo_id, revision="main"):
        """What a revision holds, as {path: bytes}."""
        repo = self.repos[repo_id]
        return repo.commits[repo.resolve(revision)]

    def repo(self, repo_id, user, access="info"):
        """The repository, if `user` has "info", "read" (gates apply) or "write" access to it."""
        repo = self.repos.get(repo_id)
        owner = repo_id.partition("/")[0]
        if repo is None or (repo.private and user != owner):
            raise HubError(404 if user else 401, "Repository not found", "RepoNotFound")
        if access == "write" and user != owner:
            raise HubError(403 if user else 401, "You don't have write access to this repository")
        if access == "read" and repo.allowed is not None and user not in {owner, *repo.allowed}:
            raise HubError(403 if user else 401, "Access is restricted.", "GatedRepo")
        return repo


RESOLVE = re.compile(r"/(?P<repo_id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self):
        hub, path = self.server.hub, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {}
        try:
            self._break(hub, path)
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if token and token not in hub.tokens:
                raise HubError(401, "Invalid credentials in Authorization header")
            status, content = 200, self._answer(hub, hub.tokens.get(token), path, body, headers)
        except HubError as error:
            status, content = (
                error.status,
                json.dumps({"error": error.message, **error.body}).encode(),
            )
            headers = {"X-Error-Message": error.message, "X-Error-Code": error.code}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def _break(self, hub, path):
        for fault in hub.faults:
            if fault.times and fault.method == self.command and re.search(fault.path, path):
                fault.times -= 1
                fault.reached.set()
                if fault.status is None:
                    hub.stopping.wait(30)
                raise HubError(fault.status or 500, "broken on purpose")

    def _answer(self, hub, user, path, body, headers):
        if self.command == "PUT" and path.startswith("/lfs/"):
            hub.objects[path.rpartition("/")[2]] = body
            return b""
        if match := RESOLVE.fullmatch(path):
            repo_id, revision, name = map(unquote, match.groups())
            repo = hub.repo(repo_id, user, "read")
            sha = repo.resolve(revision)
            if name not in repo.commits[sha]:
                raise HubError(404, "Entry not found", "EntryNotFound")
            content = repo.commits[sha][name]
            headers |= {"ETag": f'"{etag(name, content)}"', "X-Repo-Commit": sha}
            return hub.tampered.get((repo_id, name), content)
        for method, pattern, function in ROUTES:
            if self.command == method and (match := re.fullmatch(pattern, path)):
                lines = [json.loads(line) for line in body.splitlines() if line.strip()]
                asked = lines if function is commit else lines[0] if lines else {}
                groups = {key: unquote(value or "") for key, value in match.groupdict().items()}
                return json.dumps(function(hub, user, asked, **groups)).encode()
        raise HubError(404, f"no such endpoint: {self.command} {path}")

    def log_message(self, *_):
        pass


def client_environment(hub, token=None, env=None):
    """An environment in which the client talks to `hub` only and keeps its files in `hub.home`."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith("HF_")}
    kept = {k: v for k, v in kept.items() if not k.lower().endswith("_proxy")}
    off = ("XET", "TELEMETRY", "PROGRESS_BARS")
    kept |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": hub.home}
    kept |= {f"HF_HUB_DISABLE_{name}": "1" for name in off}
    return kept | ({"HF_TOKEN": token} if token else {}) | (env or {})


def start_client(hub, code, token=None, env=None):
    """Starts Python on `code` as a client of `hub`; returns the Popen object."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = client_environment(hub, token, env)
    return subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, **pipes)


def run_client(hub, code, token=None, env=None):
    """Runs Python on `code` as a client of `hub`; returns the JSON that it printed, if any."""
    process = start_client(hub, code, token, env)
    try:
        stdout, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, stderr
    return json.loads(stdout) if stdout else None
