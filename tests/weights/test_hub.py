"""Transfer of files and whole models, with the real client against the loopback Hub.

What needs no model runs hub.py alone in the client's process: that takes no torch.
"""

import hashlib
import json
from pathlib import Path

import pytest
from hub_server import HubServer, run_client, start_client

from asteroid_instglow.weights.hub import parse_name

HUB = Path(__file__).parents[2] / "asteroid_instglow" / "weights" / "hub.py"
REPO = "tester/bass"
PRELUDE = f"""
import importlib.util, json
from pathlib import Path
spec = importlib.util.spec_from_file_location("hub", {str(HUB)!r})
hub = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hub)

def said(call):
    try:
        return ["done", str(call())]
    except (OSError, ValueError, RuntimeError) as error:
        return [type(error).__name__, str(error)]
"""
WEIGHTS = hashlib.sha256(b"seed").digest() * 340_000  # 10.9 MB, over the client's piece of 10 MiB
CARD = "---\nlicense: mit\ntags: [asteroid]\n---\n# Bass\n"


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "prior"
    (folder / "priors" / "a").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)
    (folder / "priors" / "a" / "model.safetensors").write_bytes(b"part")
    return folder


def contents(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def client(hub, code, token=None, **options):
    """Runs hub.py in a client of its own; returns the JSON it printed."""
    result = run_client(hub, PRELUDE + code, token=token, **options)
    return json.loads(result.stdout)


def fill(hub, files, private=False, repo_id=REPO):
    """Puts files into a repository without the client, as large files; returns the commit."""
    repo = hub.store.repos.get(("models", repo_id))
    repo = repo or hub.store.create("models", repo_id, hub.user, private)
    operations = [{"key": "header", "value": {"summary": "x"}}]
    for path, content in files.items():
        oid = hashlib.sha256(content).hexdigest()
        hub.store.put_object(oid, content)
        operations.append({"key": "lfsFile", "value": {"path": path, "oid": oid}})
    return hub.store.commit(repo, "main", operations)


def cached(hub, content):
    """The file of the client's cache that holds this content."""
    blobs = Path(hub.home).glob("hub/models--*/blobs/*")
    return next(path for path in blobs if path.read_bytes() == content)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("user/name", ("user/name", None, None)),
        ("user/na.me-2@v1", ("user/na.me-2", None, "v1")),
        ("user/name@refs/pr/1", ("user/name", None, "refs/pr/1")),
        ("user/name/priors/électrique piano@v1", ("user/name", "électrique piano", "v1")),
        ("name", None),
        ("./user/name", None),
        ("/user/name", None),
        ("../name", None),
        ("user/name/bass", None),
        ("user/name/priors/a/b", None),
        ("user/name@", None),
        ("", None),
    ],
)
def test_names(name, expected):
    assert parse_name(name) == expected


def test_round_trip_is_one_commit_and_replaces_what_was_there(hub, folder):
    fill(hub, {"model.safetensors": b"old", "priors/b/model.safetensors": b"old", "notes": b"kept"})
    before = len(hub.store.repos["models", REPO].commits)
    sent = client(
        hub,
        f"""
send = lambda: hub.upload({str(folder)!r}, {REPO!r}, replaces=["*.safetensors", "*.bin"])
names = ["config.json", "priors/a/model.safetensors", "model.safetensors"]
print(json.dumps([send(), send(), str(hub.download({REPO!r}, names))]))
""",
        hub.token,
    )
    commit, again, path = sent

    repo = hub.store.repos["models", REPO]
    assert commit == again == repo.branches["main"] and len(repo.commits) == before + 1
    assert hub.files(REPO) == contents(folder) | {"notes": b"kept"}
    assert Path(path).name == commit
    fetched = contents(Path(path))
    assert fetched == {k: v for k, v in contents(folder).items() if k != "README.md"}


