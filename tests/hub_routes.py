"""What the loopback Hub answers to each request: the endpoints that `huggingface_hub` uses."""

import json
import re
from urllib.parse import unquote

from hub_store import DATE, HubError, read_card

KIND = r"(?P<kind>models|datasets|spaces)"
REPO = r"(?P<repo_id>[^/]+/[^/]+)"
REVISION = r"(?P<revision>[^/]+)"
ROUTES = []


def route(method, pattern):
    """Registers a function for the requests whose whole path matches."""

    def register(function):
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


def answer(hub, request):
    """Returns (status, headers, body) of a request, or raises HubError."""
    for method, pattern, function in ROUTES:
        match = pattern.fullmatch(request.path)
        if match and request.method in method.split("|"):
            user = hub.store.user(request.headers.get("Authorization"))
            groups = {key: unquote(value or "") for key, value in match.groupdict().items()}
            result = function(hub, request, user, **groups)
            if isinstance(result, tuple):
                return result
            return 200, {"Content-Type": "application/json"}, json.dumps(result)
    raise HubError(404, f"no such endpoint: {request.method} {request.path}")


@route("GET", "/api/whoami-v2")
def whoami(hub, request, user):
    if user is None:
        raise HubError(401, "Invalid username or password.")
    token = {"displayName": "test", "role": "write"}
    return {"type": "user", "name": user, "orgs": [], "auth": {"accessToken": token}}


@route("POST", "/api/repos/create")
def create_repo(hub, request, user):
    wanted = request.json()
    repo_id = f"{wanted.get('organization') or user}/{wanted['name']}"
    private = wanted.get("private") or wanted.get("visibility") == "private"
    prefix = {"dataset": "datasets/", "space": "spaces/"}.get(wanted.get("type"), "")
    kind = wanted.get("type", "model") + "s"
    try:
        hub.store.create(kind, repo_id, user, bool(private))
    except HubError as error:
        error.body["url"] = f"{hub.endpoint}/{prefix}{repo_id}"
        raise
    return {"url": f"{hub.endpoint}/{prefix}{repo_id}", "name": repo_id, "private": private}


@route("DELETE", "/api/repos/delete")
def delete_repo(hub, request, user):
    wanted = request.json()
    key = (
        wanted.get("type", "model") + "s",
        f"{wanted.get('organization') or user}/{wanted['name']}",
    )
    hub.store.repo(*key, user, "write")
    del hub.store.repos[key]
    return {}


@route("POST", "/api/validate-yaml")
def validate_yaml(hub, request, user):
    card = read_card(request.json()["content"])
    warnings = [] if card else [{"message": "empty or missing yaml metadata in repo card"}]
    return {"errors": [], "warnings": warnings}


@route("POST", f"/api/{KIND}/{REPO}/preupload/{REVISION}")
def preupload(hub, request, user, kind, repo_id, revision):
    repo = hub.store.repo(kind, repo_id, user, "write")
    asked = request.json()["files"]
    return {"files": [hub.store.upload_mode(repo, revision, f["path"], f["size"]) for f in asked]}


@route("POST", rf"/(?:(?P<kind>datasets|spaces)/)?{REPO}\.git/info/lfs/objects/batch")
def lfs_batch(hub, request, user, kind, repo_id):
    hub.store.repo(kind or "models", repo_id, user, "write")
    objects = []
    for wanted in request.json()["objects"]:
        item = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in hub.store.objects:
            upload = {"href": f"{hub.endpoint}/lfs/{wanted['oid']}", "header": {}}
            item["actions"] = {"upload": upload, "verify": {"href": f"{hub.endpoint}/lfs-verify"}}
        objects.append(item)
    return {"transfer": "basic", "objects": objects}


@route("PUT", "/lfs/(?P<oid>[0-9a-f]{64})")
def put_object(hub, request, user, oid):
    hub.store.put_object(oid, request.body)
    return 200, {"ETag": f'"{oid}"'}, b""


@route("POST", "/lfs-verify")
def verify_object(hub, request, user):
    wanted = request.json()
    if len(hub.store.objects.get(wanted["oid"], b"")) != wanted["size"]:
        raise HubError(404, f"LFS object {wanted['oid']} is not of {wanted['size']} bytes")
    return {}


