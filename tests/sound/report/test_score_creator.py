import numpy as np
import pytest
import torch

from ostinato.core import files
from ostinato.sound.data import frames
from ostinato.sound.data.frames import NEXT, PAST
from ostinato.sound.report import score_creator as forecasts

SIZE = 3


class Knowing(torch.nn.Module):
    """Knows how the frames of `walk` go on."""

    def sample(self, past, noise):
        steps, frame = [], past[:, -1]
        for number in range(NEXT):
            frame = -0.9 * frame + noise[:, number]
            steps.append(frame)
        return torch.stack(steps, 1)


@pytest.fixture
def walk(tmp_path):
    """Frames each of which is the one before, turned round, and noise."""
    rng = np.random.default_rng(0)
    rows, every = [], []
    for number, split in enumerate(["train"] * 6 + ["valid", "test"]):
        frame = [rng.normal(size=SIZE)]
        for _ in range(299):
            frame.append(-0.9 * frame[-1] + rng.normal(size=SIZE))
        rows.append({"id": number, "split": split, "first": 300 * number, "frames": 300})
        every += frame
    files.write_array(tmp_path / "frames.npy", np.float16(every))
    files.write_table(tmp_path / "songs.csv", frames.FRAME_COLUMNS, rows)
    return tmp_path


def test_knowledge_scores_best_and_ridge_regression_finds_what_is_linear(walk):
    figures = forecasts.compare(Knowing(), walk, "knowing", 0)
    assert figures["windows"] == 300 - (PAST + NEXT) + 1
    score = figures["energy_score"]
    assert score["knowing"] < score["ridge"] < 0.7 * score["repeat_last"]
    assert score["ridge_with_errors"] == pytest.approx(score["knowing"], rel=0.1)
    mean = figures["distance_of_mean"]
    assert mean["ridge"] == pytest.approx(score["ridge"])
    assert mean["knowing"] == pytest.approx(mean["ridge"], rel=0.15)


def test_true_frames_and_true_draws_are_equally_near_to_music(walk):
    near = forecasts.compare(Knowing(), walk, "knowing", 0)["distance_to_music"]
    assert near["knowing"] == pytest.approx(near["truth"], rel=0.25)


def test_the_energy_score_of_one_answer_is_its_distance():
    answer, true = torch.randn(1, 4, NEXT, 6), torch.randn(4, NEXT, 6)
    expected = (answer[0] - true).square().sum(-1).mean(-1).sqrt()
    torch.testing.assert_close(forecasts.energy_score(answer, true), expected)


def test_no_distribution_scores_better_than_the_true_one():
    torch.manual_seed(0)
    true = torch.randn(400, NEXT, 6)

    def score(spread, shift=0.0):
        draws = spread * torch.randn(16, 400, NEXT, 6) + shift
        return forecasts.energy_score(draws, true).mean()

    best = score(1.0)
    for other in (score(0.0), score(0.5), score(2.0), score(1.0, 0.5)):
        assert best < other