def test_all_files_come_from_one_commit(hub):
    old = fill(hub, {"a": b"old a", "b": b"old b"})
    new = fill(hub, {"a": b"new a", "b": b"new b"})
    hub.store.repos["models", REPO].tags["v1"] = old
    code = f"""
print(json.dumps([hub.download({REPO!r}, ["a", "b"], revision=r).name
                  for r in (None, "v1", {old!r}, {new!r})]))
"""

    assert client(hub, code) == [new, old, old, new]
    assert not hub.requests("GET", "/resolve/(main|v1)/b")  # pinned to what the first had


@pytest.mark.parametrize("revision", [None, "next"])
def test_a_client_killed_while_uploading_publishes_nothing(hub, folder, revision):
    fault = hub.fail_upload(3000, stall=True)
    code = PRELUDE + f"hub.upload({str(folder)!r}, {REPO!r}, revision={revision!r})"
    process = start_client(hub, code, token=hub.token)

    assert fault.reached.wait(60), "the upload has not come so far"
    process.kill()
    process.communicate()

    assert hub.files(REPO) == {}
    assert list(hub.store.repos["models", REPO].branches) == ["main"]
    run_client(hub, code, token=hub.token)
    assert hub.files(REPO, revision or "main") == contents(folder)


def test_a_refused_upload_publishes_nothing_and_says_why(hub, folder, tmp_path):
    fill(hub, {"config.json": b"{}"})
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "README.md").write_text("---\nlibrary_name: [asteroid]\n---\n")
    hub.fail_upload(3000, status=403)
    hub.fail("POST", "/commit/", after_bytes=100, status=503, times=9)
    hub.store.tokens["hf_guest"] = "guest"
    answers = client(
        hub,
        f"""
folder, wrong = {str(folder)!r}, {str(tmp_path / "wrong")!r}
calls = [
    lambda: hub.upload(folder, {REPO!r}),
    lambda: hub.upload(folder, {REPO!r}),
    lambda: hub.upload(wrong, "tester/new"),
    lambda: hub.upload(folder, {REPO!r}, private=True),
    lambda: hub.upload(folder, "stranger/bass"),
    lambda: hub.upload(folder, {REPO!r}, token="hf_guest"),
    lambda: hub.upload(folder, {REPO!r}, token="hf_unknown"),
    lambda: hub.upload(folder, "bass"),
]
print(json.dumps([said(call) for call in calls]))
""",
        hub.token,
    )
    kinds, texts = zip(*answers)

    assert kinds == (
        "PermissionError",
        "ConnectionError",
        "ValueError",
        "ValueError",
        "PermissionError",
        "PermissionError",
        "PermissionError",
        "ValueError",
    )
    assert "may not write to tester/bass" in texts[0]
    assert "503" in texts[1] and "nothing was published" in texts[1]
    assert "library_name" in texts[2]
    assert "tester/bass is public" in texts[3]
    assert "stranger/bass" in texts[4] and "tester/bass" in texts[5]
    assert 'like "user/name"' in texts[7]
    assert not any("\n" in text for text in texts)
    assert hub.files(REPO) == {"config.json": b"{}"}
    # A card that the Hub would refuse leaves no empty repository behind.
    assert list(hub.store.repos) == [("models", REPO)]


DOWNLOAD = f"""
print(json.dumps(said(lambda: hub.download({REPO!r}, ["config.json", "model.safetensors"]))))
"""


def test_a_dropped_download_is_resumed_and_whole(hub):
    fill(hub, {"config.json": b"{}", "model.safetensors": WEIGHTS})
    hub.fail("GET", "/model.safetensors", after_bytes=10_700_000)

    kind, path = client(hub, DOWNLOAD)

    assert kind == "done"
    assert (Path(path) / "model.safetensors").read_bytes() == WEIGHTS
    assert [r.status for r in hub.requests("GET", "safetensors")] == [200, 206]


