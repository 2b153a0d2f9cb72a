"""Every Prometheus rule is tested, documented and only uses metrics the services expose."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from support.promql import metrics_of

from motioncast.local.metrics_page import sample_names

ROOT: Final = Path(__file__).parents[3]
PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
RUNBOOKS: Final = (ROOT / "docs" / "runbooks.md").read_text("utf-8")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


RULES: Final[list[dict[str, Any]]] = [
    rule
    for file in sorted((PROMETHEUS / "rules").glob("*.yml"))
    for group in read(file)["groups"]
    for rule in group["rules"]
]
ALERTS: Final = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDS: Final = {rule["record"]: rule for rule in RULES if "record" in rule}


def promtool(*arguments: str, folder: Path = PROMETHEUS) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not here; Debian's package `prometheus` has it")
    result = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_rules_give_what_they_should_on_series_whose_answer_is_known() -> None:
    promtool("test", "rules", "rules_test.yml", folder=PROMETHEUS / "tests")


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    promtool("check", "config", "prometheus.yml")


def test_every_rule_has_a_test() -> None:
    tests = read(PROMETHEUS / "tests" / "rules_test.yml")["tests"]
    fired = {
        one["alertname"]
        for test in tests
        for one in test.get("alert_rule_test", ())
        if one["exp_alerts"]
    }
    quiet = {
        one["alertname"]
        for test in tests
        for one in test.get("alert_rule_test", ())
        if not one["exp_alerts"]
    }
    asked = {
        name
        for test in tests
        for one in test.get("promql_expr_test", ())
        for name in metrics_of(one["expr"])
    }
    assert fired == quiet == set(ALERTS)
    assert set(RECORDS) <= asked


def test_every_alert_names_its_section_of_the_runbooks() -> None:
    sections = set(re.findall(r"^## (Motioncast\w+)$", RUNBOOKS, re.MULTILINE))
    assert sections == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_everything_recorded_is_in_the_runbooks_table() -> None:
    assert set(re.findall(r"`(motioncast:[\w:]+)`", RUNBOOKS)) == set(RECORDS)


def test_rules_and_runbooks_ask_for_what_is_shown_or_recorded() -> None:
    known = sample_names() | set(RECORDS)
    for rule in RULES:
        assert metrics_of(rule["expr"]) <= known
    named = set(re.findall(r"\b(?:motioncast|grpc_server|process)_\w+", RUNBOOKS))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known}
    assert named <= families
