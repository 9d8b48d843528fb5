"""Each stage lists what it imports: nothing is missed, nothing trains again for nothing."""

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src"
STAGES = {
    # Those that stand there once for several vocabularies have all the rest in "do".
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}
BY_NAME = {
    "src/ostinato/notes/memory/__init__.py": "src/ostinato/notes/memory/${generator.memory}.py",
    "src/ostinato/notes/samplers/__init__.py": "src/ostinato/notes/samplers/${generator.sampler}.py",
    "src/ostinato/notes/decoders/__init__.py": "src/ostinato/notes/decoders/${decoder.kind}.py",
    "src/ostinato/sound/autoencoders/__init__.py": "src/ostinato/sound/autoencoders/${autoencoder.kind}.py",
    "src/ostinato/sound/score_creators/__init__.py": (
        "src/ostinato/sound/score_creators/${score_creator.kind}.py"
    ),
}
# It only checks parameters and has no defaults: whatever it lets through, DVC tracks by itself.
EXEMPT = "src/ostinato/core/params.py"


def file_of(module: str) -> str | None:
    path = PACKAGE / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate.relative_to(ROOT).as_posix()
    return None


def imported(path: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for module in modules:
            while module.startswith("ostinato"):
                found.add(file_of(module))
                module = module.rpartition(".")[0]
    return found - {None, EXEMPT}


def everything(script: str) -> set[str]:
    found: set[str] = set()
    new = {script}
    while new:
        found |= new
        new = set().union(*map(imported, new)) - found
    chosen = {BY_NAME[path] for path in found & set(BY_NAME)}
    return found | chosen | set().union(*map(imported_by_any, chosen))


def imported_by_any(template: str) -> set[str]:
    """What the modules that a template can name import."""
    modules = (ROOT / template).parent.glob("[!_]*.py")
    needs = [imported(path.relative_to(ROOT).as_posix()) for path in modules]
    return set.union(*needs)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_that_it_imports(name):
    script = f"stages/{name}.py"
    listed = {dep for dep in STAGES[name]["deps"] if dep.startswith(("stages/", "src/"))}
    assert listed == everything(script)


def test_modules_chosen_by_name_import_only_what_every_user_of_them_lists():
    for init, template in BY_NAME.items():
        for path in (ROOT / template).parent.glob("[!_]*.py"):
            needs = imported(path.relative_to(ROOT).as_posix())
            for name in STAGES:
                if init in STAGES[name]["deps"]:
                    assert needs <= set(STAGES[name]["deps"]), (path, name)


def test_plots_train_nothing():
    for name in ("decoder", "generator", "autoencoder", "score_creator", "token_model"):
        assert not any("/report" in dep for dep in STAGES[name]["deps"])
