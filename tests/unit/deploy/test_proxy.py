"""deploy/envoy.yaml agrees with the orchestrators' behaviour; `make proxy-check` runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from motioncast.serving import ServerSettings

DEPLOY = Path(__file__).parents[3] / "deploy"
RESOURCES: dict[str, Any] = yaml.safe_load((DEPLOY / "envoy.yaml").read_text())["static_resources"]


def manager() -> dict[str, Any]:
    filters = RESOURCES["listeners"][0]["filter_chains"][0]["filters"]
    found: dict[str, Any] = filters[-1]["typed_config"]
    return found


def test_the_orchestrators_are_found_where_compose_has_them() -> None:
    [cluster] = RESOURCES["clusters"]
    [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    address = endpoint["endpoint"]["address"]["socket_address"]
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert address["address"] in services
    [port] = services["orchestrator"]["ports"]
    assert port.endswith(":" + str(address["port_value"]))


def test_it_has_more_patience_than_the_orchestrators_which_say_why() -> None:
    seconds = float(manager()["stream_idle_timeout"].removesuffix("s"))
    assert seconds > ServerSettings().stall_seconds
    [host] = manager()["route_config"]["virtual_hosts"]
    assert host["routes"][0]["route"]["timeout"] == "0s"  # sessions may be long


def test_only_what_was_never_served_is_tried_again() -> None:
    [host] = manager()["route_config"]["virtual_hosts"]
    policy = host["routes"][0]["route"]["retry_policy"]
    assert set(policy["retry_on"].split(",")) == {"connect-failure", "refused-stream"}
