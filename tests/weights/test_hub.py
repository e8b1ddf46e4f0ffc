"""Transfer of files with the real client against the loopback Hub, in processes without torch."""

from pathlib import Path

import pytest
from hub_server import HubServer, run_client, start_client

from asteroid_instglow.weights.hub import hub_name, parse_name

REPO = "tester/bass"
PRELUDE = """
import json
from asteroid_instglow.weights import hub

def said(call):
    try:
        return ["done", str(call())]
    except (OSError, ValueError, RuntimeError) as error:
        return [type(error).__name__, str(error)]

def get(names=("config.json", "model.safetensors"), repo_id="tester/bass", optional=(), **args):
    return said(lambda: hub.download(repo_id, names, hub.Access(**args), optional))
"""
CARD = "---\nlicense: mit\ntags: [asteroid]\n---\n# Bass\n"


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "prior"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def client(hub, code, token=None, env=None):
    return run_client(hub, f"{PRELUDE}\nprint(json.dumps({code}))", token, env)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("user/name", ("user/name", None, None)),
        ("user/na.me-2@v1", ("user/na.me-2", None, "v1")),
        ("user/name@refs/pr/1", ("user/name", None, "refs/pr/1")),
        ("user/name/priors/électrique piano@v1", ("user/name", "électrique piano", "v1")),
        *((name, None) for name in ("name", "./user/name", "/user/name", "../name", "")),
        *((name, None) for name in ("user/name/bass", "user/name/priors/a/b", "user/name@")),
        *(
            (f"user/name@{revision}", None)
            for revision in ('v"', "a b", "$(x)", "`x`", "a\nb", "-x")
        ),
    ],
)
def test_names(name, expected):
    assert parse_name(name) == expected


def test_a_revision_that_could_leave_the_code_of_a_card_is_refused():
    assert hub_name("user/bass", "v1") == "user/bass@v1"
    with pytest.raises(ValueError, match="revision must be a branch"):
        hub_name("user/bass", '")\nimport os #')


def test_round_trip_is_one_commit_and_replaces_what_was_there(hub, folder):
    old = {"model.safetensors": b"old", "priors/b/model.safetensors": b"old", "notes": b"kept"}
    hub.put(REPO, {**old, "LICENSE": b"free"})
    commit, path, pinned = client(
        hub,
        f"""[
            hub.upload({str(folder)!r}, {REPO!r}),
            get(optional=["LICENSE*"])[1],
            get(revision=hub.HfApi().repo_info({REPO!r}).sha)[1],
        ]""",
        hub.token,
    )

    commit = commit.removeprefix(f"{REPO}@")
    assert len(hub.repos[REPO].commits) == 2 and commit == hub.repos[REPO].branches["main"]
    assert hub.files(REPO) == contents(folder) | {"notes": b"kept", "LICENSE": b"free"}
    assert Path(path).name == commit and path == pinned
    assert sorted(contents(Path(path))) == ["LICENSE", "config.json", "model.safetensors"]
    assert all(hub.files(REPO)[k] == content for k, content in contents(Path(path)).items())


def test_all_files_come_from_one_commit(hub):
    old = hub.put(REPO, {"a": b"old a", "b": b"old b"})
    new = hub.put(REPO, {"a": b"new a", "b": b"new b"})
    hub.repos[REPO].branches["v1"] = old
    revisions = f"[get('ab', revision=r)[1][-40:] for r in (None, 'v1', {old!r}, {new!r})]"
    assert client(hub, revisions) == [new, old, old, new]


@pytest.mark.parametrize("revision", [None, "next"])
def test_a_client_killed_while_uploading_publishes_nothing(hub, folder, revision):
    fault = hub.fail("PUT", "/lfs/")
    code = PRELUDE + f"hub.upload({str(folder)!r}, {REPO!r}, revision={revision!r})"
    process = start_client(hub, code, token=hub.token)

    assert fault.reached.wait(120), "the upload has not come so far"
    process.kill()
    process.communicate()

    assert hub.files(REPO, revision or "main") == {}
    run_client(hub, code, token=hub.token)
    assert hub.files(REPO, revision or "main") == contents(folder)


