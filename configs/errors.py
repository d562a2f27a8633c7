"""The errors that a user can cause or mend, one class per exit code.

    StrainwatchError
    ├── WrongArgument   2  an argument says what cannot be meant (as for any wrong command line)
    ├── FileRefused     3  a file could not be read at all, or --strict refused it: nothing came in
    ├── NotReady        5  the store lacks what the command needs (no data, no model, unknown athlete)
    ├── StoreBusy       6  another process holds the store
    ├── ConfigError     7  a file in configs/ is wrong
    ├── IntegrityError  8  a self-check failed (replay, additivity): nothing was written
    ├── SystemRefused   9  any other trouble with a file or folder (rights, a full disk)
    └── DeliveryFailed 11  the mail server refused the report or could not be reached; its files are written

Exit codes 4 (some rows quarantined, the rest came in) and 10 (the gate kept the champion) are outcomes and not
errors; 1 is a defect of Strainwatch itself.
"""

from __future__ import annotations

ROWS_QUARANTINED = 4
CHAMPION_KEPT = 10


class StrainwatchError(Exception):
    """Base of every error that ends with a message and an exit code instead of a traceback."""

    exit_code = 1


class WrongArgument(StrainwatchError):
    exit_code = 2


class FileRefused(StrainwatchError):
    exit_code = 3


class NotReady(StrainwatchError):
    exit_code = 5


class StoreBusy(StrainwatchError):
    exit_code = 6


class ConfigError(StrainwatchError):
    exit_code = 7


class IntegrityError(StrainwatchError):
    exit_code = 8


class SystemRefused(StrainwatchError):
    exit_code = 9


class DeliveryFailed(StrainwatchError):
    exit_code = 11
