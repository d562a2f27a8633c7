"""How the report is mailed: the section [delivery] of report.toml. Without a host nothing is ever sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any, Literal, get_args

from configs.checks import TEXT, TEXTS, checked, one_of, some_of, whole
from configs.errors import ConfigError

PASSWORD = "STRAINWATCH_SMTP_PASSWORD"
"""The environment variable that holds the password: never a file, a log or the command line."""
WHERE = "report.toml, [delivery]"
HERE = ("localhost", "127.0.0.1", "::1")

Security = Literal["starttls", "tls", "none"]
Attachment = Literal["html", "pdf", "xlsx", "csv"]


@dataclass(frozen=True)
class Delivery:
    """A mail server and who gets the report. `ca_file` names the certificate of a server with its own authority."""

    host: str
    port: int
    security: Security
    user: str
    sender: str
    to: tuple[str, ...]
    attach: tuple[Attachment, ...]
    timeout_s: float
    ca_file: str

    @property
    def is_set_up(self) -> bool:
        return bool(self.host)


def delivery(content: Mapping[str, Any]) -> Delivery:
    """The section as settings; raises ConfigError with the entry that is wrong."""
    content = checked(content, _ENTRIES, WHERE)
    found = Delivery(
        host=content["host"],
        port=content["port"],
        security=content["security"],
        user=content["user"],
        sender=content["from"],
        to=tuple(content["to"]),
        attach=tuple(content["attach"]),
        timeout_s=float(content["timeout_s"]),
        ca_file=content["ca_file"],
    )
    if found.is_set_up:
        _check_addresses(found)
        _check_secrecy(found)
    return found


_ENTRIES = {
    "host": TEXT,
    "port": whole(1, 65535),
    "security": one_of(*get_args(Security)),
    "user": TEXT,
    "from": TEXT,
    "to": TEXTS,
    "attach": some_of(*get_args(Attachment)),
    "timeout_s": whole(1),
    "ca_file": TEXT,
}


def _check_addresses(found: Delivery) -> None:
    """A line break in an address would let it write headers of its own."""
    for address in (found.sender, *found.to):
        if "@" not in parseaddr(address)[1] or any(c in address for c in "\r\n"):
            raise ConfigError(f"{WHERE}: {address!r} is no mail address, such as physio@club.example.")
    if not found.to:
        raise ConfigError(f"{WHERE}: to is empty; name at least one address.")


def _check_secrecy(found: Delivery) -> None:
    if found.security == "none" and found.host not in HERE:
        raise ConfigError(
            f"{WHERE}: security is 'none' for {found.host}: health data and password would cross the network in the "
            "open. Give starttls or tls; none is for a server on this machine."
        )
