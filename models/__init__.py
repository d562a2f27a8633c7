"""Learning, judging, explaining and keeping models.

`from models import fit, predict` gives what a notebook needs; a name is loaded when it is first asked for, so that
`import models` costs nothing and a command waits only for the libraries that it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.card import Facts, card_html, card_markdown, model_card
    from models.estimator import load_settings
    from models.evaluation import evaluate
    from models.leaks import battery
    from models.notebook import explanations, fit, interactions, predict, register, shap_explanation
    from models.registry import bundle_of, champion, versions

_HOME = {
    "Facts": "card",
    "battery": "leaks",
    "bundle_of": "registry",
    "card_html": "card",
    "card_markdown": "card",
    "champion": "registry",
    "evaluate": "evaluation",
    "explanations": "notebook",
    "fit": "notebook",
    "interactions": "notebook",
    "load_settings": "estimator",
    "model_card": "card",
    "predict": "notebook",
    "register": "notebook",
    "shap_explanation": "notebook",
    "versions": "registry",
}
"""The module of each exported name."""

__all__ = [
    "Facts",
    "battery",
    "bundle_of",
    "card_html",
    "card_markdown",
    "champion",
    "evaluate",
    "explanations",
    "fit",
    "interactions",
    "load_settings",
    "model_card",
    "predict",
    "register",
    "shap_explanation",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"models has no {name!r}. It exports {', '.join(__all__)}.")
    return getattr(import_module(f"models.{_HOME[name]}"), name)
