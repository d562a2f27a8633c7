"""What a user may have meant by a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from configs.errors import NotReady, WrongArgument

MOST_CLOSE = 5
"""So many known names are offered instead of an unknown one."""


def one_of(found: str, known: Sequence[str], kind: str, advice: str) -> str:
    """`found` if it is known. Raises WrongArgument with the known names that look like it."""
    if found in known:
        return found
    raise WrongArgument(f"no {kind} is called '{found}'.{close_to(found, known)} {advice}")


def athlete_of(found: str, known: Collection[str], where: str) -> str:
    """`found` if it is among `known`, the ids of athletes; `where` says of whom, such as "in this store".

    Raises NotReady with the ids that look like it, and where ids are found.
    """
    if found in known:
        return found
    ids = sorted(known)
    alike = close_to(found, ids) or (f" Ids look like {', '.join(ids[:3])}." if ids else "")
    raise NotReady(f"no athlete is called '{found}' {where}.{alike} A report without --names shows everybody's id.")


def close_to(found: str, known: Sequence[str]) -> str:
    """A sentence with those of `known` that hold `found` or look like it; "" if none does."""
    by_lower = {name.lower(): name for name in known}
    holding = [name for lower, name in by_lower.items() if found and found.lower() in lower]
    near = difflib.get_close_matches(found.lower(), list(by_lower), n=MOST_CLOSE)
    alike = holding[:MOST_CLOSE] or [by_lower[lower] for lower in near]
    return f" Close: {', '.join(alike)}." if alike else ""
