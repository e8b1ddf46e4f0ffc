"""Reads the source for what a reviewer would look for: import levels, length, constructs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "asteroid_instglow"
ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 320

# A module, or a folder of them, imports lower levels only...
LEVELS = {
    **dict.fromkeys(["flows", "dsp", "audio", "decoding", "data", "metrics"], 0),
    **dict.fromkeys(["published", "folder", "pretrained", "options", "progress", "parallel"], 0),
    **dict.fromkeys(["hub", "card", "package", "saving", "precision"], 0),
    **dict.fromkeys(["prior", "encoder", "joint_encoder", "objective", "filters", "files"], 1),
    **dict.fromkeys(["solver", "separator", "piecewise"], 2),
    **dict.fromkeys(["system", "encoder_system", "fitting", "training_callbacks", "optim"], 3),
    **dict.fromkeys(
        [
            "training",
            "training_record",
            "encoder_training",
            "pretraining",
            "processes",
            "diagnosis",
        ],
        3,
    ),
    **dict.fromkeys(["evaluation", "report", "baselines"], 3),
    **dict.fromkeys(["demo", "cli", "recipes"], 4),
}
# ...from level 2 up also its own level, without cycles, and below that only these peers.
PEERS = {
    "prior": {"encoder"},
    "joint_encoder": {"encoder"},
    "audio": {"decoding"},
    "data": {"audio", "dsp", "parallel"},
    "options": {"precision"},
    "package": {"folder", "hub"},
    "saving": {"folder", "hub", "card"},
    "pretrained": {"folder", "hub", "card", "package", "saving"},
}
# Some are held to less: pure functions on tensors, and what works with any object that separates.
ONLY = {
    "objective": {"dsp"},
    "filters": {"dsp"},
    "evaluation": {"audio", "data", "dsp", "metrics", "parallel", "report"},
    "report": {"audio", "dsp", "metrics", "evaluation"},
}
FLOWS_MAY_USE = {"torch", PACKAGE} | sys.stdlib_module_names

# Spelled in pieces, so that this file does not contain what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.~}])/(?:work|tmp|farm|root)/")
REGISTRY = re.compile(
    r"|".join(
        re.escape(".".join(parts))
        for parts in [
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("deb", "debian", "org"),
            ("registry", "npmjs", "org"),
            ("download", "pytorch", "org"),
        ]
    )
    + r"|--(?:extra-)?index"
    + r"-url"
)


def module_name(path, package_dir):
    """`package/data/synth.py` -> `package.data.synth`; `__init__` names its folder."""
    parts = path.relative_to(package_dir.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree, path, package_dir):
    """Yields (line, absolute dotted name) of everything that a module imports, at any depth."""
    package = path.relative_to(package_dir.parent).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from package import x` may name a module: keep x where the root is imported from.
            if module == package_dir.name:
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def may_import(importer, imported):
    """Whether the table lets `importer` import `imported`, both parts of the package."""
    if importer == imported:
        return True
    if importer in ONLY:
        return imported in ONLY[importer]
    level = LEVELS[importer]
    if LEVELS[imported] == level:
        return level >= 2 or imported in PEERS.get(importer, set())
    return LEVELS[imported] < level


def check_imports(path, tree, package_dir, edges):
    """Yields a message for each import that the table forbids; adds what it saw to `edges`."""
    parts = module_name(path, package_dir).split(".")
    if len(parts) == 1:
        return  # The package's own __init__ collects the public names.
    importer = parts[1]
    if importer not in LEVELS:
        yield f"{path.name}: {importer} has no level: add it to the table"
        return
    for line, name in imported_modules(tree, path, package_dir):
        top, _, rest = name.partition(".")
        if importer == "flows" and top not in FLOWS_MAY_USE:
            yield f"{path.name}:{line}: flows may not use {top}"
        if top != package_dir.name or rest == "__version__":
            continue
        imported = rest.partition(".")[0]
        if imported not in LEVELS:
            if LEVELS[importer] < 4:
                yield f"{path.name}:{line}: import the module that defines it, not {name}"
        elif not may_import(importer, imported):
            yield f"{path.name}:{line}: {importer} may not import {imported}"
        elif imported != importer:
            edges.setdefault(importer, set()).add(imported)


def find_cycle(edges):
    """A list of modules that import each other in a ring, or None."""
    done = set()

    def visit(node, trail):
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return None
        for target in sorted(edges.get(node, ())):
            if cycle := visit(target, [*trail, node]):
                return cycle
        done.add(node)
        return None

    return next((cycle for node in sorted(edges) if (cycle := visit(node, []))), None)


def is_broad(handler):
    """Whether an except clause catches everything."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(c is None or (isinstance(c, ast.Name) and c.id == "Exception") for c in caught)


def check_constructs(path, tree):
    """Yields a message for each construct that the package does without."""
    banned = {("sys", "path"), ("os", "environ"), ("os", "getenv")}
    for node in ast.walk(tree):
        found = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found = "print()" if node.func.id == "print" else None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found = ".cuda()" if node.func.attr == "cuda" else None
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found = f"{node.value.id}.{node.attr}"
            found = found if (node.value.id, node.attr) in banned else None
        elif isinstance(node, ast.ImportFrom):
            names = [
                f"{node.module}.{a.name}" for a in node.names if (node.module, a.name) in banned
            ]
            found = ", ".join(names)
        elif isinstance(node, ast.ExceptHandler):
            found = "an except clause that catches everything" if is_broad(node) else None
        elif isinstance(node, ast.Assert):
            found = "assert"
        if found:
            yield f"{path.name}:{node.lineno}: {found}"


