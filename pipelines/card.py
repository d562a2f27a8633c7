"""Model cards of a store: what a training leaves for its card, and the card of any registered version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from configs.errors import NotReady
from models import promotion, registry
from models.bundle import Bundle
from models.card import Card, Facts, Supplied, card_html, card_markdown, load_supplied, model_card, supplied_from_json
from models.participants import case_mix, missing_by_outcome, outcomes, participants
from models.promotion_log import Entry
from pipelines.daily import score_database
from pipelines.data import Store
from pipelines.made import made_predictions, scores_before
from pipelines.provenance import provenance
from serving.report.settings import ReportSettings

if TYPE_CHECKING:
    from models.evaluation import Evaluation
    from pipelines.recipe import Recipe
    from pipelines.training_set import TrainingSet

NAME = "model_card"
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class WrittenCard:
    """A card and the files that it was written to."""

    card: Card
    html: Path
    markdown: Path

    def in_words(self) -> Iterator[str]:
        """Where the files are, how much of the standards is met, and every gate that failed."""
        card = self.card
        yield f"{self.html}"
        yield f"{self.markdown}"
        yield (
            f"{card.count('met')} items reported, {card.count('not met')} not met, {card.count('not applicable')} not "
            f"applicable; {len(card.failed)} gates failed, {len(card.warned)} warn."
        )
        yield from (f"- {line.number}: {gate.sentence}" for line, gate in card.failed)


def with_facts(
    bundle: Bundle,
    store: Store,
    training: TrainingSet,
    recipe: Recipe,
    evaluation: Evaluation | None,
    until: pd.Timestamp | None,
) -> Bundle:
    """The bundle with what its card needs beside the evaluation: who took part, from which files, what was missing.

    `until` is the last day that training looked at, None for all.
    """
    used = training.features[training.model_features]
    tested = None if evaluation is None else evaluation.out_of_fold["row"]
    longest = str(max(recipe.target.horizons_days))
    facts = {
        "provenance": provenance(
            store, None if until is None else recipe.target.as_of(pd.DatetimeIndex([until + DAY]))[0]
        ),
        "participants": participants(training.tables, training.index),
        "outcomes": outcomes(training.tables, training.index, training.labels, training.onsets, recipe.target),
        "missing": missing_by_outcome(used, training.labels[longest]),
        "case_mix": None if tested is None else case_mix(used, training.labels, training.index, tested),
        "scores_before_cut": scores_before(store, training.data_cut),
        "output": _output(recipe.report),
        "supplied": recipe.supplied.as_json(),
    }
    return replace(bundle, metrics={**bundle.metrics, **facts})


def new_card(store: Store, bundle: Bundle) -> Card:
    """The card of a model that is about to be registered; what else is registered it does not ask."""
    return model_card(Facts(bundle, _kept(bundle), promotions=_plain(promotion.read_log(store.path))))


def card_table(card: Card) -> pd.DataFrame:
    """One row per item, with state, what is reported and source."""
    return pd.DataFrame(
        [
            {
                "item": line.number,
                "topic": line.topic,
                "state": line.state,
                "reported": " ".join(line.answer.sentences),
                "gates": " ".join(f"{gate.outcome}: {gate.sentence}" for gate in line.answer.gates),
                "source": line.answer.source,
            }
            for line in card.lines
        ]
    )


def _output(settings: ReportSettings) -> dict[str, Any]:
    bands = [{"label": band.label, "from_times_base_rate": band.from_times_base_rate} for band in settings.bands]
    alerts = settings.alerts
    return {
        "bands": bands,
        "horizon_days": settings.horizon_days,
        "alerts_most": alerts.most,
        "alerts_per_athletes": alerts.per_athletes,
    }


def card_of(store: Store, version: str, configs: Path | None = None) -> Card:
    """The card of a registered version: its number, its label, "champion" or "challenger".

    `configs` may hold a card.toml to print in place of the words that were kept at training. Raises NotReady where
    there is no such version.
    """
    number = _number(store, version)
    bundle = registry.bundle_of(store.path, number)
    supplied = _kept(bundle) if configs is None else load_supplied(configs)
    made = made_predictions(score_database(store), bundle)
    return model_card(Facts(bundle, supplied, _history(store), _plain(promotion.whole_log(store.path)), made))


def write_card(card: Card, folder: Path) -> WrittenCard:
    """Write `card` into `folder` as HTML and Markdown, over an earlier card of the same version."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{Path(name).stem}-{card.version}{Path(name).suffix}" for name in card_files(card)}
    for name, text in card_files(card).items():
        paths[name].write_text(text, encoding="utf-8", newline="\n")
    return WrittenCard(card, paths[f"{NAME}.html"], paths[f"{NAME}.md"])


def card_files(card: Card) -> dict[str, str]:
    """The card as HTML and as Markdown, by file name."""
    return {f"{NAME}.html": card_html(card), f"{NAME}.md": card_markdown(card)}


def _kept(bundle: Bundle) -> Supplied:
    return supplied_from_json(bundle.metrics.get("supplied", {}), f"{bundle.version}, supplied")


def _number(store: Store, version: str) -> int:
    known = registry.versions(store.path)
    found = [each.version for each in known if version in (*each.aliases, str(each.version), each.label)]
    if not found:
        told = ", ".join(f"{each.version}{_aliases(each.aliases)}" for each in known) or "none; run `strainwatch train`"
        raise NotReady(f"no version {version} is registered. Registered: {told}.")
    return found[0]


def _aliases(names: tuple[str, ...]) -> str:
    return f" ({', '.join(names)})" if names else ""


def _history(store: Store) -> list[Mapping[str, Any]]:
    return [
        {
            "version": each.version,
            "label": each.label,
            "aliases": list(each.aliases),
            "registered_at": each.registered_at.isoformat(),
        }
        for each in registry.versions(store.path)
    ]


def _plain(entries: Sequence[Entry]) -> list[Mapping[str, Any]]:
    return [vars(entry) for entry in entries]
