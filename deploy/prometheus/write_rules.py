"""Writes the rules of this folder as a PrometheusRule, for clusters with the Prometheus operator.

python deploy/prometheus/write_rules.py            rewrites the file
python deploy/prometheus/write_rules.py --check    only compares
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

RULES: Final = Path(__file__).parent / "rules"
FILE: Final = RULES.parents[1] / "kubernetes/components/monitoring/rules.yaml"
_SAID: Final = "# Written from deploy/prometheus/rules by deploy/prometheus/write_rules.py.\n"


def rule_object() -> dict[str, Any]:
    """Returns all rule groups as one PrometheusRule object."""
    files = sorted(RULES.glob("*.yml"))
    groups = [group for one in files for group in yaml.safe_load(one.read_text("utf-8"))["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "motioncast"},
        "spec": {"groups": groups},
    }


def main(
    check: Annotated[bool, typer.Option("--check", help="Only compare; write nothing.")] = False,
) -> None:
    """Write the rules; with --check, exit with 1 if the file differs from them."""
    text = _SAID + yaml.safe_dump(rule_object(), sort_keys=False, width=100)
    if not check:
        FILE.write_text(text, encoding="utf-8")
    elif not FILE.exists() or FILE.read_text("utf-8") != text:
        print(f"{FILE} differs from what this script would write", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