def check_package(package_dir):
    """Returns a message for every rule that a file of the package breaks."""
    problems, edges = [], {}
    for path in sorted(package_dir.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        problems += check_imports(path, tree, package_dir, edges)
        problems += check_constructs(path, tree)
        if (n_lines := len(source.splitlines())) > MAX_LINES:
            problems.append(f"{path.name}: {n_lines} lines, at most {MAX_LINES}")
    if cycle := find_cycle(edges):
        problems.append("import cycle: " + " -> ".join(cycle))
    return problems


def check_text(files, root):
    """Returns a message for each line of a text file that names a machine path or a registry."""
    problems = []
    for path in files:
        data = path.read_bytes()
        if b"\0" in data[:8192]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if match := MACHINE_PATH.search(line) or REGISTRY.search(line):
                problems.append(f"{path.relative_to(root)}:{number}: {match.group()}")
    return problems


def tracked_files(root):
    """Files of the repository: tracked, or new and not ignored. None outside a checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def test_package_obeys_the_rules():
    assert list((ROOT / PACKAGE).rglob("*.py")), "no source found: the check would check nothing"
    assert not check_package(ROOT / PACKAGE)


def test_no_machine_path_and_no_registry_in_the_repository():
    files = tracked_files(ROOT)
    if files is None:
        pytest.skip("not a git checkout, so there are no tracked files to read")
    assert ROOT / "setup.cfg" in files
    assert not check_text(files, ROOT)


@pytest.mark.parametrize(
    "name, source, expected",
    [
        ("flows/layers.py", "from .. import dsp", "flows may not import dsp"),
        ("flows/layers.py", "import librosa", "flows may not use librosa"),
        ("flows/layers.py", "from ..prior import GlowPrior", "flows may not import prior"),
        ("dsp.py", "from .audio import load_audio", "dsp may not import audio"),
        ("metrics.py", "import asteroid_instglow.dsp", "metrics may not import dsp"),
        ("data/base.py", "from asteroid_instglow.prior import x", "data may not import prior"),
        ("data/base.py", "from ..metrics import sdr", "data may not import metrics"),
        ("objective.py", "def f():\n    from . import prior", "objective may not import prior"),
        ("prior.py", "from .solver import solve", "prior may not import solver"),
        ("encoder.py", "from . import prior", "encoder may not import prior"),
        ("evaluation.py", "from .separator import x", "evaluation may not import separator"),
        ("separator.py", "from . import baselines, solver", "separator may not import baselines"),
        ("prior.py", "from asteroid_instglow import Glow", "import the module that defines it"),
        ("helpers.py", "", "helpers has no level"),
        ("dsp.py", "print('x')", "print()"),
        ("dsp.py", "import sys\nsys.path.append('x')", "sys.path"),
        ("dsp.py", "import os\nos.environ['X'] = '1'", "os.environ"),
        ("dsp.py", "from os import environ", "os.environ"),
        ("dsp.py", "def f(x):\n    return x.cuda()", ".cuda()"),
        ("dsp.py", "try:\n    pass\nexcept:\n    pass", "catches everything"),
        ("dsp.py", "try:\n    pass\nexcept (OSError, Exception):\n    pass", "catches everything"),
        ("dsp.py", "assert True", "assert"),
        ("dsp.py", "x = 1\n" * (MAX_LINES + 1), "lines, at most"),
    ],
)
def test_each_rule_can_fail(tmp_path, name, source, expected):
    path = tmp_path / PACKAGE / name
    path.parent.mkdir(parents=True)
    path.write_text(source)

    problems = check_package(tmp_path / PACKAGE)

    assert len(problems) == 1
    assert expected in problems[0]


def test_a_cycle_is_found(tmp_path):
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / "baselines.py").write_text("from .system import x")
    (tmp_path / PACKAGE / "system.py").write_text("from . import baselines")

    assert check_package(tmp_path / PACKAGE) == ["import cycle: baselines -> system -> baselines"]


def test_a_tree_that_obeys_is_left_alone(tmp_path):
    sources = {
        "__init__.py": "from .separator import GenerativeSeparator",
        "flows/layers.py": "import math\nimport torch.nn as nn\nfrom .transform import Transform",
        "flows/transform.py": "class Transform:\n    '''print(), sys.path and /etc/ in a text.'''",
        "data/base.py": "from .. import audio, dsp",
        "prior.py": "import asteroid\nfrom . import dsp, __version__\nfrom .flows import layers",
        "separator.py": "from . import solver\ntry:\n    pass\nexcept (OSError, KeyError): ...\n",
        "cli.py": "from asteroid_instglow import GenerativeSeparator",
    }
    for name, source in sources.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)

    assert check_package(tmp_path / PACKAGE) == []


@pytest.mark.parametrize(
    "line, bad",
    [
        ("data = '/" + "work/main'", True),
        ("cd /" + "tmp/x", True),
        ("see https://" + "pypi." + "org/project/asteroid", True),
        ("pip install --extra-index" + "-url x", True),
        ("see ../shared/METHOD.md and /usr/share/sounds", False),
        ("https://example.org/network/work/list", False),
        ("the framework/tmp/ folder", False),
    ],
)
def test_machine_paths_and_registries_are_found(tmp_path, line, bad):
    path = tmp_path / "notes.md"
    path.write_text(f"first\n{line}\n")

    assert bool(check_text([path], tmp_path)) == bad


def test_binary_files_are_not_searched(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"\0 /" + b"work/main")

    assert check_text([path], tmp_path) == []
