"""Files of a repository on the Hugging Face Hub: fetched from one commit, sent in one commit.

Error messages are one line.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import HfApi, ModelCard, constants, errors, hf_hub_download

_ID = re.compile(
    r"(?P<repo_id>\w[\w.-]*/\w[\w.-]*)(?:/priors/(?P<part>[^/@]+))?(?:@(?P<revision>\w[\w./-]*))?",
    re.ASCII,
)
CARD = "README.md"
MODEL_FILES = ("model.safetensors", "pytorch_model.bin", "priors/*")
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
    """The cache does not have the file, and the network is off."""


class HubName(NamedTuple):
    """What "user/name", "user/name@revision" and "user/name/priors/bass@revision" stand for."""

    repo_id: str
    part: str | None
    revision: str | None


class Access(NamedTuple):
    """How to reach a repository.

    Args:
        revision (str, optional): Branch, tag or commit; by default "main".
        token (str | bool, optional): By default that of ``hf auth login`` or ``HF_TOKEN``; False:
            none.
        cache_dir (str | Path, optional): By default the client's.
        local_files_only (bool): Use the cache alone.
    """

    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False


DEFAULT = Access()


def parse_name(name: str) -> HubName | None:
    """Reads the name of a repository.

    Args:
        name (str): "user/name", with "/priors/<source>" for a part of it and "@revision" (branch,
            tag or commit).

    Returns:
        HubName | None: None if it cannot be one.

    Examples:
        >>> parse_name("user/bass@v1")
        HubName(repo_id='user/bass', part=None, revision='v1')
    """
    match = _ID.fullmatch(name)
    return HubName(**match.groupdict()) if match and name.isprintable() else None


def hub_name(repo_id: str, revision: str | None = None) -> str:
    """Returns "user/name" or "user/name@revision".

    Raises:
        ValueError: If ``repo_id`` or ``revision`` cannot be on the Hub.
    """
    name, parsed = f"{repo_id}@{revision}" if revision else repo_id, parse_name(repo_id)
    if parsed is None or parsed.part or parsed.revision:
        raise ValueError(f'repo_id must be like "user/name", got {repo_id!r}')
    if parse_name(name) is None:
        raise ValueError(f"revision must be a branch of letters, digits and ._/-, got {revision!r}")
    return name


def download(
    repo_id: str, names: Sequence[str], access: Access = DEFAULT, optional: Sequence[str] = ()
) -> Path:
    """Fetches files of one commit into the cache; without a network, takes those in the cache.

    Args:
        repo_id (str): "user/name".
        names (Sequence[str]): Files of the repository, at least one.
        access (Access): Token, revision, cache and network use.
        optional (Sequence[str]): Patterns of files to fetch as well, if the repository has any.

    Returns:
        Path: Folder with these files, named by the commit.

    Raises:
        FileNotFoundError: If there is no such repository, revision or file (NoRepository, NoFile),
            or not in the cache and the network is off (NotCached).
        PermissionError: If the repository is gated, or the token is refused.
        ConnectionError: If the Hub cannot be reached or breaks off, and the cache does not help.

    Examples:
        .. code-block:: python

            download("user/bass", ["config.json"]).name
            # '5c9cbb3d7ee0c5b9cbbc7c9ee4a4e5ae9d53c2a1'
    """
    revision, token, cache_dir, offline = access
    wanted, unreachable = list(names), None
    if not offline:
        try:
            with _clear_errors(repo_id, revision, names[0]):
                info = HfApi(token=token).model_info(repo_id, revision=revision, timeout=10)
            there = [file.rfilename for file in info.siblings or []]
            wanted += [n for n in there if "/" not in n and any(fnmatch(n, p) for p in optional)]
        except (ConnectionError, NotCached) as error:
            unreachable = error
    for name in wanted:
        try:
            with _clear_errors(repo_id, revision, name, offline):
                path = hf_hub_download(
                    repo_id,
                    name,
                    revision=revision,
                    token=token,
                    cache_dir=cache_dir,
                    local_files_only=offline or unreachable is not None,
                )
        except (ConnectionError, NotCached):
            if unreachable is None:
                raise
            raise unreachable from None
        # All of the commit that the first had.
        revision = Path(path).parents[name.count("/")].name
    return Path(path).parents[name.count("/")]


def upload(
    folder: str | Path,
    repo_id: str,
    private: bool = False,
    token: str | None = None,
    revision: str | None = None,
    message: str | None = None,
) -> str:
    """Sends a folder as one commit: readers see all of it or nothing.

    Weights of an earlier model that the folder does not replace are deleted in the same commit.

    Args:
        folder (str | Path): All its files are sent.
        repo_id (str): "user/name", created if it does not exist.
        private (bool): Create a private repository. A public one that exists is refused.
        token (str, optional): By default that of ``hf auth login`` or ``HF_TOKEN``.
        revision (str, optional): Branch, created if it does not exist; by default "main".
        message (str, optional): Commit message.

    Returns:
        str: "user/name@commit".

    Raises:
        PermissionError: If the token may not write there.
        ConnectionError: If the Hub cannot be reached or breaks off; nothing was published.
        ValueError: If the Hub refuses the card, or a public repository was to be private.

    Examples:
        .. code-block:: python

            upload("priors/bass", "user/bass", private=True)
            # 'user/bass@5c9cbb3d7ee0c5b9cbbc7c9ee4a4e5ae9d53c2a1'
    """
    hub_name(repo_id, revision)
    folder, api = Path(folder), HfApi(token=token)
    if not any(path.is_file() for path in folder.rglob("*")):
        raise ValueError(f"folder must hold files, got {folder}")
    with _clear_errors(repo_id, revision, writing=True):
        if (folder / CARD).is_file():
            # Before anything exists: the commit would find out after create_repo.
            ModelCard.load(folder / CARD).validate()
        api.create_repo(repo_id, private=private, exist_ok=True)
        if private and not api.repo_info(repo_id).private:
            raise ValueError(f"private: {repo_id} is public, so what goes there is public too")
        if revision:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message=message or "Upload with asteroid_instglow",
            revision=revision or "main",
            delete_patterns=list(MODEL_FILES),
        )
    return f"{repo_id}@{commit.oid}"


@contextmanager
def _clear_errors(
    repo_id: str,
    revision: str | None = None,
    name: str | None = None,
    offline: bool = False,
    writing: bool = False,
) -> Iterator[None]:
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


def _explain(
    error: Any, repo_id: str, revision: str | None, name: str | None, offline: bool, writing: bool
) -> Exception:
    # The exception that says what the client's means.
    what = f"{repo_id}@{revision}" if revision else repo_id
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
    said = getattr(error, "server_message", None) or error
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
        return PermissionError(f"the token may not {verb} {repo_id}: {said}")
    if status == 400:
        return ValueError(f"the Hub refuses {what}: {said}")
    outcome = "; nothing was published" if writing else ""
    if status is not None:
        return ConnectionError(f"the Hub failed with status {status} on {what}{outcome}")
    return ConnectionError(
        f"the Hub cannot be reached to look for {what}: {type(error).__name__}{outcome}"
    )
