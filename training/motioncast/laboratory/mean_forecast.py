"""Makes one predictor of a trained VRNN and a trained siMLPe: it forecasts the mean of the two.

    python -m motioncast.laboratory.mean_forecast --vrnn A.pt --simlpe B.pt --data TRACKS.npz \\
        --out C.pt

Both must have been trained on the same tracks. The interval is fitted to the validation clips of
`--data`. The networks side by side are described in `models/predictors/windowed.py`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.models.predictors.checkpoint import (
    PredictorCheckpointError,
    load_predictor,
)
from motioncast.models.predictors.simlpe import SiMLPe
from motioncast.models.predictors.vrnn import VRNN
from motioncast.models.predictors.windowed import mean_of
from motioncast.train.calibration import save_calibrated


@dataclass(frozen=True, kw_only=True)
class MeanForecastOptions:
    """Two predictors, and the tracks that the interval is fitted to."""

    vrnn: Annotated[Path, typer.Option(metavar="FILE", help="trained VRNN")]
    simlpe: Annotated[Path, typer.Option(metavar="FILE", help="siMLPe trained on the same tracks")]
    data: Annotated[Path, typer.Option(metavar="TRACKS", help="tracks with validation clips")]
    out: Annotated[Path, typer.Option(metavar="FILE", help="predictor file to write")]


def run(options: MeanForecastOptions, command: str) -> None:
    """Writes the predictor; raises Refusal for files that do not fit together."""
    with refusing(OSError, PredictorCheckpointError, ValueError):
        vrnn, simlpe = load_predictor(options.vrnn), load_predictor(options.simlpe)
        if not isinstance(vrnn, VRNN):
            raise Refusal(f"--vrnn: {options.vrnn} is not a VRNN")
        if not isinstance(simlpe, SiMLPe):
            raise Refusal(f"--simlpe: {options.simlpe} is not a siMLPe")
        both = mean_of(vrnn, simlpe)
    save_calibrated(both, options.vrnn, options.data, options.out)


main = Program("motioncast.laboratory.mean_forecast", MeanForecastOptions, run, __doc__)

if __name__ == "__main__":
    main()
