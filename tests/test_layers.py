"""The house holds its shape: imports run one way, no file outgrows its purpose."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CLIENT = {
    "errors",
    "models",
    "pace",
    "looks",
    "durations",
    "images",
    "answers",
    "transport",
    "calls",
    "uploads",
    "client",
}
STUDIO = {
    "log",
    "run",
    "batch",
    "recipe",
    "board",
    "driver",
    "records",
    "lost",
    "account",
    "visitors",
    "views",
    "past",
    "scripts",
    "export",
    "sheet",
    "outputs",
    "store",
    "words",
    "captions",
    "problems",
    "examples",
    "fields",
    "markup",
    "previews",
    "pieces",
    "theme",
    "settings",
    "runner",
    "handlers",
    "errors",
}
FOREIGN = {
    "anyio",
    "pydantic",
    "multipart",
    "gradio",
    "httpx",
    "sqlite3",
    "PIL",
    "pillow_heif",
    "jinja2",
    "numpy",
    "filelock",
    "starlette",
    "uvicorn",
}

# Each file with what of ours, and of the libraries we declare, it may import.
MAY: dict[str, set[str]] = {
    "app": {"wavespeed", "gradio", "httpx", "filelock", "sandbox"}
    | {f"studio.{name}" for name in STUDIO},
    "errors": set(),
    "models": {"errors"},
    "pace": {"errors"},
    "looks": set(),
    "durations": {"looks", "pace"},
    "images": {"errors", "models", "PIL", "pillow_heif"},
    "answers": {"errors", "models"},
    "transport": {"errors", "pace", "answers", "httpx"},
    "calls": {"errors", "models", "pace", "answers", "transport"},
    "uploads": {"errors", "models", "images"},
    "client": {
        "errors",
        "models",
        "pace",
        "durations",
        "answers",
        "transport",
        "calls",
        "uploads",
        "httpx",
    },
    "studio.log": set(),
    "studio.errors": {"wavespeed"},
    "studio.run": {"wavespeed"},
    "studio.batch": {"studio.run"},
    "studio.settings": {"wavespeed"},
    "studio.recipe": {"PIL", "pydantic"},
    "studio.outputs": {"wavespeed", "studio.errors", "studio.recipe", "studio.run", "PIL"},
    "studio.markup": {"studio.captions", "studio.problems", "studio.words", "jinja2"},
    "studio.sheet": {"wavespeed", "studio.markup", "studio.run", "studio.words", "PIL"},
    "studio.export": {
        "studio.errors",
        "studio.recipe",
        "studio.run",
        "studio.sheet",
        "studio.words",
    },
    "studio.lost": {"wavespeed"},
    "studio.board": {"studio.run"},
    "studio.records": {"studio.batch", "studio.board", "studio.run", "studio.store"},
    "studio.examples": set(),
    "studio.account": {"wavespeed", "studio.errors", "studio.run"},
    "studio.visitors": {"wavespeed", "gradio"},
    "studio.words": {"wavespeed", "studio.batch", "studio.run"},
    "studio.captions": {"studio.run"},
    "studio.previews": {"wavespeed", "studio.outputs", "studio.recipe", "PIL", "gradio"},
    "studio.problems": {"wavespeed", "studio.errors", "studio.run", "studio.words"},
    "studio.pieces": {
        "wavespeed",
        "studio.batch",
        "studio.captions",
        "studio.examples",
        "studio.markup",
        "studio.previews",
        "studio.problems",
        "studio.run",
        "studio.words",
    },
    "studio.theme": {"gradio"},
    "studio.store": {"wavespeed", "studio.errors", "studio.run", "pydantic", "sqlite3"},
    "studio.fields": {"wavespeed", "studio.batch", "studio.previews", "studio.run", "gradio"},
    "studio.views": {
        "wavespeed",
        "studio.batch",
        "studio.export",
        "studio.markup",
        "studio.pieces",
        "studio.previews",
        "studio.run",
        "studio.runner",
        "studio.settings",
        "studio.words",
        "gradio",
    },
    "studio.handlers": {
        "wavespeed",
        "studio.batch",
        "studio.problems",
        "studio.account",
        "studio.examples",
        "studio.fields",
        "studio.markup",
        "studio.pieces",
        "studio.run",
        "studio.runner",
        "studio.views",
        "studio.visitors",
        "studio.words",
        "gradio",
    },
    "studio.past": {
        "wavespeed",
        "studio.account",
        "studio.batch",
        "studio.captions",
        "studio.export",
        "studio.fields",
        "studio.markup",
        "studio.outputs",
        "studio.pieces",
        "studio.previews",
        "studio.problems",
        "studio.recipe",
        "studio.run",
        "studio.runner",
        "studio.views",
        "studio.visitors",
        "studio.words",
        "gradio",
    },
    "studio.scripts": {
        "wavespeed",
        "images",
        "studio.account",
        "studio.fields",
        "studio.previews",
        "studio.problems",
        "studio.run",
        "studio.runner",
        "studio.views",
        "studio.visitors",
        "studio.words",
        "gradio",
    },
    "studio.driver": {
        "wavespeed",
        "studio.board",
        "studio.errors",
        "studio.log",
        "studio.lost",
        "studio.outputs",
        "studio.recipe",
        "studio.run",
        "studio.store",
    },
    "studio.runner": {
        "wavespeed",
        "studio.board",
        "studio.driver",
        "studio.errors",
        "studio.outputs",
        "studio.records",
        "studio.run",
        "studio.store",
    },
}
SANDBOX = {"starlette", "uvicorn", "PIL", "numpy", "anyio", "multipart"}
CEILING = 400
# The sandbox is another program, the service itself, and has a budget of its own.
# The first design's 4,000 lines held one edit at a time. Recipes, money asked from the service,
# variants, comparison, export, batches and the ways in for scripts are what the page is for, and
# came after it.
PROGRAM, ISLAND = 7600, 1700


def sources() -> list[Path]:
    return [ROOT / "app.py", *sorted((ROOT / "wavespeed").rglob("*.py"))]


def name(path: Path) -> str:
    """app, errors, studio.run, sandbox.wire, …; a package is its own name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "wavespeed" else parts
    return ".".join(part for part in parts if part != "__init__") or "wavespeed"


