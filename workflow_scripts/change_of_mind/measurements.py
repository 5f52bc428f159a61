"""From the study's scores to the quantity that decides each claim."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import pandas as pd

from workflow_scripts.change_of_mind.published import (
    CHOICES,
    DIFFICULT,
    GEMMA_12B,
    Published,
    scalar,
)
from workflow_scripts.inference import forms
from workflow_scripts.shared import measurements, protocol
from workflow_scripts.shared.claims import Evidence, Measured, ModelEvidence, NotMeasured
from workflow_scripts.shared.measurements import Found
from workflow_scripts.shared.protocol import Setting

pick = partial(measurements.select, seeds="pooled", undefined="drop")
LARGEST_R_HAT = 1.05  # above it the sampler has not converged
ACCURACIES = (50, 60, 70, 80, 90, 100)  # %, stated in the paper
FILES = {"E5": ("four_options", "SimpleQA"), "E6": ("transfer", "GSM-MC")}
LATITUDES = ("E1", "E2", "E3", "E4")
IN_LOG_ODDS = ("advice_weight", "advice_weight_opposite_less_same", "elpd_lead_of_D")
LEAST_READ = 0.9  # share of the replies, and of the questions that were read throughout
# Most trials with an unlisted option where log-odds decide, and most probability of such options.
UNLISTED, UNLISTED_MASS = 0.05, 0.01
TOLD = {  # how a model was asked, in the notes of its measurements
    forms.FIRST_TOKEN: "options by the alternatives to the first token of a free reply",
    forms.SAMPLED: "choices from sampled replies, confidence from their counts",
}


@dataclass(frozen=True)
class Protocol:
    """The settings of this run that change a measured quantity, beside the paper's.

    Fewer questions than in the paper only widen the intervals, so their number is not among them.
    """

    settings: Mapping[str, Any]  # the config's temperature, accuracies, foils and files
    difficult: Mapping[str, bool]  # whether each model got the closer foils
    choices: Mapping[str, str]  # how each model's options were taken
    published: Published

    def differs(self, model: str, paper_name: str, experiment: str) -> str | None:
        """How `model` of the config was asked differently from the paper's model of that name."""
        found = protocol.evidence(*self._settings(model, paper_name, experiment)).reduced
        return f"asked differently from the paper's model: {found}" if found else None

    def _settings(self, model: str, paper_name: str, experiment: str) -> Iterator[Setting]:
        run, known = self.settings, self.published
        yield Setting("temperature", run["temperature"], scalar(known, "sampling_temperature"))
        yield Setting("stated accuracies", tuple(run["accuracies"]), ACCURACIES)
        allowed = CHOICES.get(paper_name, (forms.LOGPROBS,))
        choices = self.choices[model]
        yield Setting("options", choices, choices if choices in allowed else allowed[0])
        if experiment in LATITUDES:
            offset = run["foils"]["difficult" if self.difficult[model] else "offset"]
            kind = "difficult" if paper_name in DIFFICULT else "main"
            paper = scalar(known, f"foil_offset_fraction_{kind}")
            yield Setting("offset of the foils", offset, paper)
        if experiment in FILES:
            key, name = FILES[experiment]
            given = f"{name} file" if run["files"][key] else "questions of our own"
            yield Setting("task", given, f"{name} file")


