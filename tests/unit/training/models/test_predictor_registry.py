"""Every predictor of the registry can be built by its name, and fills a timeline."""

import pytest
import torch

from motioncast.models.predictors.checkpoint import build_predictor
from motioncast.models.predictors.gap_filling import free_running
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.registry import (
    LEARNED,
    NETWORKS,
    ORDER,
    REGISTRY,
    RULES,
    Kind,
)
from motioncast.paper.style import look


def test_the_registry_has_these_predictors() -> None:
    assert ORDER == ("vrnn", "windowed", "simlpe", "rnn", "gru", "var", "damped", "hold", "linear")
    assert set(NETWORKS) == {"vrnn", "windowed", "simlpe", "rnn", "gru"}
    assert set(RULES) == {"damped", "hold", "linear"}
    assert set(LEARNED) - set(NETWORKS) == {"var"}  # fitted in closed form


@pytest.mark.parametrize("kind", REGISTRY, ids=lambda kind: kind.name)
def test_figures_show_a_predictor_as_its_line_says(kind: Kind) -> None:
    assert (look(kind.name).label, look(kind.name).colour) == (kind.label, kind.colour)
    assert [one.colour for one in REGISTRY].count(kind.colour) == 1


@pytest.mark.parametrize("name", [*NETWORKS, *RULES])
def test_what_was_observed_stays_and_gaps_are_filled(name: str) -> None:
    observed = torch.tensor([True, True, False, True, False, False])
    timeline = torch.rand(2, 6, 3, 3).where(observed[:, None, None], torch.nan)
    sizes = PredictorSizes(keypoints=3, hidden=8, latent=2, features=4)
    predictor = RULES.get(name) or free_running(build_predictor(name, sizes).eval())
    with torch.inference_mode():
        filled = predictor(timeline, observed)
    assert torch.equal(filled[:, observed], timeline[:, observed])
    assert filled.isfinite().all()
