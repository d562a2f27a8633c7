"""What else could learn: alternatives to the default model behind the same interface, by name.

    LEARNERS   other models (elastic net, trees alone, both blended, discrete-time hazard, boosted Cox, explainable
               boosting machine) and the default with other calibrations
    chosen     what `strainwatch evaluate --learners` asks for

They are fitted inside each fold, calibrated on athletes that they had not learnt from, and the same seed gives the same
model. None of them can be promoted: docs/learners.md says why the default is what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from configs.errors import WrongArgument
from models.learner import Learner
from models.learners.blend import Blend
from models.learners.cox import BoostedCox
from models.learners.elastic_net import ElasticNet
from models.learners.explainable_boosting import INSTALL, LIBRARY, ExplainableBoosting
from models.learners.hazard import DiscreteHazard
from models.learners.recalibrated import Recalibrated
from models.learners.trees_alone import TreesAlone

EVERY = "all"

LEARNERS: Mapping[str, Learner] = {
    each.name: each
    for each in (
        ElasticNet(),
        TreesAlone(),
        Blend(),
        DiscreteHazard(),
        BoostedCox(),
        ExplainableBoosting(),
        Recalibrated("beta", "default, beta"),
        Recalibrated("isotonic", "default, isotonic"),
        Recalibrated("venn_abers", "default, Venn-Abers"),
    )
}


def chosen(names: str) -> tuple[Learner, ...]:
    """The learners of a comma-separated list; `all` gives every one whose library is installed.

    WrongArgument for an unknown name, and for one that was named although its library is absent.
    """
    if names == EVERY:
        return tuple(each for name, each in LEARNERS.items() if name not in not_installed())
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in LEARNERS]:
        raise WrongArgument(f"--learners {', '.join(unknown)}: not known. Give {EVERY}, or some of {_listed()}.")
    if absent := [name for name in wanted if name in not_installed()]:
        raise WrongArgument(f"--learners {', '.join(absent)}: {INSTALL}")
    return tuple(LEARNERS[name] for name in dict.fromkeys(wanted))


def not_installed() -> tuple[str, ...]:
    """Names of the learners whose optional library is absent."""
    return () if find_spec(LIBRARY) else (ExplainableBoosting().name,)


def _listed() -> str:
    return ", ".join(LEARNERS)
