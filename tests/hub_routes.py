"""Stores the repositories of a local Hugging Face Hub and answers its requests."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import yaml

LARGE = {".safetensors", ".bin"}  # sent and named as large files are


REPO = r"/api/models/(?P<repo_id>[^/]+/[^/]+)"


class HubError(Exception):
    """A refusal of the Hub: a status, a message, and an error code that its client knows."""

    def __init__(self, status, message, code="", **body):
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


@dataclass
class Repo:
    repo_id: str
    private: bool = False
    allowed: set | None = None  # users with access to a gated repository; None: not gated
    commits: dict = field(default_factory=dict)  # sha -> {path: bytes}
    branches: dict = field(default_factory=dict)

    def resolve(self, revision):
        sha = self.branches.get(revision, revision)
        if sha not in self.commits:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return sha

    def publish(self, branch, files):
        text = f"{self.repo_id} {len(self.commits)} {sorted(files)}"
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha], self.branches[branch] = files, sha
        return sha


def etag(path, content):
    if PurePosixPath(path).suffix in LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def check_card(content):
    """Refuses metadata that the Hub refuses."""
    head = re.match(r"---\n(.*?)\n---", content, re.S)
    card = yaml.safe_load(head[1]) if head else {}
    if not isinstance(card.get("library_name", ""), str):
        raise HubError(400, '"library_name" is of a wrong type')


def create_repo(hub, user, asked):
    owner = asked.get("organization") or user
    repo_id = f"{owner}/{asked['name']}"
    if owner != user:
        raise HubError(403 if user else 401, "You don't have the rights to create a model here")
    if repo_id in hub.repos:
        raise HubError(409, "You already created it", url=f"{hub.endpoint}/{repo_id}")
    private = bool(asked.get("private") or asked.get("visibility") == "private")
    hub.repos[repo_id] = Repo(repo_id, private)
    hub.repos[repo_id].publish("main", {})
    return {"url": f"{hub.endpoint}/{repo_id}", "name": repo_id}


def validate_yaml(hub, user, asked):
    check_card(asked["content"])
    return {"errors": [], "warnings": []}


def repo_info(hub, user, asked, repo_id, revision):
    repo = hub.repo(repo_id, user)
    sha = repo.resolve(revision or "main")
    siblings = [{"rfilename": path} for path in repo.commits[sha]]
    return {"id": repo_id, "sha": sha, "private": repo.private, "siblings": siblings}


def tree(hub, user, asked, repo_id, revision):
    repo = hub.repo(repo_id, user)
    files = repo.commits[repo.resolve(revision)].items()
    return [{"type": "file", "path": p, "size": len(c), "oid": etag(p, c)} for p, c in files]


def create_branch(hub, user, asked, repo_id, revision):
    repo = hub.repo(repo_id, user, "write")
    if revision in repo.branches:
        raise HubError(409, f"Reference {revision} already exists")
    repo.branches[revision] = repo.branches["main"]
    return {}


def preupload(hub, user, asked, repo_id, revision):
    there = hub.files(repo_id, revision) if hub.repo(repo_id, user, "write") else {}
    answers = []
    for path in (file["path"] for file in asked["files"]):
        mode = "lfs" if PurePosixPath(path).suffix in LARGE else "regular"
        oid = etag(path, there[path]) if path in there else None
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return {"files": answers}


def lfs_batch(hub, user, asked, repo_id):
    hub.repo(repo_id, user, "write")
    objects = [{"oid": item["oid"], "size": item["size"]} for item in asked["objects"]]
    for item in objects:
        if item["oid"] not in hub.objects:
            item["actions"] = {"upload": {"href": f"{hub.endpoint}/lfs/{item['oid']}"}}
    return {"transfer": "basic", "objects": objects}


def commit(hub, user, asked, repo_id, revision):
    repo = hub.repo(repo_id, user, "write")
    files = dict(repo.commits[repo.resolve(revision)])
    for line in asked:
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            files[value["path"]] = hub.objects[value["oid"]]
        elif line["key"] == "deletedFile":
            del files[value["path"]]
    sha = repo.publish(revision, files)
    return {
        "success": True,
        "commitOid": sha,
        "commitUrl": f"{hub.endpoint}/{repo_id}/commit/{sha}",
    }


ROUTES = [
    ("POST", "/api/repos/create", create_repo),
    ("POST", "/api/validate-yaml", validate_yaml),
    ("GET", f"{REPO}(?:/revision/(?P<revision>[^/]+))?", repo_info),
    ("GET", f"{REPO}/tree/(?P<revision>[^/]+)", tree),
    ("POST", f"{REPO}/branch/(?P<revision>[^/]+)", create_branch),
    ("POST", f"{REPO}/preupload/(?P<revision>[^/]+)", preupload),
    ("POST", f"{REPO}/commit/(?P<revision>[^/]+)", commit),
    ("POST", r"/(?P<repo_id>[^/]+/[^/]+)\.git/info/lfs/objects/batch", lfs_batch),
]
