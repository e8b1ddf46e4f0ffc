"""Recordings of several sources in several folders, by source."""

from .recordings import as_list, find_solos, list_sources, validation_split


def list_all_sources(roots):
    """Names of the sources in any of the folders, sorted.

    Args:
        roots (str, Path or list of them): Folders, see :func:`find_solos`.
    """
    return sorted({name for root in as_list(roots) for name in list_sources(root)})


def find_by_source(names, roots):
    """Recordings of each source in all folders: name to list of paths.

    Args:
        names (list[str]): Sources; each must be in one of the folders.
        roots (str, Path or list of them): Folders, see :func:`find_solos`.
    """
    return {name: find_solos(roots, name) for name in names}


def split_by_source(names, roots, validation_roots=None, seed=0):
    """Recordings of each source, for training and for validation.

    Args:
        names (list[str]): Sources.
        roots (str, Path or list of them): Folders, see :func:`find_solos`.
        validation_roots (str, Path or list of them, optional): Likewise; by default a tenth of the
            recordings of each source is set aside.
        seed (int): Which of them.

    Returns:
        tuple: Two dicts of lists by source.
    """
    files = find_by_source(names, roots)
    if validation_roots is not None:
        return files, find_by_source(names, validation_roots)
    split = {name: validation_split(found, seed=seed) for name, found in files.items()}
    return tuple({name: pair[i] for name, pair in split.items()} for i in (0, 1))
