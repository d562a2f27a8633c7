"""Sentences that were written in English when a model was trained or a morning scored, in the report's language.

They are recognised by their form: a template matches the whole sentence, and what stands in its braces is put into
the template's translation. A figure gets the region's separators. A sentence of another form stands as it is.
"""

from __future__ import annotations

import re
from functools import cache

from models.baselines import LABELS
from serving.report.language import N_, _, decimal, is_source
from serving.report.wording import day_in_text

TEMPLATES = (
    # why somebody could not be scored (features/availability.py, serving/score.py)
    N_("no data yet"),
    N_("no data since {day}"),
    N_("injured since {day} (known {known})"),
    N_("not in the athletes table yet"),
    N_("left the squad on {day}"),
    N_("too little measured: {percent} % of the usual measurements are missing"),
    N_("{reason}; neither age nor injury history is known"),
    # why a measurement is missing (features/build.py)
    N_("cannot be computed from these values"),
    N_("too few values in the window"),
    N_("no source in use on enough days of the window"),
    N_("not recorded in enough sessions"),
    N_("not worn or not recorded for {days} days"),
    N_("form not filled in for {days} days"),
    N_("not tested for {days} days"),
    N_("not screened for {days} days"),
    N_("not recorded for {days} days"),
    N_("none recorded for {days} days"),
    N_("not worn or not recorded ever"),
    N_("form not filled in ever"),
    N_("not tested ever"),
    N_("not screened ever"),
    N_("not recorded ever"),
    N_("none recorded ever"),
    N_("thresholds of {low} and {high} m/s cannot be added up"),
    # what a model's data can carry (models/verdict.py, sample_size.py, splits.py, out_of_fold.py, instability.py)
    N_(
        "{injuries} injuries of {hurt} athletes among {athletes}, for {features} features: "
        "{share} injuries per feature."
    ),
    N_(
        "To learn from so many features Riley's criteria ask for about {needed} injuries at an expected AUROC of "
        "{auroc} ({days}-day horizon): {met}."
    ),
    N_("met"),
    N_("not met, so scores may fit chance and need an independent check"),
    N_("{days} days: no tested day has a known outcome, so there is no figure."),
    N_(
        "{days} days: {rows} tested athlete-days of {athletes} athletes before {injuries} injuries. "
        "AUROC {auroc} (95% interval {lower} to {upper}, half-width {half}): {meaning}."
    ),
    N_("{days} days: {rows} tested athlete-days of {athletes} athletes before {injuries} injuries. AUROC is {reason}."),
    N_(
        "{days} days: {rows} tested athlete-days of {athletes} athletes before {injuries} injuries. "
        "AUROC {auroc}, {reason}."
    ),
    N_("not defined here: it needs events, non-events and scores that differ"),
    N_("no interval: too few athletes have events ({share} of the resamples leave it undefined)"),
    N_("the interval excludes 0.5, so it ranks athletes better than chance"),
    N_("the whole interval is below 0.5, so it ranks athletes worse than chance"),
    N_("the interval includes 0.5, so this data cannot tell the ranking from chance"),
    N_("{days} days: average precision {value} (95% interval {lower} to {upper}), of chance {chance}: {shown}."),
    N_("more than chance"),
    N_("not shown to be more than chance"),
    N_("{days} days: AUROC is shown to be higher than that of {others}."),
    N_("{days} days: AUROC is shown to be lower than that of {others}."),
    N_("{days} days: AUROC is not shown to be higher than that of {others}."),
    N_(
        "{days} days: {other} ranks higher here (AUROC {auroc}; this model's less its: {difference}, 95% interval "
        "{low} to {high}): prefer it to this model."
    ),
    N_(
        "{days} days: {other} ranks higher here (AUROC {auroc}; this model's less its: {difference}, 95% interval "
        "{low} to {high}): not told apart, and the simpler one is to be preferred."
    ),
    N_(
        "{days} days: {other} ranks higher here (AUROC {auroc}; this model's less its: {difference}, {reason}): "
        "prefer the simpler one."
    ),
    N_(
        "Each fold's model is a bag of {fold} members, the shipped one of {shipped}: the shipped one's scores are "
        "steadier, so these figures lie low rather than high."
    ),
    N_(
        "Intervals from {fewest} injuries are too narrow, as from any fewer than {least}: what one of them leaves out "
        "is a hint, not shown."
    ),
    N_("In {constant} of {fits} fits the calibration found nothing and gave the base rate."),
    N_("Only {found} athlete folds instead of {asked}: {hurt} of {athletes} athletes have an injury."),
    N_("Only {found} test period instead of {asked}: too few earlier injuries."),
    N_("{count} folds left out: no injury in their training part, so they test nobody."),
    N_("At least one fold learns from a single injured athlete: all its scores are the base rate."),
    N_(
        "{rows} of {tested} tested athlete-days (athletes: {athletes}) lack more than {share} % of the usual "
        "measurements; an injury followed {followed} of them within {days} days. Here they have the model's score, "
        "in use that by age and injury history alone."
    ),
    N_("previous injury: no count in this data, so it is the base rate."),
    N_("Hughes 2020: age or the count of muscle injuries is not in this data, so it is the base rate."),
    N_("Lövdal 2021: no feature of at most seven days in this data, so it is the base rate."),
    N_("age + history: {absent} not in this data."),
    N_("Leak battery: {passed} of {checks} checks passed."),
    N_(
        "Stability from {refits} refits of the whole pipeline to athletes drawn with replacement, too few for more "
        "than a rough idea: {advised} are advised."
    ),
    N_("Stability from {refits} refits of the whole pipeline to athletes drawn with replacement."),
    N_(
        "{days} days: with other athletes to learn from, a score of {score} on average would be {points} percentage "
        "points higher or lower; {share} of the flags would stay (drawing lots keeps {lots})."
    ),
)
"""The forms of stored sentences, in the words in which they are written."""


def stored(text: str) -> str:
    """A stored sentence in the language in use, each date such as 2025-05-12 as "12 May 2025"."""
    return day_in_text(text) if is_source() else _said(text)


def _said(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return day_in_text(text)
    if figure := re.fullmatch(r"(-?[\d,]*\d)(\.\d+)?( ?%)?", text):
        return _figure(figure)
    for template, form in zip(TEMPLATES, _forms(), strict=True):
        if found := form.fullmatch(text):
            values = {name: _said(value) for name, value in found.groupdict().items()}
            return _(template, **values) if values else _(template)
    return _named(day_in_text(text))


def _figure(figure: re.Match[str]) -> str:
    whole, fraction, percent = figure.groups()
    value = float(whole.replace(",", "") + (fraction or ""))
    return decimal(value, len(fraction or ".") - 1, fixed=True) + (" %" if percent else "")


def _named(text: str) -> str:
    """The text with the names of other models translated, the longest first: some names contain others."""
    for label in sorted(LABELS.values(), key=len, reverse=True):
        text = text.replace(label, _(label))
    return text


@cache
def _forms() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_pattern(template)) for template in TEMPLATES)


def _pattern(template: str) -> str:
    """The template as a pattern: "{day}" matches as little as will do."""
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(re.escape(part) if place % 2 == 0 else f"(?P<{part}>.+?)" for place, part in enumerate(parts))
