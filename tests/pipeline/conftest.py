"""The tiny pipeline, run once by the real dvc."""

from pathlib import Path

import pytest
import tiny
from tiny import Project, commit, stages_run


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project as committed, before anything ran. Not to be changed."""
    return tiny.make(tmp_path_factory.mktemp("tiny") / "project")


STAGES = """
corpus dataset augment decoder generator compose evaluate audio held_out autoencoder
autoencoder_evaluate reconstruct lessons transcriber transcriber_evaluate encode score_creator
score_creator_evaluate improvise
tokens@events tokens@chords tokens@letters token_model@events token_model@chords
token_model@letters token_compose@events token_compose@chords token_compose@letters token_evaluate
page
"""


TWIN = ["evaluate", "score_creator", "token_compose@letters"]
"""What is made twice, with all that leads to it: of each kind of learning and of writing one."""


@pytest.fixture(scope="session")
def twins(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> list[Project]:
    """Two cold clones of the tiny project, on a core each, after `dvc repro`, the second of `TWIN`.

    Not to be changed.
    """
    root = tmp_path_factory.mktemp("done")
    projects = [fresh.clone(root / name) for name in ("project", "twin")]
    targets = [], TWIN
    running = [
        project.start("dvc", "repro", *names)
        for project, names in zip(projects, targets, strict=True)
    ]
    for process, names in zip(running, targets, strict=True):
        output, _ = process.communicate()
        assert process.returncode == 0, output
        assert names or stages_run(output) == STAGES.split()
    return projects


@pytest.fixture(scope="session")
def done(twins: list[Project]) -> Project:
    """The tiny project after `dvc repro`, its lock committed. Not to be changed: copy it."""
    commit(twins[0], "after dvc repro")
    return twins[0]


@pytest.fixture
def project(done: Project, tmp_path: Path) -> Project:
    """A copy of the tiny project after `dvc repro`, caches included."""
    return done.copy(tmp_path / "project")
