"""The house's rules, held: import directions, sizes of files, no catch-all `except`, what starting costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("pacing", "dispositions", "dialer", "benchmarks")
PRODUCT = ("pacing", "dispositions", "dialer")
OURS = {*ROOMS, "daemon", "tests"}
LONGEST = 400
HEAVY = {
    "alembic",
    "aiomqtt",
    "dbos",
    "fastapi",
    "jinja2",
    "numpy",
    "pandas",
    "phonenumbers",
    "scipy",
    "sqlalchemy",
    "uvicorn",
}

#: (what may not, what it may not import); the longest matching prefix of the module counts
FORBIDDEN = [
    ("pacing", OURS - {"pacing"}),
    ("dispositions", OURS - {"dispositions"}),
    ("dialer.sip", {"pacing", "dispositions", "daemon", "benchmarks", "tests", "dialer!sip"}),
    ("dialer.media", {"pacing", "dispositions", "daemon", "benchmarks", "tests", "dialer!sip,media"}),
    (
        "dialer.sales",
        {
            "pacing",
            "daemon",
            "benchmarks",
            "tests",
            "dialer.engine",
            "dialer.desk",
            "dialer.sip",
            "dialer.web",
            "dialer.cli",
        },
    ),
    ("dialer.cli", {"benchmarks", "tests"}),
    ("dialer.__main__", {"daemon", "benchmarks", "tests"}),
    ("dialer", {"daemon", "benchmarks", "tests", "dialer.cli"}),
    ("daemon", {"benchmarks", "tests", "dialer.cli"}),
    ("benchmarks", {"tests", "daemon"}),
]


def sources(*rooms: str) -> list[Path]:
    found = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return [*found, ROOT / "daemon.py"]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(path: Path) -> set[str]:
    """Absolute names of all modules that `path` imports, anywhere in the file, also under TYPE_CHECKING."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}
    return names


def breaks(name: str, ban: str) -> bool:
    """Whether importing `name` breaks `ban`: 'x' bans x and all below; 'x!a,b' bans all of x but x.a and x.b."""
    if "!" in ban:
        root, _, spared = ban.partition("!")
        allowed = tuple(f"{root}.{part}" for part in spared.split(","))
        return name.startswith(f"{root}.") and not any(name == ok or name.startswith(f"{ok}.") for ok in allowed)
    return name == ban or name.startswith(f"{ban}.")


@pytest.mark.parametrize("path", sources(*ROOMS), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    module = module_of(path)
    rules = [bans for room, bans in FORBIDDEN if module == room or module.startswith(f"{room}.")]
    assert rules, f"{module} lies in no known room"
    wrong = {name for name in imported_by(path) for ban in rules[0] if breaks(name, ban)}
    assert not wrong


def test_the_rules_see_a_breach() -> None:
    assert breaks("dialer.agents", "dialer!sip")
    assert not breaks("dialer.sip.message", "dialer!sip")
    assert breaks("daemon", "daemon")
    assert breaks("dialer.cli.demo", "dialer.cli")
    assert not breaks("dialer.client", "dialer.cli")


@pytest.mark.parametrize("path", sources(*ROOMS), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_noun(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST, f"{path.relative_to(ROOT)} has {lines} lines: split it at its nouns"


@pytest.mark.parametrize("path", sources(*PRODUCT), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_handler_catches_everything(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = {kind.id for kind in caught if isinstance(kind, ast.Name)}
        if isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None:
            continue  # cleans up and raises it again: nothing is hidden
        assert node.type is not None, f"{path.name}:{node.lineno}: bare except"
        assert not names & {"Exception", "BaseException"}, f"{path.name}:{node.lineno}: catch-all except"


def test_help_loads_nothing_heavy() -> None:
    """`dialer --help` answers at once because only what it needs is imported."""
    probe = (
        "import sys\n"
        "from dialer.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    run = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.rpartition("LOADED")[2].split())
    assert "Usage" in run.stdout
    assert "click" in loaded
    assert not loaded & HEAVY


def test_import_linter_agrees() -> None:
    """The same directions as contracts of import-linter, which also follows chains of imports."""
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
