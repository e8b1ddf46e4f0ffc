"""The loopback Hub against the real client: each test runs `huggingface_hub` in its own process."""

import hashlib
import json
import time

import pytest
from hub_server import HubServer, run_client, start_client

REPO = "tester/bass"
PRELUDE = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError
api = HfApi()

def answer(call):
    try:
        return call()
    except HfHubHTTPError as error:
        return [type(error).__name__, error.response.status_code]
"""
CARD = b"---\nlicense: mit\npipeline_tag: audio-to-audio\ntags: [asteroid, audio]\n---\n# Bass\n"
CLIENT_CHUNK = 10 * 1024**2
WEIGHTS = hashlib.sha256(b"seed").digest() * 340_000  # 10.9 MB, so it goes up as a large file


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "prior"
    (folder / "extra").mkdir(parents=True)
    (folder / "README.md").write_bytes(CARD)
    (folder / "config.json").write_bytes(b'{"source": "bass"}')
    (folder / "extra" / "empty.txt").write_bytes(b"")
    (folder / "model.weights").write_bytes(WEIGHTS)
    return folder


def contents(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def client(hub, code, token=True, **options):
    """Runs the client, as the hub's user unless told otherwise; returns the JSON it printed."""
    token = hub.token if token is True else token
    result = run_client(hub, PRELUDE + code, token=token, **options)
    return json.loads(result.stdout) if result.stdout else None


def fill(hub, files, private=False, branch="main"):
    """Puts files into a repository without the client."""
    repo = hub.store.repos.get(("models", REPO))
    repo = repo or hub.store.create("models", REPO, hub.user, private)
    operations = [{"key": "header", "value": {"summary": "x"}}]
    for path, content in files.items():
        oid = hashlib.sha256(content).hexdigest()
        hub.store.put_object(oid, content)
        operations.append({"key": "lfsFile", "value": {"path": path, "oid": oid}})
    return hub.store.commit(repo, branch, operations)


def test_upload_then_download_gives_the_same_bytes(hub, folder, tmp_path):
    answer = client(
        hub,
        f"""
url = api.create_repo({REPO!r})
api.create_repo({REPO!r}, exist_ok=True)
done = api.upload_folder(repo_id={REPO!r}, folder_path={str(folder)!r})
info = api.model_info({REPO!r}, files_metadata=True)
path = snapshot_download({REPO!r}, local_dir={str(tmp_path / "down")!r}, ignore_patterns=".git*")
tree = [e.path for e in api.list_repo_tree({REPO!r})]
lfs = [s.rfilename for s in info.siblings if s.lfs]
again = api.upload_folder(repo_id={REPO!r}, folder_path={str(folder)!r})
print(json.dumps([str(url), done.oid, info.sha, info.pipeline_tag, info.card_data.license, lfs,
                  tree, again.oid, api.whoami()["name"]]))
""",
    )
    url, commit, sha, pipeline, license_, lfs, tree, again, user = answer

    assert url == f"{hub.endpoint}/{REPO}"
    assert commit == sha == again  # a folder that has not changed makes no commit
    assert (pipeline, license_, user) == ("audio-to-audio", "mit", "tester")
    assert lfs == ["model.weights"]
    assert sorted(tree) == [".gitattributes", "README.md", "config.json", "extra", "model.weights"]
    assert hub.files(REPO) == contents(folder)
    down = tmp_path / "down"
    assert {k: v for k, v in contents(down).items() if k[0] != "."} == contents(folder)


def test_revisions(hub):
    old = fill(hub, {"config.json": b"old"})
    new = fill(hub, {"config.json": b"new"})
    answer = client(
        hub,
        f"""
api.create_tag({REPO!r}, tag="v1", revision={old!r})
api.create_branch({REPO!r}, branch="next")
api.upload_file(path_or_fileobj=b"next", path_in_repo="config.json", repo_id={REPO!r},
                revision="next")
refs = api.list_repo_refs({REPO!r})
revisions = [None, "v1", "next", {old!r}, {new!r}]
texts = [Path(hf_hub_download({REPO!r}, "config.json", revision=r)).read_text() for r in revisions]
names = [r.name for r in refs.branches], [r.name for r in refs.tags]
print(json.dumps([texts, names, api.model_info({REPO!r}, revision="v1").sha]))
""",
    )

    assert answer == [["new", "old", "next", "old", "new"], [["main", "next"], ["v1"]], old]


def test_what_is_not_there_or_not_yours(hub):
    fill(hub, {"config.json": b"{}"})
    answers = client(
        hub,
        f"""
calls = [
    lambda: snapshot_download("tester/none"),
    lambda: hf_hub_download({REPO!r}, "none.json"),
    lambda: api.model_info({REPO!r}, revision="none"),
    lambda: api.create_repo("stranger/bass"),
    lambda: api.create_repo({REPO!r}),
]
print(json.dumps([answer(call) for call in calls]))
""",
    )

    assert answers == [
        ["RepositoryNotFoundError", 404],
        ["RemoteEntryNotFoundError", 404],
        ["RevisionNotFoundError", 404],
        ["HfHubHTTPError", 403],
        ["HfHubHTTPError", 409],
    ]


def fetch_as(hub, *tokens):
    """What a download of config.json gives with each token; False is nobody's."""
    hub.store.tokens |= {"hf_guest": "guest", "hf_stranger": "stranger"}
    code = f"""
def fetch(token):
    local_dir = Path({hub.home!r}, str(token))  # what one has fetched is not there for another
    return Path(hf_hub_download({REPO!r}, "config.json", token=token, local_dir=local_dir))
print(json.dumps([answer(lambda: fetch(t).read_text()) for t in {tokens!r}]))
"""
    return client(hub, code, token=None)


