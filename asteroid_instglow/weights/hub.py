"""Files of a repository on the Hugging Face Hub: fetched and verified, sent in one commit.

Knows nothing of models. The client downloads, resumes and caches; what it leaves to its caller is
done here: the content is compared with the hash on the Hub's record (the client looks at the size
only), all files come from one commit, and what went wrong is said in one line.
"""

import os
import re
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelCard,
    constants,
    errors,
    hf_hub_download,
    try_to_load_from_cache,
)

from ..utils.files import hash_file

_ID = re.compile(
    r"(?P<repo_id>\w[\w.-]*/\w[\w.-]*)(?:/priors/(?P<part>[^/@]+))?(?:@(?P<revision>.+))?", re.ASCII
)
CARD = "README.md"
LOG_IN = "pass a token, or log in with `hf auth login`"
_FAILURES = (
    errors.HTTPError,
    errors.EntryNotFoundError,
    errors.OfflineModeIsEnabled,
    # From version 2 of the client on.
    getattr(errors, "XetDownloadError", errors.HTTPError),
)


class NoRepository(FileNotFoundError):
    """There is no such repository, or it is private: the Hub does not tell the two apart."""


class NoFile(FileNotFoundError):
    """The repository has no such file."""


class NotCached(FileNotFoundError):
    """The cache does not have the file, and downloads are switched off."""


class HubName(NamedTuple):
    """What "user/name", "user/name@revision" and "user/name/priors/bass@revision" stand for."""

    repo_id: str
    part: str | None
    revision: str | None


def parse_name(name):
    """Reads the name of a repository.

    Args:
        name (str): "user/name", with "/priors/<source>" for a part of it and "@revision" (branch,
            tag or commit).

    Returns:
        HubName | None: None if it cannot be one.

    Examples
        >>> parse_name("user/bass@v1")
        HubName(repo_id='user/bass', part=None, revision='v1')
    """
    match = _ID.fullmatch(name)
    return HubName(**match.groupdict()) if match else None


def check_repo_id(repo_id):
    """Refuses what is not "user/name"."""
    name = parse_name(repo_id)
    if name is None or name.part or name.revision:
        raise ValueError(f'repo_id must be like "user/name", got {repo_id!r}')


def download(
    repo_id, names, revision=None, token=None, cache_dir=None, local_files_only=False
) -> Path:
    """Brings files of one commit into the cache and verifies them, those that are there too.

    Without a network, files in the cache are taken. A damaged file in the cache is fetched anew.

    Args:
        repo_id (str): "user/name".
        names (Sequence[str]): Files of the repository, at least one.
        revision (str, optional): Branch, tag or commit; by default "main".
        token (str | bool, optional): By default that of ``hf auth login`` or ``HF_TOKEN``; False:
            none.
        cache_dir (str | Path, optional): By default the client's.
        local_files_only (bool): Use the cache alone.

    Returns:
        Path: Folder with these files; it is named by the commit.

    Raises:
        NoRepository, NoFile, NotCached: All are FileNotFoundError. FileNotFoundError: If there is
            no such revision.
        PermissionError: If the repository is gated, or the token is refused.
        ConnectionError: If the Hub cannot be reached or breaks off, and the cache does not help.
        ValueError: If a file is not what the Hub's record says.

    Examples
        >>> download("user/bass", ["config.json"]).name  # doctest: +SKIP
        '5c9cbb3d7ee0c5b9cbbc7c9ee4a4e5ae9d53c2a1'
    """
    if not local_files_only:
        _check_network(repo_id, names[0], revision, token, cache_dir)
    folder = None
    for name in names:
        path = _fetch(repo_id, name, revision, token, cache_dir, local_files_only)
        folder = path.parents[name.count("/")]
        revision = folder.name
    return folder


def list_files(repo_id, revision=None, token=None):
    """Names of the files of a repository (list of str); errors as :func:`download`."""
    with _clear_errors(repo_id, revision):
        return HfApi(token=token).list_repo_files(repo_id, revision=revision)


def upload(
    folder, repo_id, private=False, token=None, revision=None, message=None, replaces=()
) -> str:
    """Sends a folder as one commit: readers see all of it or nothing.

    Args:
        folder (str | Path): All its files go up.
        repo_id (str): "user/name", made if need be.
        private (bool): Make it private. A public repository that is there is refused.
        token (str, optional): By default that of ``hf auth login`` or ``HF_TOKEN``.
        revision (str, optional): Branch, made if need be; by default "main".
        message (str, optional): Of the commit.
        replaces (Sequence[str]): Patterns of files to delete in the same commit where the folder
            does not have them.

    Returns:
        str: The commit, 40 digits.

    Raises:
        PermissionError: If the token may not write there.
        ConnectionError: If the Hub cannot be reached or breaks off; nothing was published.
        ValueError: If the Hub refuses the card, or a public repository was to be private.

    Examples
        >>> upload("priors/bass", "user/bass", private=True)  # doctest: +SKIP
        '5c9cbb3d7ee0c5b9cbbc7c9ee4a4e5ae9d53c2a1'
    """
    folder = Path(folder)
    check_repo_id(repo_id)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    if not files:
        raise ValueError(f"folder must hold files, got {folder}")
    api = HfApi(token=token)
    with _clear_errors(repo_id, revision, writing=True):
        if CARD in files:
            # Before anything exists: create_commit would find out after create_repo.
            ModelCard.load(files[CARD]).validate()
        api.create_repo(repo_id, private=private, exist_ok=True)
        if private and not api.repo_info(repo_id).private:
            raise ValueError(f"private: {repo_id} is public, so what goes there is public too")
        additions = [CommitOperationAdd(name, path) for name, path in files.items()]
        branch = revision or "main"
        is_new = branch not in {ref.name for ref in api.list_repo_refs(repo_id).branches}
        there = api.list_repo_files(repo_id, revision="main" if is_new else branch)
        stale = [n for n in there if n not in files and any(fnmatch(n, p) for p in replaces)]
        if is_new:
            # The large files first: what breaks off here does not leave a branch behind.
            api.preupload_lfs_files(repo_id, additions, free_memory=False)
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        commit = api.create_commit(
            repo_id,
            additions + [CommitOperationDelete(n) for n in stale],
            commit_message=message or "Upload with asteroid_instglow",
            revision=branch,
        )
    return commit.oid


