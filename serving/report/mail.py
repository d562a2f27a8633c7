"""The report as a mail: a short version in text and HTML, files attached as settings say, sent by SMTP."""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr

import pandas as pd

from configs.errors import ConfigError, DeliveryFailed
from serving.report.content import WeeklyReport
from serving.report.delivery import PASSWORD, WHERE, Delivery
from serving.report.language import speaking
from serving.report.render import environment

LINES = policy.default.clone(max_line_length=400)
"""Longer than any title: folded before a word with an en dash or an umlaut, a subject would show two spaces there."""

TYPES = {
    "html": ("text", "html"),
    "pdf": ("application", "pdf"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "csv": ("text", "csv"),
}


@dataclass(frozen=True)
class Sent:
    """How many recipients the server took the message for, and the refused ones with its reason."""

    accepted: int
    refused: Mapping[str, str]


def compose(report: WeeklyReport, delivery: Delivery, files: Mapping[str, tuple[str, bytes]]) -> EmailMessage:
    """The message. `files` are the attachments by format: name and content."""
    with speaking(report.settings.language, report.settings.own_words):
        text = environment().get_template("mail.txt.j2").render(report=report)
        html = environment().get_template("mail.html.j2").render(report=report)
        subject = f"{report.title}, {report.week}"
    message = EmailMessage(policy=LINES)
    message["Subject"] = subject
    if delivery.is_set_up:  # a dry run needs no server
        message["From"], message["To"] = delivery.sender, ", ".join(delivery.to)
    message["Date"] = format_datetime(pd.Timestamp.now("UTC").to_pydatetime())
    message["Message-ID"] = make_msgid("strainwatch", parseaddr(delivery.sender)[1].rpartition("@")[2] or None)
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    for kind, (name, content) in files.items():
        main, sub = TYPES[kind]
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    message["Content-Language"] = report.settings.language.replace("_", "-")
    return message


def send(message: EmailMessage, delivery: Delivery) -> Sent:
    """Hand the message to the server; raises DeliveryFailed where it took it for nobody or could not be reached.

    The password comes from the environment variable STRAINWATCH_SMTP_PASSWORD.
    """
    where = f"mail server {delivery.host}:{delivery.port}"
    try:
        with _connected(delivery) as server:
            if delivery.user:
                server.login(delivery.user, _password())
            refused = server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        raise DeliveryFailed(
            f"{where}: refused every recipient: {_reasons(error.recipients)}. Nothing was sent."
        ) from error
    except smtplib.SMTPAuthenticationError as error:
        raise DeliveryFailed(
            f"{where}: refused the user or the password ({error.smtp_code}). Check {WHERE} and {PASSWORD}."
        ) from error
    except smtplib.SMTPException as error:
        raise DeliveryFailed(f"{where}: {error}. Nothing was sent; check {WHERE}.") from error
    except ssl.SSLError as error:
        raise DeliveryFailed(
            f"{where}: no safe connection ({error.reason or error}). Check security and ca_file in {WHERE}."
        ) from error
    except OSError as error:
        raise DeliveryFailed(
            f"{where}: cannot be reached ({error.strerror or error}). Check host and port in {WHERE}."
        ) from error
    return Sent(len(delivery.to) - len(refused), {address: _reason(answer) for address, answer in refused.items()})


def _connected(delivery: Delivery) -> smtplib.SMTP:
    """A connection, encrypted as the settings say, its certificate checked."""
    trusted = _trusted(delivery)
    if delivery.security == "tls":
        return smtplib.SMTP_SSL(delivery.host, delivery.port, timeout=delivery.timeout_s, context=trusted)
    server = smtplib.SMTP(delivery.host, delivery.port, timeout=delivery.timeout_s)
    if delivery.security == "starttls":
        try:
            server.starttls(context=trusted)
        except Exception:
            server.close()
            raise
    return server


def _trusted(delivery: Delivery) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=delivery.ca_file or None)
    except OSError as error:
        raise ConfigError(f"{WHERE}: ca_file {delivery.ca_file!r} cannot be read as certificates: {error}.") from error


def _password() -> str:
    found = os.environ.get(PASSWORD)
    if not found:
        raise ConfigError(f"{WHERE}: user is given, but the environment variable {PASSWORD} is empty. Set it.")
    return found


def _reasons(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{address}: {_reason(answer)}" for address, answer in refused.items())


def _reason(answer: tuple[int, bytes]) -> str:
    code, text = answer
    return f"{code} {text.decode(errors='replace')}"
