"""Advice for results that are hardly better than copying the source."""

from __future__ import annotations

from typing import Final

from motioncast.cli.report import Configuration, MeanQuality, QualityReport

HARDLY_DB: Final = 1.0  # above copying the source: a smaller gain is barely visible
_FEW: Final = 4


def advice(configuration: Configuration, quality: QualityReport, faces_seen: bool) -> list[str]:
    """Returns sentences for the user who looks at a result; none if it is good.

    Args:
        configuration: The requested settings.
        quality: The quality achieved.
        faces_seen: Whether a face was found in any picture that was searched.
    """
    if quality.all is None or quality.all.frames < _FEW or _gain(quality.all) >= HARDLY_DB:
        return []
    gain = _gain(quality.all)
    is_it = "hardly better" if gain > 0 else "no better" if gain == 0 else "worse"
    return [
        f"The result is {is_it} than copying the source: {gain:+.1f} dB.",
        *_remedies(configuration, quality, faces_seen),
    ]


def _remedies(configuration: Configuration, quality: QualityReport, faces_seen: bool) -> list[str]:
    remedies = []
    if configuration.frame == "off":
        remedies.append("The picture was not framed: --frame auto crops it to the face.")
    elif not faces_seen:
        remedies.append(
            "No face was found: the model is for talking heads. The face should be well lit, "
            "large enough and turned to the camera."
        )
    observed, predicted = quality.observed, quality.predicted
    if (
        observed is not None
        and predicted is not None
        and _gain(observed) >= HARDLY_DB > _gain(predicted)
    ):
        remedies.append("Only the forecast frames are poor: --predicted 0 sends every frame.")
    if configuration.source == "first frame" and configuration.sent_as == "keypoints":
        remedies.append("More source images show what the first frame hides: --sources 4.")
    else:
        remedies.append(
            "More source images show what the first frame hides: --send keypoints --sources 4."
        )
    remedies.append(
        "Or train a model of this person: motioncast train personal VIDEO "
        "(docs/tutorial_personal.md)."
    )
    return remedies


def _gain(quality: MeanQuality) -> float:
    return quality.psnr_db - quality.copied_source_psnr_db
