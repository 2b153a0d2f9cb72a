"""All predictors, one line each: how each is built and how tables and figures show it.

To add one, write its module in this package and a line here: training, export, evaluation and the
paper's tables and figures read this table.
"""

from dataclasses import dataclass
from typing import Final

from motioncast.models.predictors.gap_filling import Predictor, damped, hold, linear
from motioncast.models.predictors.gru import GRU, MonkeyNetGRU
from motioncast.models.predictors.recurrent import RecurrentPredictor
from motioncast.models.predictors.simlpe import SiMLPe
from motioncast.models.predictors.vrnn import VRNN
from motioncast.models.predictors.windowed import WindowedVRNN


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of predictor.

    It is a trained `network`, a `rule` without learning, or neither: then it is
    fitted in closed form, like the vector autoregression.
    """

    name: str
    label: str  # in tables and figures
    colour: str  # of its curve, distinguishable by colour-blind readers (Okabe and Ito 2008)
    network: type[RecurrentPredictor] | None = None
    rule: Predictor | None = None


REGISTRY: Final = (  # in the order of tables and figures
    Kind("vrnn", "VRNN", "#0072B2", network=VRNN),
    Kind("windowed", "VRNN + siMLPe", "#999933", network=WindowedVRNN),
    Kind("simlpe", "siMLPe", "#882255", network=SiMLPe),
    Kind("rnn", "RNN", "#D55E00", network=MonkeyNetGRU),
    Kind("gru", "GRU", "#009E73", network=GRU),
    Kind("var", "VAR", "#CC79A7"),
    Kind("damped", "damped", "#E69F00", rule=damped),
    Kind("hold", "hold", "#444444", rule=hold),
    Kind("linear", "linear", "#56B4E9", rule=linear),
)

ORDER: Final = tuple(kind.name for kind in REGISTRY)
NETWORKS: Final = {kind.name: kind.network for kind in REGISTRY if kind.network is not None}
RULES: Final = {kind.name: kind.rule for kind in REGISTRY if kind.rule is not None}
LEARNED: Final = tuple(kind.name for kind in REGISTRY if kind.rule is None)  # stored in a file
