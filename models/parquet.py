"""Reading the Parquet files that Strainwatch wrote itself: what is gone or damaged is told, not a defect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException

from configs.errors import IntegrityError


def read_own(path: Path, advice: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of a file of ours. Raises IntegrityError, whose message ends in `advice`, if it is gone or damaged."""
    try:
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except PermissionError:
        raise
    except (OSError, ValueError, ArrowException) as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
        raise IntegrityError(f"{path}: {reason}. {advice}") from error
