"""Writes the documents' tables of figures (`make figures`).

    python -m figures               rewrites the tables from docs/figures/measured/*.json
    python -m figures --measure     reruns the short benchmarks first, on this machine
    python -m figures --measure demo            only this one
    python -m figures --evaluate quality_lite128_classic --data VIDEOS

The last one reruns evaluations of `measuring.EVALUATIONS` on held-out videos, which take minutes to
hours. Forecasts write their own files; the tables follow when one is replaced:

    motioncast evaluate forecast --tracks test.npz --predictors FOLDER \\
        --json docs/figures/measured/forecast_face256_people_test.json
"""

import argparse
from pathlib import Path

from figures.drawing import ROOT, documents, rewritten
from figures.measuring import BENCHMARKS, EVALUATIONS, evaluate, measure
from figures.tables import TABLES


def main() -> None:
    """Rewrites what has changed, and names it."""
    parser = argparse.ArgumentParser(prog="python -m figures", description="Write the tables.")
    parser.add_argument(
        "--measure", nargs="*", choices=BENCHMARKS, help="rerun the short benchmarks first"
    )
    parser.add_argument("--evaluate", nargs="+", choices=EVALUATIONS, help="rerun evaluations")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of held-out videos")
    options = parser.parse_args()
    if options.measure is not None:
        measure(options.measure)
    if options.evaluate:
        evaluate(options.evaluate, options.data)
    for page in documents():
        before = page.read_text("utf-8")
        if (after := rewritten(before, TABLES)) != before:
            page.write_text(after, "utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