def imported(path: Path) -> set[str]:
    """What a file imports of ours (by `name`) and of the libraries."""
    own = path.relative_to(ROOT).with_suffix("").parts
    package = own[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            modules = [[*base, alias.name] for alias in node.names]
        else:
            continue
        found |= {short(module) for module in modules}
    return found - {""}


def short(module: list[str]) -> str:
    if module[0] in FOREIGN:
        return module[0]
    if module[0] != "wavespeed":
        return ""
    rest = module[1:]
    for package in ("studio", "sandbox"):
        if rest[:1] == [package]:
            is_module = len(rest) > 1 and (ROOT / "wavespeed" / package / f"{rest[1]}.py").exists()
            return ".".join(rest[:2]) if is_module else package
    return rest[0] if rest and rest[0] in CLIENT else "wavespeed"


@pytest.mark.parametrize("path", sources(), ids=name)
def test_imports_run_one_way(path: Path) -> None:
    module = name(path)
    if module in ("wavespeed", "studio"):
        allowed = CLIENT if module == "wavespeed" else set()
    elif module.startswith("sandbox"):
        allowed = SANDBOX | {used for used in imported(path) if used.startswith("sandbox")}
    else:
        allowed = MAY[module]
    assert imported(path) <= allowed, f"{module} may not import {imported(path) - allowed}"


@pytest.mark.parametrize("path", sources(), ids=name)
def test_no_file_outgrows_its_purpose(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= CEILING, f"{name(path)} has {lines} lines"


def test_the_whole_program_stays_small() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    island = sum(count for module, count in lines.items() if module.startswith("sandbox"))
    assert sum(lines.values()) - island <= PROGRAM
    assert island <= ISLAND


def test_nobody_but_main_knows_the_sandbox() -> None:
    for path in sources():
        if name(path).startswith("sandbox"):
            continue
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        branches = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "sandbox" in ast.unparse(node.test).lower()
        ]
        assert not branches, f"{name(path)} asks whether it is the sandbox"
