"""The repositories of the loopback Hub: commits, references, large files and who may see them.

No HTTP here: a request that the Hub would refuse raises HubError, and `hub_server` turns it into an
answer. Everything is in memory. A commit is checked whole before it is published, so a repository
never shows half of one.
"""

import base64
import hashlib
import itertools
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import yaml

LFS_SUFFIXES = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".npz"}
LFS_SIZE = 10_000_000
GITATTRIBUTES = "".join(f"*{s} filter=lfs diff=lfs merge=lfs -text\n" for s in sorted(LFS_SUFFIXES))
DATE = "2026-01-01T00:00:00.000Z"


class HubError(Exception):
    """What the Hub refuses: a status, a code that its client knows, and a sentence."""

    def __init__(self, status, message, code=None, **body):
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


@dataclass(frozen=True)
class File:
    content: bytes
    lfs: bool = False

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob_id(self):
        """The git object name of what git holds: the content, or the pointer to a large file."""
        data = self.content
        if self.lfs:
            data = (
                "version https://git-lfs.github.com/spec/v1\n"
                f"oid sha256:{self.sha256}\nsize {len(self.content)}\n"
            ).encode()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    @property
    def etag(self):
        return self.sha256 if self.lfs else self.blob_id


@dataclass
class Repo:
    repo_id: str
    private: bool = False
    allowed: set | None = None  # users with access to a gated repository; None: not gated
    commits: dict = field(default_factory=dict)  # sha -> {path: File}
    branches: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)
    counter: itertools.count = field(default_factory=itertools.count)

    @property
    def owner(self):
        return self.repo_id.partition("/")[0]

    def resolve(self, revision):
        """The commit that a branch, a tag, a commit name or its first 7 or more digits means."""
        for refs in (self.branches, self.tags):
            if revision in refs:
                return refs[revision]
        found = [sha for sha in self.commits if len(revision) >= 7 and sha.startswith(revision)]
        if len(found) != 1:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found[0]

    def files(self, revision):
        return self.commits[self.resolve(revision)]

    def file(self, revision, path):
        try:
            return self.files(revision)[path]
        except KeyError:
            raise HubError(404, "Entry not found", "EntryNotFound") from None

    def publish(self, branch, files):
        listing = json.dumps({path: file.blob_id for path, file in sorted(files.items())})
        text = f"{self.repo_id} {branch} {next(self.counter)} {listing}"
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha


def read_card(content):
    """The metadata of a README.md as a dict; refuses what the Hub refuses."""
    lines = content.replace("\r\n", "\n").split("\n")
    if lines[0] != "---" or "---" not in lines[1:]:
        return {}
    try:
        card = yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))
    except yaml.YAMLError as error:
        raise HubError(400, "Invalid YAML", errors=[{"message": str(error)}]) from None
    if not isinstance(card or {}, dict):
        raise HubError(400, "Invalid YAML", errors=[{"message": "metadata must be an object"}])
    wrong = [
        key for key in ("pipeline_tag", "library_name") if not isinstance(card.get(key, ""), str)
    ]
    tags = card.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        wrong.append("tags")
    if wrong:
        errors = [{"message": f'"{key}" is of a wrong type'} for key in wrong]
        raise HubError(400, "Invalid metadata", errors=errors)
    return card or {}


class Store:
    """Users by token, repositories by (kind, id), large files by their sha256."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.repos = {}
        self.objects = {}

    def user(self, authorization):
        """The user of an Authorization header, None without one."""
        if not authorization:
            return None
        user = self.tokens.get(authorization.removeprefix("Bearer "))
        if user is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return user

    def create(self, kind, repo_id, user, private=False):
        if user is None:
            raise HubError(401, "Invalid username or password.")
        if repo_id.partition("/")[0] != user:
            raise HubError(403, "You don't have the rights to create a model under this namespace")
        if (kind, repo_id) in self.repos:
            raise HubError(409, "You already created this model repo")
        repo = self.repos[kind, repo_id] = Repo(repo_id, private)
        repo.publish("main", {".gitattributes": File(GITATTRIBUTES.encode())})
        return repo

    def repo(self, kind, repo_id, user, access="info"):
        """The repository, if `user` has "info", "read" (gates apply) or "write" access to it.

        As on the Hub, a private repository cannot be told from one that does not exist, and an
        anonymous request is asked to log in (401) where a known user would be told no.
        """
        repo = self.repos.get((kind, repo_id))
        if repo is None or (repo.private and user != repo.owner):
            status = 401 if user is None else 404
            raise HubError(status, "Repository not found", "RepoNotFound")
        if user == repo.owner:
            return repo
        if access == "write":
            if user is None:
                raise HubError(401, "Invalid username or password.")
            raise HubError(403, "You don't have write access to this repository")
        if access == "read" and repo.allowed is not None and user not in repo.allowed:
            status = 401 if user is None else 403
            raise HubError(status, f"Access to model {repo_id} is restricted.", "GatedRepo")
        return repo

    def commit(self, repo, branch, operations):
        """Applies the lines of a commit to the branch, all or none of them; returns its name."""
        if branch not in repo.branches:
            raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        if not operations or operations[0]["key"] != "header":
            raise HubError(400, "a commit starts with its header")
        parent = operations[0]["value"].get("parentCommit")
        if parent is not None and not repo.branches[branch].startswith(parent):
            raise HubError(412, "The commit's parent is not the head of the branch")
        files = dict(repo.files(branch))
        for operation in operations[1:]:
            self._apply(files, operation["key"], operation["value"])
        if "README.md" in files:
            read_card(files["README.md"].content.decode())
        return repo.publish(branch, files)

    def _apply(self, files, key, value):
        path = value["path"]
        if key == "file":
            files[path] = File(base64.b64decode(value["content"], validate=True))
        elif key == "lfsFile":
            content = self.objects.get(value["oid"])
            if content is None or len(content) != value.get("size", len(content)):
                raise HubError(400, f"LFS object {value['oid']} of {path} was not uploaded")
            files[path] = File(content, lfs=True)
        elif key == "deletedFile":
            if files.pop(path, None) is None:
                raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
        elif key == "deletedFolder":
            for name in [name for name in files if name.startswith(path.rstrip("/") + "/")]:
                del files[name]
        else:
            raise HubError(400, f"unknown operation {key}")

    def upload_mode(self, repo, revision, path, size):
        """How a file is to be sent, and the name of what is there already (None: nothing)."""
        large = size >= LFS_SIZE or PurePosixPath(path).suffix in LFS_SUFFIXES
        there = repo.files(revision).get(path)
        return {
            "path": path,
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
            "oid": there.etag if there else None,
        }

    def put_object(self, oid, content):
        if hashlib.sha256(content).hexdigest() != oid:
            raise HubError(400, f"the content's sha256 is not {oid}")
        self.objects[oid] = content
