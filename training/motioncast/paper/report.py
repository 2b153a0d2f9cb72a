"""The page of one experiment: its results in words, tables and figures (Markdown)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from motioncast.evaluate.markdown import table
from motioncast.paper.latents import LatentFigures, LatentPathPicture
from motioncast.paper.measures import IMAGE_MEASURES, MEASURES
from motioncast.paper.protocols import Protocol
from motioncast.paper.style import look
from motioncast.paper.summary import CONTENDER, Line, Section, Verdict
from motioncast.quality.pixels import scales_that_fit

HEADINGS = {
    "keypoints": "Keypoints",
    "reconstruction": "Reconstruction",
    "transfer": "Transfer",
}
# Their tests are equivalent to that of the MSE.
SIDE_MEASURES = tuple(one.name for one in IMAGE_MEASURES if one.name != "mse")
EXPLANATIONS = {
    "keypoints": "Forecast keypoints compared with the detected ones; no images are involved.",
    "reconstruction": (
        "The source is the clip's own first frame; results are compared with the clip itself."
    ),
    "transfer": (
        "The source is the first frame of another video; as in the paper, results are"
        " compared with those of the same keypoints without prediction."
    ),
}


@dataclass(frozen=True, slots=True)
class Findings:
    """All results of an experiment, ready to be written."""

    protocol: Protocol
    data: str
    clips: Sequence[str]
    image_size: int
    sections: Sequence[Section]
    lines: Sequence[Line]
    verdicts: Sequence[Verdict]
    latents: Sequence[LatentFigures]
    pictures: Sequence[LatentPathPicture]
    notes: Sequence[str] = ()  # what is left out, and why
    figures: Mapping[str, Sequence[str]] = field(default_factory=dict)  # files by heading
    command: str = ""


def as_markdown(findings: Findings) -> str:
    """Returns the page."""
    protocol = findings.protocol
    videos = len(set(findings.sections[0].videos))
    parts = [
        f"# {protocol.title}",
        f"{len(findings.clips)} clips of {protocol.frames} frames, cut from {videos} videos of"
        f" {findings.data}. Made by",
        f"```\n{findings.command}\n```",
        "Brackets are 95 % intervals, bootstrapped over initialisations and videos"
        " together; for measures with one figure per initialisation, Student's interval"
        " over initialisations. AKD is in pixels of the"
        f" {findings.image_size}x{findings.image_size} frame, the forecast error in pixels"
        f" at 256x256. MS-SSIM has {scales_that_fit(findings.image_size)} scales.",
        *findings.notes,
    ]
    if videos < 2:
        parts.append("All clips are of one video, so no intervals or tests can be given.")
    for section in findings.sections:
        parts += [f"## {HEADINGS[section.mode]}", EXPLANATIONS[section.mode]]
        parts += _section(findings, section)
    parts += _latents(findings)
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(findings: Findings, section: Section) -> list[str]:
    lines = [line for line in findings.lines if line.mode == section.mode]
    verdicts = [verdict for verdict in findings.verdicts if verdict.mode == section.mode]
    parts = []
    scopes = [("all", "All frames"), ("predicted", "Predicted frames alone")]
    for scope, title in scopes:
        chosen = [line for line in lines if line.frames == scope]
        if section.mode == "keypoints" and scope == "all":
            chosen = [line for line in chosen if line.measure in section.singles]
            title = "Motion of whole clips"
        if chosen:
            parts.append(f"**{title}**\n\n{_figures_table(section, chosen)}")
    if verdicts:
        parts.append(_verdicts(verdicts))
    parts += [_image(name) for name in findings.figures.get(section.mode, ())]
    return parts


def _figures_table(section: Section, lines: Sequence[Line]) -> str:
    measures = list(dict.fromkeys(line.measure for line in lines))
    head = ["predictor", "initialisations"]
    for name in measures:
        arrow = "↓" if MEASURES[name].better == "lower" else "↑"
        head.append(f"{MEASURES[name].label} {arrow}")
    rows = []
    for kind in section.kinds():
        own = {line.measure: line for line in lines if line.predictor == kind}
        if own:
            count = str(next(iter(own.values())).initialisations)
            cells = [_value(own[name]) if name in own else "" for name in measures]
            rows.append([look(kind).label, count, *cells])
    return table(head, rows)


def _value(line: Line) -> str:
    measure = MEASURES[line.measure]
    if line.low is None or line.high is None:
        return measure.show(line.mean)
    return f"{measure.show(line.mean)} [{measure.show(line.low)}, {measure.show(line.high)}]"


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for verdict in verdicts:
        if verdict.measure in SIDE_MEASURES:
            continue
        measure = MEASURES[verdict.measure]
        gain = "" if verdict.relative_gain is None else f"{verdict.relative_gain:+.1%}"
        bounds = f"[{measure.show(verdict.low)}, {measure.show(verdict.high)}]"
        rows.append(
            [
                f"{measure.label}, against {look(verdict.against).label}",
                f"{measure.show(verdict.difference)} {bounds}",
                gain if measure.better == "lower" else "",
                _p(verdict.p_holm),
                "yes" if verdict.p_holm < 0.05 else "no",
            ]
        )
    head = ["on predicted frames", "better by", "relative", "p (Holm)", "significantly better"]
    title = f"**Does {look(CONTENDER).label} beat the others?**"
    note = (
        "One-sided sign-flip tests over whole videos (Welch's test over initialisations for"
        " measures with one figure per initialisation); p is corrected for the number of"
        " comparisons. The other measures' tests are in `tests.csv`."
    )
    return f"{title} {note}\n\n{table(head, rows)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _latents(findings: Findings) -> list[str]:
    if not findings.latents:
        return []
    rows = [
        [
            "0" if found.seed is None else str(found.seed),
            f"{found.nll_bound:.3f}",
            f"{found.kl:.4f}",
            f"{sum(found.kl_per_dimension):.3f}",
            f"{found.active_dimensions} of {len(found.kl_per_dimension)}",
            _optional(found.diversity_pixels, "{:.3f}"),
            _optional(found.coverage, "{:.1%}"),
            _optional(found.interval_pixels, "{:.2f}"),
        ]
        for found in findings.latents
    ]
    head = ["initialisation", "NLL bound", "KL", "KL per frame", "dimensions in use"]
    head += ["diversity (APD), px", "coverage of 90 %", "width, px"]
    parts = [
        "## The VRNN's latent variable",
        "NLL bound and KL in nats per coordinate and frame (displacements in units of their"
        " standard deviation), KL per frame in nats; a dimension is in use above 0.01 nats."
        " Diversity and coverage are those of sampled forecasts (z is drawn, the decoder's"
        " mean is used) on predicted frames, in pixels at 256x256.",
        table(head, rows),
        *[_image(name) for name in findings.figures.get("kl", ())],
    ]
    if findings.pictures:
        parts += [
            "### The latent path (paper, Figure 2)",
            "Kernel PCA of the posterior means z_t, and of the recurrent states h_t, over"
            " clips of different videos. P1: every frame has its own z (the smallest"
            " distance between the z of two frames, relative to the median distance, is"
            " above 0). P2: neighbours in X stay neighbours in z (trustworthiness and"
            " continuity with 5 neighbours: 1 is best, 0.5 is chance level), and a lower"
            " bound on the Lipschitz constant (largest |z_t - z_s| / |x_t - x_s|, x being"
            " the keypoints).",
            _pictures(findings.pictures),
            *[_image(name) for name in findings.figures.get("latent", ())],
        ]
    return parts


def _pictures(pictures: Sequence[LatentPathPicture]) -> str:
    head = ["clip", "path", "P1: smallest / median distance", "trustworthiness: keypoints, frames"]
    head += ["continuity: keypoints, frames", "Lipschitz: largest, 99 %, median"]
    rows = []
    for picture in pictures:
        near, near_pixels = picture.neighbourhoods, picture.neighbourhoods_pixels
        bound = picture.lipschitz
        rows.append(
            [
                picture.clip,
                picture.space,
                f"{picture.distinctness.relative:.3f}",
                f"{near.trustworthiness:.3f}, {near_pixels.trustworthiness:.3f}",
                f"{near.continuity:.3f}, {near_pixels.continuity:.3f}",
                f"{bound.largest:.1f}, {bound.quantile_99:.1f}, {bound.median:.1f}",
            ]
        )
    return table(head, rows)


def _optional(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _image(name: str) -> str:
    title = name.removesuffix(".png").replace("_", " ")
    return f"![{title}]({name})" if name.endswith(".png") else ""
