"""Where things lie: CONTRIBUTING.md has a line for each file, and arrows between rooms run one way.

`python tests/test_layout.py` writes the table anew.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE, MAP = ROOT / "lightning_flowers", ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- the files, by tests/test_layout.py -->\n", "<!-- end of the files -->\n"
# From below to above: what stands in a row knows nothing of the rows after it.
FLOORS = (
    ("errors", "secrets", "batch", "cgroups", "portable", "strict_yaml"),
    (
        "files",
        "feature_store",
        "markdown",
        "parallel",
        "environment",
        "lightning_internals",
        "cli.parsing",
        "cli.commands",
    ),
    ("hardware",),
    ("data",),
    ("evaluation",),
    ("model",),
    ("run",),
    ("records", "report", "use"),
    ("classify", "serve", "export", "compare", "ensemble"),
    ("cli", "api"),
    ("soup", "rehearse", "lr_find", "tune", "compete"),
    ("cli.completion", "__main__"),
)


def modules() -> list[Path]:
    return sorted(
        PACKAGE.rglob("*.py"),
        key=lambda file: (file.parent.relative_to(PACKAGE).parts, file.name != "__init__.py", file),
    )


def first_line(file: Path) -> str:
    """What a module's docstring says first."""
    text = ast.get_docstring(ast.parse(file.read_text("utf-8")))
    assert text, file
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def table() -> str:
    rows = [f"| `{file.relative_to(PACKAGE).as_posix()}` | {first_line(file)} |" for file in modules()]
    return "\n".join(["| file | what it is |", "|---|---|", *rows, ""])


def test_the_map_has_a_line_for_each_file():
    written = MAP.read_text("utf-8")
    assert written.partition(BEGIN)[2].partition(END)[0] == table(), "python tests/test_layout.py writes it anew"


def imported(file: Path) -> Iterator[str]:
    """Modules of the package that a file imports, wherever in it; dotted, without the package's name."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and re.match(r"lightning_flowers\b", node.module or ""):
            for name in node.names:
                inner = f"{node.module}.{name.name}".split(".")[1:]
                here = PACKAGE.joinpath(*inner)
                yield ".".join(inner if here.is_dir() or here.with_suffix(".py").is_file() else inner[:-1])


def floor(module: str) -> int:
    for names in (module, module.partition(".")[0]):
        for number, row in enumerate(FLOORS):
            if names in row:
                return number
    raise AssertionError(f"{module}: stands on no floor")


@pytest.mark.parametrize(
    "file",
    [file for file in modules() if file != PACKAGE / "__init__.py"],
    ids=lambda file: file.relative_to(PACKAGE).as_posix(),
)
def test_arrows_run_one_way(file):
    module = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
    upwards = [name for name in imported(file) if name and floor(name) > floor(module)]
    assert not upwards


if __name__ == "__main__":
    text = MAP.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    MAP.write_text(before + BEGIN + table() + END + rest.partition(END)[2], "utf-8")