def test_a_killed_download_is_redone(hub):
    fill(hub, {"config.json": b"{}", "model.safetensors": WEIGHTS})
    fault = hub.fail("GET", "/model.safetensors", after_bytes=4_000_000, stall=True)
    process = start_client(hub, PRELUDE + DOWNLOAD)

    assert fault.reached.wait(60), "the download has not come so far"
    process.kill()
    process.communicate()

    kind, path = client(hub, DOWNLOAD)
    assert kind == "done" and (Path(path) / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("large", [True, False])
def test_a_tampered_file_is_refused_and_forgotten(hub, folder, large):
    client(hub, f"print(json.dumps(hub.upload({str(folder)!r}, {REPO!r})))", hub.token)
    name, poison = ("model.safetensors", b"poison!" * 1000) if large else ("config.json", b"[]")
    assert len(poison) == len(hub.files(REPO)[name])  # the client sees a wrong size by itself
    hub.tamper(REPO, name, poison)

    kind, text = client(hub, DOWNLOAD)
    assert kind == "ValueError" and name in text and REPO in text and "tampered" in text

    hub.replaced.clear()
    kind, path = client(hub, DOWNLOAD)
    assert kind == "done" and (Path(path) / name).read_bytes() == hub.files(REPO)[name]


def test_a_file_damaged_in_the_cache_is_fetched_anew(hub):
    fill(hub, {"config.json": b"{}", "model.safetensors": b"weights"})
    kind, path = client(hub, DOWNLOAD)
    cached(hub, b"weights").write_bytes(b"w")

    kind, text = client(hub, DOWNLOAD, env={"HF_HUB_OFFLINE": "1"})
    assert kind != "done" and "model.safetensors" in text
    kind, path = client(hub, DOWNLOAD)
    assert kind == "done" and (Path(path) / "model.safetensors").read_bytes() == b"weights"


def test_without_a_network(hub, tmp_path):
    fill(hub, {"config.json": b"{}", "model.safetensors": b"weights"})
    empty = {"HF_HOME": str(tmp_path / "home")}
    dead = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_ETAG_TIMEOUT": "1"}
    off = {"HF_HUB_OFFLINE": "1"}
    local = DOWNLOAD.replace('"])', '"], local_files_only=True)')
    assert client(hub, local)[0] == "NotCached"
    assert client(hub, DOWNLOAD)[0] == "done"

    for env, code in ((off, DOWNLOAD), (dead, DOWNLOAD), ({}, local)):
        assert client(hub, code, env=env)[0] == "done"
    kind, text = client(hub, DOWNLOAD, env=empty | off)
    assert kind == "NotCached" and REPO in text and "HF_HUB_OFFLINE" in text
    kind, text = client(hub, DOWNLOAD, env=empty | dead)
    assert kind == "ConnectionError" and REPO in text and "\n" not in text


def test_what_is_not_there_or_not_yours(hub):
    fill(hub, {"config.json": b"{}"})
    fill(hub, {"config.json": b"{}"}, private=True, repo_id="tester/secret")
    fill(hub, {"config.json": b"{}"}, repo_id="tester/gated")
    hub.gate("tester/gated", "guest")
    hub.store.tokens |= {"hf_guest": "guest"}
    answers = client(
        hub,
        f"""
get = lambda repo_id, name="config.json", revision=None, token=False: said(
    lambda: hub.download(repo_id, [name], revision, token))
print(json.dumps([
    get("tester/none"),
    get({REPO!r}, "none.json"),
    get({REPO!r}, revision="none"),
    get({REPO!r}, token="hf_unknown"),
    get("tester/secret"),
    get("tester/secret", token="hf_guest"),
    get("tester/gated"),
    get("tester/gated", token="hf_guest"),
    get("tester/secret", token={hub.token!r}),
]))
""",
    )
    kinds, texts = zip(*answers)

    assert kinds == (
        "NoRepository",
        "NoFile",
        "FileNotFoundError",
        "PermissionError",
        "NoRepository",
        "NoRepository",
        "PermissionError",
        "done",
        "done",
    )
    assert "no repository tester/none" in texts[0]
    assert texts[1] == "tester/bass has no none.json"
    assert texts[2] == "tester/bass has no revision none"
    assert "token" in texts[3]
    assert "tester/secret" in texts[4] and "private" in texts[4] and "token" in texts[4]
    assert "tester/gated is gated" in texts[6]
    assert not any("\n" in text for text in texts)
