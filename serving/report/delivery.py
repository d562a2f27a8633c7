"""How the report is mailed: the section [delivery] of report.toml. Without a host nothing is ever sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any, Literal, get_args

from configs import reject_unknown
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
    _check_types(dict(content))
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


_KINDS: Mapping[str, tuple[type, str]] = {
    "host": (str, "a text"),
    "port": (int, "a whole number"),
    "security": (str, "a text"),
    "user": (str, "a text"),
    "from": (str, "a text"),
    "to": (list, "a list of addresses"),
    "attach": (list, "a list of formats"),
    "timeout_s": (int, "a whole number"),
    "ca_file": (str, "a text"),
}


def _check_types(content: dict[str, Any]) -> None:
    reject_unknown(content, set(_KINDS), WHERE)
    for key, (kind, words) in _KINDS.items():
        if key not in content:
            raise ConfigError(f"{WHERE}: missing {key}.")
        if not isinstance(content[key], kind) or isinstance(content[key], bool):
            raise ConfigError(f"{WHERE}: {key} is {content[key]!r}; give {words}.")
    if content["security"] not in get_args(Security):
        raise ConfigError(f"{WHERE}: security is {content['security']!r}; give {' or '.join(get_args(Security))}.")
    unknown = [name for name in content["attach"] if name not in get_args(Attachment)]
    if unknown:
        raise ConfigError(f"{WHERE}: attach has {unknown[0]!r}; give some of {', '.join(get_args(Attachment))}.")
    if not 0 < content["port"] < 65536 or content["timeout_s"] <= 0:
        raise ConfigError(f"{WHERE}: give a port from 1 to 65535 and a timeout_s above 0.")


def _check_addresses(found: Delivery) -> None:
    """A line break in an address would let it write headers of its own."""
    for address in (found.sender, *found.to):
        if not isinstance(address, str) or "@" not in parseaddr(address)[1] or any(c in address for c in "\r\n"):
            raise ConfigError(f"{WHERE}: {address!r} is no mail address, such as physio@club.example.")
    if not found.to:
        raise ConfigError(f"{WHERE}: to is empty; name at least one address.")


def _check_secrecy(found: Delivery) -> None:
    if found.security == "none" and found.host not in HERE:
        raise ConfigError(
            f"{WHERE}: security is 'none' for {found.host}: health data and password would cross the network in the "
            "open. Give starttls or tls; none is for a server on this machine."
        )