def test_a_refused_upload_publishes_nothing_and_says_why(hub, folder, tmp_path):
    hub.put(REPO, {"config.json": b"{}"})
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "README.md").write_text("---\nlibrary_name: [asteroid]\n---\n")
    hub.fail("PUT", "/lfs/", status=403)
    hub.fail("POST", "/commit/", status=503, times=9)
    hub.tokens["hf_guest"] = "guest"
    answers = client(
        hub,
        f"""[said(lambda args=args: hub.upload({str(folder)!r}, *args)) for args in [
            ({REPO!r},), ({REPO!r},), ({REPO!r}, True), ("stranger/bass",),
            ({REPO!r}, False, "hf_guest"), ({REPO!r}, False, "hf_unknown"), ("bass",),
        ]] + [said(lambda: hub.upload({str(tmp_path / "wrong")!r}, "tester/new"))]""",
        hub.token,
    )
    expected = [
        ("PermissionError", "may not write to tester/bass"),
        ("ConnectionError", "503 on tester/bass; nothing was published"),
        ("ValueError", "tester/bass is public"),
        ("PermissionError", "stranger/bass"),
        ("PermissionError", "tester/bass"),
        ("PermissionError", "token"),
        ("ValueError", 'like "user/name"'),
        ("ValueError", "library_name"),
    ]
    for (kind, text), (wanted, message) in zip(answers, expected, strict=True):
        assert kind == wanted and message in text and "\n" not in text
    assert hub.files(REPO) == {"config.json": b"{}"}
    # A card that the Hub would refuse leaves no empty repository behind.
    assert list(hub.repos) == [REPO]


def test_without_a_network(hub, tmp_path):
    hub.put(REPO, {"config.json": b"{}", "model.safetensors": b"weights"})
    dead = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_ETAG_TIMEOUT": "1"}
    off = {"HF_HUB_OFFLINE": "1"}
    assert client(hub, "get(local_files_only=True)")[0] == "NotCached"
    assert client(hub, "[get(), get(local_files_only=True)][1]")[0] == "done"
    assert client(hub, "get()", env=off)[0] == client(hub, "get()", env=dead)[0] == "done"
    empty = {"HF_HOME": str(tmp_path / "home")}
    kind, text = client(hub, "get()", env=empty | off)
    assert kind == "NotCached" and REPO in text and "HF_HUB_OFFLINE" in text
    kind, text = client(hub, "get()", env=empty | dead)
    assert kind == "ConnectionError" and "cannot be reached to look for tester/bass" in text
    assert "\n" not in text


def test_what_is_not_there_or_not_yours(hub):
    hub.put(REPO, {"config.json": b"{}"})
    hub.put("tester/secret", {"config.json": b"{}"}, private=True)
    hub.put("tester/gated", {"config.json": b"{}"})
    hub.repos["tester/gated"].allowed = {"guest"}
    hub.tokens["hf_guest"] = "guest"
    expected = [
        ("NoRepository", "no repository tester/none", "tester/none", False),
        ("FileNotFoundError", "no revision none", REPO, False),
        ("PermissionError", "token", REPO, "hf_unknown"),
        ("NoRepository", "private: in that case pass a token", "tester/secret", False),
        ("NoRepository", "private", "tester/secret", "hf_guest"),
        ("PermissionError", "tester/gated is gated", "tester/gated", False),
        ("done", "", "tester/gated", "hf_guest"),
        ("done", "", "tester/secret", hub.token),
    ]
    asked = [(repo, {"token": token}) for _, _, repo, token in expected]
    asked[1][1]["revision"] = "none"
    code = f"[get(['config.json'], repo, **args) for repo, args in {asked!r}] + [get(['none'])]"
    answers = client(hub, code)
    assert answers.pop() == ["NoFile", f"{REPO} has no none"]
    for (kind, text), (wanted, message, _, _) in zip(answers, expected, strict=True):
        assert kind == wanted and message in text and "\n" not in text
