"""Writes the documents' tables of figures (`make figures`).

    python -m figures               rewrites the tables from docs/figures/measured/*.json
    python -m figures --measure     reruns the short benchmarks first, on this machine

Evaluations take long and write their own files; the tables follow when one is replaced:

    motioncast evaluate synthesis --data people/test --all --frame fixed --model face256 \\
        --json docs/figures/measured/quality_face256_people_test.json
    motioncast evaluate forecast --tracks test.npz --predictors FOLDER \\
        --json docs/figures/measured/forecast_face256_people_test.json
"""

import argparse

from figures.drawing import ROOT, documents, rewritten
from figures.tables import TABLES


def main() -> None:
    """Rewrites what has changed, and names it."""
    parser = argparse.ArgumentParser(prog="python -m figures", description="Write the tables.")
    parser.add_argument("--measure", action="store_true", help="rerun the short benchmarks first")
    if parser.parse_args().measure:
        from figures.measuring import measure

        measure()
    for page in documents():
        before = page.read_text("utf-8")
        if (after := rewritten(before, TABLES)) != before:
            page.write_text(after, "utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
