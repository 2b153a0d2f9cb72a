"""Training configurations: readable TOML files and the settings they describe.

    network = "lite64"            # a network of motioncast.models.configurations
    [synthesis]                   # TrainingSettings or AdversarialSettings; with
    adversarial = true            # LiteAdversarialSettings for a lite network; and
    augmentation = "lite"         # a preset of motioncast.data.augmentation
    [predictor]
    kind = "vrnn"
    [predictor.sizes]             # PredictorSizes; K is the network's
    [predictor.schedule]          # Schedule
    [predictor.loss]              # LossWeights
    [predictor.rnn.sizes]         # overrides for another kind, in the same three sections

Omitted keys keep their defaults. The files in `configurations/` can be given by name.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from motioncast.data.augmentation import AUGMENTATIONS, Augmentation
from motioncast.models.configurations import CONFIGURATIONS, Configuration
from motioncast.models.predictors.recurrent import PREDICTOR_SIZES, PredictorSizes
from motioncast.models.predictors.registry import LEARNED
from motioncast.train.fields import ConfigurationError, as_table, choose, fill, refuse_unknown
from motioncast.train.predictor_loss import LossWeights
from motioncast.train.settings import (
    AdversarialSettings,
    FaceAdversarialSettings,
    FaceSettings,
    LiteAdversarialSettings,
    Range,
    Schedule,
    SynthesisSettings,
    TrainingSettings,
)

FOLDER = Path(__file__).parent / "configurations"
LENGTHS = ("steps", "minutes", "epochs")
SETTINGS: Mapping[tuple[str, bool], SynthesisSettings] = {  # by architecture; adversarial or not
    ("lite", False): TrainingSettings(),
    ("lite", True): LiteAdversarialSettings(),
    ("face", False): FaceSettings(),
    ("face", True): FaceAdversarialSettings(),
    ("monkey_net", True): AdversarialSettings(),
}


@dataclass(frozen=True, slots=True)
class PredictorPlan:
    """How one kind of predictor is built and trained."""

    sizes: PredictorSizes
    schedule: Schedule
    loss: LossWeights


@dataclass(frozen=True, slots=True)
class TrainingConfiguration:
    """How the networks of one experiment are trained, in both stages."""

    name: str
    network: Configuration
    synthesis: SynthesisSettings
    augmentation: Augmentation
    kind: str  # of predictor, unless another is requested
    plans: Mapping[str, PredictorPlan]  # by kind


def load_configuration(name: str) -> TrainingConfiguration:
    """Reads a TOML file given by path, or a shipped one by name; a network's name also works.

    Raises ConfigurationError, which names the file, the key and what is expected.
    """
    shipped = FOLDER / f"{name}.toml"
    if name.endswith(".toml"):
        return _read(Path(name))
    if shipped.is_file():
        return _read(shipped)
    if name in CONFIGURATIONS:
        return _build(name, name, {"network": name})
    known = ", ".join(configuration_names())
    raise ConfigurationError(f"config: {name!r} is unknown (expected one of {known}, or FILE.toml)")


def configuration_names() -> list[str]:
    """Returns the names of the shipped files and of the networks."""
    return sorted({path.stem for path in FOLDER.glob("*.toml")} | set(CONFIGURATIONS))


def override(settings: SynthesisSettings, given: Mapping[str, object]) -> SynthesisSettings:
    """Overrides a configuration with command line options, where they are not None."""
    wanted = {key: value for key, value in given.items() if value is not None}
    if any(length in wanted for length in LENGTHS):
        settings = replace(settings, steps=None, minutes=None, epochs=None)
    return fill(settings, wanted, "command line")


def override_schedule(schedule: Schedule, given: Mapping[str, object]) -> Schedule:
    """Overrides a configuration with command line options, where they are not None."""
    wanted = {key: value for key, value in given.items() if value is not None}
    if "steps" in wanted:
        schedule = replace(schedule, epochs=None)
    return fill(schedule, wanted, "command line")


def _read(path: Path) -> TrainingConfiguration:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such configuration") from None
    except (OSError, ValueError, RecursionError) as error:  # not UTF-8, not TOML, endless nesting
        raise ConfigurationError(f"{path}: cannot be read as TOML ({error})") from error
    return _build(path.stem, str(path), content)


def _build(name: str, where: str, content: Mapping[str, Any]) -> TrainingConfiguration:
    refuse_unknown(content, ["network", "synthesis", "predictor"], where)
    network = CONFIGURATIONS[
        choose(content.get("network"), sorted(CONFIGURATIONS), where, "network")
    ]
    synthesis, augmentation = _synthesis(network, content.get("synthesis", {}), where)
    kind, plans = _predictor(network, content.get("predictor", {}), where)
    return TrainingConfiguration(name, network, synthesis, augmentation, kind, plans)


def _synthesis(
    network: Configuration, section: object, where: str
) -> tuple[SynthesisSettings, Augmentation]:
    lite = network.architecture != "monkey_net"
    table = dict(as_table(section, where, "synthesis"))
    preset = choose(
        table.pop("augmentation", "lite" if lite else "nemo"),
        list(AUGMENTATIONS),
        where,
        "synthesis.augmentation",
    )
    _refuse_two_lengths(table, LENGTHS, where, "synthesis")
    adversarial = table.pop("adversarial", not lite)
    if not isinstance(adversarial, bool) or (network.architecture, adversarial) not in SETTINGS:
        expected = "true or false" if lite else f"true, as {network.name} is trained"
        raise ConfigurationError(
            f"{where}: synthesis.adversarial is {adversarial!r} (expected {expected})"
        )
    defaults = SETTINGS[network.architecture, adversarial]
    return fill(defaults, table, where, "synthesis"), AUGMENTATIONS[preset]


def _predictor(
    network: Configuration, section: object, where: str
) -> tuple[str, dict[str, PredictorPlan]]:
    table = as_table(section, where, "predictor")
    parts = ["sizes", "schedule", "loss"]
    refuse_unknown(table, ["kind", *parts, *LEARNED], where, "predictor")
    kind = choose(table.get("kind", "vrnn"), list(LEARNED), where, "predictor.kind")
    of_network = PREDICTOR_SIZES.get(network.name, PredictorSizes())
    common = _plan(
        PredictorPlan(replace(of_network, keypoints=network.keypoints), Schedule(), LossWeights()),
        {part: table[part] for part in parts if part in table},
        where,
        "predictor",
    )
    plans = {}
    for each in LEARNED:
        own = as_table(table.get(each, {}), where, f"predictor.{each}")
        refuse_unknown(own, parts, where, f"predictor.{each}")
        plans[each] = _plan(common, own, where, f"predictor.{each}")
        if plans[each].sizes.keypoints != network.keypoints:
            raise ConfigurationError(
                f"{where}: predictor.sizes.keypoints is {plans[each].sizes.keypoints}"
                f" (expected {network.keypoints}, as in {network.name})"
            )
        weights = plans[each].loss.keypoints
        if weights and len(weights) != network.keypoints:
            raise ConfigurationError(
                f"{where}: predictor.loss.keypoints has {len(weights)} weights (expected"
                f" {network.keypoints}, as in {network.name})"
            )
    return kind, plans


def _plan(
    plan: PredictorPlan, table: Mapping[str, object], where: str, section: str
) -> PredictorPlan:
    schedule = as_table(table.get("schedule", {}), where, f"{section}.schedule")
    _refuse_two_lengths(schedule, ("steps", "epochs"), where, f"{section}.schedule")
    before = replace(plan.schedule, epochs=None) if "steps" in schedule else plan.schedule
    return PredictorPlan(
        sizes=fill(plan.sizes, table.get("sizes", {}), where, f"{section}.sizes", Range(least=1)),
        schedule=fill(before, schedule, where, f"{section}.schedule"),
        loss=fill(plan.loss, table.get("loss", {}), where, f"{section}.loss"),
    )


def _refuse_two_lengths(
    table: Mapping[str, object], lengths: tuple[str, ...], where: str, section: str
) -> None:
    given = [length for length in lengths if length in table]
    if len(given) > 1:
        raise ConfigurationError(
            f"{where}: {section} sets {' and '.join(given)} (expected one length)"
        )