def _check_network(repo_id, name, revision, token, cache_dir):
    """Asks once for what is not cached: without a network the client would try for 30 seconds."""
    if try_to_load_from_cache(repo_id, name, cache_dir, revision) is None:
        with _clear_errors(repo_id, revision, name):
            try:
                HfApi(token=token).repo_info(repo_id, revision=revision, timeout=10)
            except errors.HfHubHTTPError:
                return  # There is one; the download will tell what is wrong.


def _fetch(repo_id, name, revision, token, cache_dir, local_files_only):
    for is_last in (local_files_only, True):
        with _clear_errors(repo_id, revision, name, offline=local_files_only):
            path = hf_hub_download(
                repo_id,
                name,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
        path = Path(path)
        if _is_whole(path):
            return path
        if is_last:
            break
        # Not force_download: it hides why a download is refused.
        (path.parent / os.readlink(path)).unlink(missing_ok=True)
        path.unlink()
    raise ValueError(
        f"{name} of {_spell(repo_id, revision)} is damaged or was tampered with: its content is "
        "not what the Hub has on record"
    )


def _is_whole(path):
    """Whether a file in the cache has the hash that the Hub gave for it."""
    if not path.is_symlink():
        return True  # A file system without links: the cache has not kept the hash.
    # The cache names content by its ETag: sha256 of a large file, git's name of a small one.
    etag = Path(os.readlink(path)).name
    if re.fullmatch("[0-9a-f]{64}", etag):
        return hash_file(path) == etag
    if re.fullmatch("[0-9a-f]{40}", etag):
        return hash_file(path, "sha1", b"blob %d\0" % path.stat().st_size) == etag
    return True


def _spell(repo_id, revision):
    return f"{repo_id}@{revision}" if revision else repo_id


@contextmanager
def _clear_errors(repo_id, revision=None, name=None, offline=False, writing=False):
    try:
        yield
    except _FAILURES as error:
        raise _explain(error, repo_id, revision, name, offline, writing) from error
    except errors.HFValidationError as error:
        raise ValueError(f"{repo_id!r} cannot be the name of a repository: {error}") from error
    except RuntimeError as error:
        # A large file that the Hub refuses.
        if not isinstance(error.__cause__, errors.HTTPError):
            raise
        raise _explain(error.__cause__, repo_id, revision, name, offline, writing) from error


def _explain(error, repo_id, revision, name, offline, writing):
    """The exception that says what the client's means."""
    what = _spell(repo_id, revision)
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        if writing:
            return ConnectionError(f"{what} cannot be sent while HF_HUB_OFFLINE is set")
        if offline or constants.HF_HUB_OFFLINE:
            return NotCached(
                f"{name} of {what} is not in the cache, and the network is off "
                "(local_files_only or HF_HUB_OFFLINE)"
            )
        error = error.__cause__ or error
    response = getattr(error, "response", None)
    status = None if response is None else response.status_code
    said = getattr(error, "server_message", None) or ""
    if isinstance(error, errors.GatedRepoError):
        return PermissionError(
            f"{repo_id} is gated: ask for access on its page on the Hub, then {LOG_IN}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return FileNotFoundError(f"{repo_id} has no revision {revision}")
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return NoFile(f"{what} has no {name}")
    if isinstance(error, errors.RepositoryNotFoundError):
        return NoRepository(
            f"there is no repository {repo_id} on the Hub, or it is private: in that case {LOG_IN}"
        )
    if status == 401:
        return PermissionError(f"the Hub knows no such token for {repo_id}: {LOG_IN}")
    if status == 403:
        verb = "write to" if writing else "read"
        return PermissionError(f"the token may not {verb} {repo_id}: {said or error}")
    if status == 400:
        return ValueError(f"the Hub refuses {what}: {said or error}")
    outcome = "; nothing was published" if writing else ""
    if status is not None:
        return ConnectionError(f"the Hub failed with status {status} on {what}{outcome}")
    return ConnectionError(f"the connection to the Hub failed on {what}: {error!r}{outcome}")