def test_a_private_repository_is_for_its_owner(hub):
    fill(hub, {"config.json": b"{}"}, private=True)

    assert fetch_as(hub, hub.token, "hf_stranger", False, "hf_unknown") == [
        "{}",
        ["RepositoryNotFoundError", 404],  # not to be told from one that is not there
        ["RepositoryNotFoundError", 401],
        ["HfHubHTTPError", 401],
    ]


def test_a_gated_repository_is_for_those_let_in(hub):
    fill(hub, {"config.json": b"{}"})
    hub.gate(REPO, "guest")

    assert fetch_as(hub, hub.token, "hf_guest", "hf_stranger", False) == [
        "{}",
        "{}",
        ["GatedRepoError", 403],
        ["GatedRepoError", 401],
    ]


def test_a_wrong_card_is_refused_before_anything_goes_up(hub, tmp_path):
    hub.store.create("models", REPO, hub.user)
    (tmp_path / "README.md").write_text("---\ntags: {a: b\n---\n")
    code = f"""
try:
    api.upload_folder(repo_id={REPO!r}, folder_path={str(tmp_path)!r})
except ValueError as error:
    print(json.dumps(str(error)[:29]))
"""

    assert client(hub, code) == "Invalid metadata in README.md"
    assert hub.files(REPO) == {}


UPLOAD = """
try:
    api.upload_folder(repo_id={repo!r}, folder_path={folder!r})
except (HfHubHTTPError, RuntimeError) as error:
    error = error.__cause__ if isinstance(error, RuntimeError) else error
    print(json.dumps(error.response.status_code))
"""


@pytest.mark.parametrize("where", ["large file", "commit"])
def test_a_refused_upload_publishes_nothing(hub, folder, where):
    before = hub.store.create("models", REPO, hub.user).branches["main"]
    if where == "commit":
        hub.fail("POST", "/commit/", after_bytes=100, status=403)
    else:
        hub.fail_upload(1_000_000, status=403)

    assert client(hub, UPLOAD.format(repo=REPO, folder=str(folder))) == 403
    assert hub.store.repos["models", REPO].branches == {"main": before}
    assert hub.files(REPO) == {}


def test_a_client_killed_while_uploading_publishes_nothing(hub, folder):
    hub.store.create("models", REPO, hub.user)
    fault = hub.fail_upload(1_000_000, stall=True)
    code = PRELUDE + UPLOAD.format(repo=REPO, folder=str(folder))
    process = start_client(hub, code, token=hub.token)

    assert fault.reached.wait(60), "the upload has not come so far"
    process.kill()
    process.communicate()

    assert hub.files(REPO) == {}
    assert hub.store.objects == {}
    client(hub, UPLOAD.format(repo=REPO, folder=str(folder)))
    assert hub.files(REPO) == contents(folder)


def test_a_dropped_upload_is_sent_again(hub, folder):
    hub.store.create("models", REPO, hub.user)
    hub.fail_upload(1_000_000)

    client(hub, UPLOAD.format(repo=REPO, folder=str(folder)))

    assert len(hub.requests("PUT")) == 2
    assert hub.files(REPO) == contents(folder)


DOWNLOAD = f"""
path = hf_hub_download({REPO!r}, "model.safetensors")
print(json.dumps([len(Path(path).read_bytes()), path]))
"""


def test_a_dropped_download_is_resumed(hub):
    fill(hub, {"model.safetensors": WEIGHTS})
    hub.fail_download(10_700_000)

    _, path = client(hub, DOWNLOAD)

    first, second = hub.requests("GET", "/resolve/")
    assert first.n_sent == 10_700_000
    assert second.status == 206
    # The client keeps whole pieces of 10 MiB: of a shorter file it begins again.
    assert second.headers["Range"] == f"bytes={CLIENT_CHUNK}-"
    assert second.n_sent == len(WEIGHTS) - CLIENT_CHUNK
    with open(path, "rb") as file:
        assert file.read() == WEIGHTS


def test_a_client_killed_while_downloading_leaves_nothing_that_passes_for_the_file(hub):
    fill(hub, {"model.safetensors": WEIGHTS})
    fault = hub.fail_download(4_000_000, stall=True)
    process = start_client(hub, PRELUDE + DOWNLOAD)

    assert fault.reached.wait(60), "the download has not come so far"
    process.kill()
    process.communicate()

    assert client(hub, DOWNLOAD)[0] == len(WEIGHTS)


def test_a_tampered_file_keeps_its_name_and_etag(hub):
    fill(hub, {"model.safetensors": b"weights"})
    hub.tamper(REPO, "model.safetensors", b"poison!")
    code = f"""
path = Path(hf_hub_download({REPO!r}, "model.safetensors"))
print(json.dumps([path.read_text(), path.resolve().name]))
"""

    assert client(hub, code) == ["poison!", hashlib.sha256(b"weights").hexdigest()]


def test_the_server_listens_on_the_loopback_interface_only_and_stops(hub):
    host, port = hub.endpoint.removeprefix("http://").split(":")

    assert host == "127.0.0.1"
    begin = time.monotonic()
    with HubServer() as other:
        assert other.endpoint != hub.endpoint
    assert time.monotonic() - begin < 2