@route("POST", f"/api/{KIND}/{REPO}/commit/{REVISION}")
def commit(hub, request, user, kind, repo_id, revision):
    repo = hub.store.repo(kind, repo_id, user, "write")
    if request.query.get("create_pr"):
        raise HubError(501, "this Hub has no pull requests")
    operations = [json.loads(line) for line in request.body.splitlines() if line.strip()]
    sha = hub.store.commit(repo, revision, operations)
    url = f"{hub.endpoint}/{repo_id}/commit/{sha}"
    return {"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""}


def describe_lfs(file):
    return {"size": len(file.content), "sha256": file.sha256, "pointerSize": 134}


def describe(repo, sha, with_blobs):
    files = repo.commits[sha]
    siblings = []
    for path, file in sorted(files.items()):
        sibling = {"rfilename": path}
        if with_blobs:
            sibling |= {"size": len(file.content), "blobId": file.blob_id}
            sibling |= {"lfs": describe_lfs(file)} if file.lfs else {}
        siblings.append(sibling)
    card = read_card(files["README.md"].content.decode()) if "README.md" in files else {}
    gated = "manual" if repo.allowed is not None else False
    described = {"id": repo.repo_id, "modelId": repo.repo_id, "author": repo.owner, "sha": sha}
    described |= {"private": repo.private, "gated": gated, "disabled": False, "siblings": siblings}
    described |= {"createdAt": DATE, "lastModified": DATE, "downloads": 0, "likes": 0}
    described |= {"cardData": card, "tags": card.get("tags", [])}
    described |= {key: card[key] for key in ("pipeline_tag", "library_name") if key in card}
    return described


@route("GET", f"/api/{KIND}/{REPO}(?:/revision/{REVISION})?")
def repo_info(hub, request, user, kind, repo_id, revision):
    repo = hub.store.repo(kind, repo_id, user)
    return describe(repo, repo.resolve(revision or "main"), request.query.get("blobs") is not None)


@route("GET", f"/api/{KIND}/{REPO}/auth-check")
def auth_check(hub, request, user, kind, repo_id):
    hub.store.repo(kind, repo_id, user, "read")
    return {}


@route("GET", f"/api/{KIND}/{REPO}/tree/{REVISION}(?:/(?P<folder>.+))?")
def tree(hub, request, user, kind, repo_id, revision, folder):
    repo = hub.store.repo(kind, repo_id, user)
    recursive = request.query.get("recursive", "").lower() in ("true", "1")
    prefix = folder.rstrip("/") + "/" if folder else ""
    entries, folders = [], set()
    for path, file in sorted(repo.files(revision).items()):
        if not path.startswith(prefix):
            continue
        inner = path[len(prefix) :].split("/")
        depth = len(inner) if recursive else min(len(inner), 2)
        folders |= {prefix + "/".join(inner[:n]) for n in range(1, depth)}
        if recursive or len(inner) == 1:
            entry = {"type": "file", "path": path, "size": len(file.content), "oid": file.blob_id}
            lfs = {"oid": file.sha256, "size": len(file.content), "pointerSize": 134}
            entries.append(entry | ({"lfs": lfs} if file.lfs else {}))
    if folder and not entries and not folders:
        raise HubError(404, f"{folder} does not exist", "EntryNotFound")
    return [{"type": "directory", "path": f, "size": 0, "oid": "0" * 40} for f in folders] + entries


@route("GET", f"/api/{KIND}/{REPO}/refs")
def refs(hub, request, user, kind, repo_id):
    repo = hub.store.repo(kind, repo_id, user)

    def listed(where, names):
        return [{"name": n, "ref": f"{where}/{n}", "targetCommit": sha} for n, sha in names.items()]

    branches, tags = listed("refs/heads", repo.branches), listed("refs/tags", repo.tags)
    return {"branches": branches, "tags": tags, "converts": [], "pullRequests": []}


@route("POST", f"/api/{KIND}/{REPO}/(?P<ref>tag|branch)/(?P<name>[^/]+)")
def create_ref(hub, request, user, kind, repo_id, ref, name):
    # A tag is created at the revision in the path, a branch under the name in the path.
    repo = hub.store.repo(kind, repo_id, user, "write")
    wanted = request.json()
    if ref == "tag":
        names, name, target = repo.tags, wanted["tag"], name
    else:
        names, target = repo.branches, wanted.get("startingPoint", "main")
    if name in names:
        raise HubError(409, f"Reference {name} already exists")
    names[name] = repo.resolve(target)
    return {}


@route("DELETE", f"/api/{KIND}/{REPO}/(?P<ref>tag|branch)/(?P<name>[^/]+)")
def delete_ref(hub, request, user, kind, repo_id, ref, name):
    repo = hub.store.repo(kind, repo_id, user, "write")
    names = repo.tags if ref == "tag" else repo.branches
    if name not in names:
        raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
    if names is repo.branches and name == "main":
        raise HubError(403, "main cannot be deleted")
    del names[name]
    return {}


@route("GET|HEAD", rf"/(?:(?P<kind>datasets|spaces)/)?{REPO}/resolve/{REVISION}/(?P<path>.+)")
def resolve(hub, request, user, kind, repo_id, revision, path):
    repo = hub.store.repo(kind or "models", repo_id, user, "read")
    file = repo.file(revision, path)
    content = hub.replaced.get((repo_id, path), file.content)
    headers = {
        "Content-Type": "application/octet-stream",
        "ETag": f'"{file.etag}"',
        "X-Repo-Commit": repo.resolve(revision),
        "Accept-Ranges": "bytes",
    }
    wanted = request.headers.get("Range")
    if request.method == "HEAD" or wanted is None:
        return 200, headers | {"Content-Length": str(len(content))}, content
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    if match is None or int(match[1]) >= len(content):
        raise HubError(416, f"Range {wanted} of {len(content)} bytes")
    first, last = int(match[1]), min(int(match[2] or len(content)), len(content) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return 206, headers, content[first : last + 1]
