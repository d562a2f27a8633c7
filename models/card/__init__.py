"""The model card: every item of the standards as a value with its source, or NOT MET with the reason.

Nothing here is written for a model in general. A sentence stands in a card because a figure of the bundle, of the store
or of card.toml put it there; what none of them tells is an item that is not met.
"""

from __future__ import annotations

from models.card.assembly import model_card
from models.card.facts import Facts
from models.card.lines import Answer, Card, CardTable, Gate, Line, Section
from models.card.render import card_html, card_markdown
from models.card.supplied import Supplied, load_supplied, supplied_from_json

__all__ = [
    "Answer",
    "Card",
    "CardTable",
    "Facts",
    "Gate",
    "Line",
    "Section",
    "Supplied",
    "card_html",
    "card_markdown",
    "load_supplied",
    "model_card",
    "supplied_from_json",
]