@dataclass(frozen=True)
class Measure:
    """Which models are measured, and how they were asked.

    `about` limits the measurements to one of the paper's models, by the paper's name for it.
    """

    models: Sequence[str]
    protocol: Protocol
    about: str | None = None

    def of(self, paper_name: str) -> "Measure":
        """The same for claims on the paper's model `paper_name` alone.

        Claims on the paper's main model are measured on every model, those on others only on the
        model itself. Otherwise a stand-in would repeat one number for each of the paper's models.
        """
        return self if paper_name == GEMMA_12B else replace(self, about=paper_name)

    def direct(
        self, note: str, wanted: dict[str, Any], scores: pd.DataFrame, evidence: ModelEvidence
    ) -> Found:
        """The score that fits `wanted`, of each model that has it."""
        rows = pick(scores, model=self.models, **wanted)
        return self._found([(row, note) for _, row in rows.iterrows()], note, scores, evidence)

    def extreme(
        self,
        note: str,
        which: Literal["least", "largest"],
        wanted: dict[str, Any],
        scores: pd.DataFrame,
        evidence: ModelEvidence,
    ) -> Found:
        """The least (or largest) score over the conditions listed in one entry of `wanted`.

        For a claim that must hold in each of these conditions. Models that lack one are left out.
        """
        ((column, choices),) = ((c, v) for c, v in wanted.items() if isinstance(v, list))
        found = []
        for _, rows in measurements.by_model(pick(scores, model=self.models, **wanted)):
            if set(rows[column]) == set(choices):
                row = measurements.extreme(rows, which)
                found.append((row, f"{note} ({column} {row[column]})"))
        return self._found(found, note, scores, evidence)

    def _found(
        self,
        rows: Iterable[tuple[pd.Series, str]],
        what: str,
        scores: pd.DataFrame,
        evidence: ModelEvidence,
    ) -> Found:
        """One measurement per row and its note; `what` names them where there is none."""
        found: list[Measured] = []
        for row, note in rows:
            model = str(row["model"])
            name = evidence.paper_name(model)
            if self.about not in (None, name):
                continue
            kind, told = evidence(model), TOLD.get(self.protocol.choices[model])
            text = f"{note}; {told}" if told else note
            if name and (differs := self.protocol.differs(model, name, str(row["experiment"]))):
                # It then counts as any other model: the claim may hold for it, but is not decided.
                kind, text = Evidence.OTHER_MODEL, f"{text}; {differs}"
            reason = _not_converged(scores, row) or _at_a_limit(scores, row)
            reason = reason or _not_read(scores, row) or _not_listed(scores, row)
            found.append(measurements.measured(row, kind, text, model=model, reason=reason))
        if self.about and not found:
            return NotMeasured(f"{self.about} is not measured in this run")
        return found or NotMeasured(f"no model of this run has {what}")


def _not_converged(scores: pd.DataFrame, row: pd.Series) -> str | None:
    """Why a score of a regression cannot decide a claim, where the sampler did not converge."""
    worst = pick(scores, metric="r_hat_max", model=row["model"])["value"].max()
    if row["variant"] and worst > LARGEST_R_HAT:
        return f"the sampler did not converge (largest R-hat {worst:.2f})"
    return None


def _not_read(scores: pd.DataFrame, row: pd.Series) -> str | None:
    """Why a score of sampled choices is not measured, where too many replies were not read."""
    own = {"experiment": ["E1", row["experiment"]], "model": row["model"]}
    read = pick(scores, metric="read_share", **own)["value"].min()
    kept = 1 - pick(scores, metric="left_out", **own)["value"].max()
    if read < LEAST_READ:
        return f"only {read:.0%} of the replies were read"
    return f"only {kept:.0%} of the questions were read throughout" if kept < LEAST_READ else None


def _not_listed(scores: pd.DataFrame, row: pd.Series) -> str | None:
    """Why a score is not measured, where the server left out too many of the options."""
    own = {"experiment": ["E1", row["experiment"]], "model": row["model"]}
    share = pick(scores, metric="unlisted_share", **own)["value"].max()
    mass = pick(scores, metric="unlisted_at_most", **own)["value"].max()
    if mass > UNLISTED_MASS:
        return f"options that the server does not list may have {mass:.1%} of the probability"
    if row["metric"] in IN_LOG_ODDS and share > UNLISTED:
        return (
            f"in {share:.0%} of the trials the server does not list an option, and its log-odds "
            "are not known"
        )
    return None


def _at_a_limit(scores: pd.DataFrame, row: pd.Series) -> str | None:
    """Why a difference of two rates of change is not measured, where both are 0 % or 100 %."""
    rates = pick(scores, metric="change_rate", experiment=row["experiment"], model=row["model"])
    arms = [pick(rates, **arm) for arm in _arms(rates, row)]
    values = {float(value) for arm in arms for value in arm["value"]}
    for limit, outcome in ((0.0, "never changes its answer"), (1.0, "always changes its answer")):
        if values == {limit}:
            return f"the model {outcome} in both conditions: no difference can be measured"
    return None


def _arms(rates: pd.DataFrame, row: pd.Series) -> list[dict[str, Any]]:
    """The two conditions whose rates of change a score compares; empty for other scores."""
    display, advice = str(row["display"]), str(row["advice"])
    if row["metric"] == "change_rate_gap":
        pairs = [("hidden", advice, "all"), ("shown", advice, "all")]
    elif row["metric"] == "wrong_display_gap":
        pairs = [(display, advice, "all"), ("shown", advice, "all")]
    elif row["metric"] == "advice_use":
        pairs = [(display, "opposite", "all"), (display, "same", "all")]
    elif row["metric"] == "accuracy_effect":
        stated = sorted((a for a in rates["accuracy"].unique() if a.isdigit()), key=int)
        pairs = [(display, advice, end) for end in (*stated[:1], *stated[-1:])]
    else:
        pairs = []
    return [dict(zip(("display", "advice", "accuracy"), pair, strict=True)) for pair in pairs]
