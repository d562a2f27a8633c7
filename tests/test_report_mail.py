"""The report by mail: what it says, and what happens when a real mail server on this machine takes or refuses it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from configs.errors import ConfigError, DeliveryFailed
from serving.report import WeeklyReport, build_report, load_report_settings
from serving.report.delivery import PASSWORD, Delivery, delivery
from serving.report.mail import Sent, compose, send
from tests.report_fixture import arguments

FULL = {
    "host": "localhost", "port": 25, "security": "none", "user": "", "from": "Strainwatch <sw@club.example>",
    "to": ["physio@club.example", "coach@club.example"], "attach": [], "timeout_s": 5, "ca_file": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def report() -> WeeklyReport:
    return build_report(**arguments(athletes=8))


@pytest.fixture(scope="module")
def message(report: WeeklyReport) -> EmailMessage:
    return compose(report, delivery(FULL), {"csv": ("squad.csv", b"a,b")})


class Box:
    """What a server took; it refuses recipients whose address begins with "gone"."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], EmailMessage]] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("gone"):
            return "550 no such person here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append((list(envelope.rcpt_tos), message_from_bytes(content, policy=policy.default)))
        return "250 taken"


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[Box, Delivery]]:
    box, port = Box(), _free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, **settings)
    controller.start()
    try:
        yield box, replace(delivery(FULL), host="localhost", port=port)
    finally:
        controller.stop()


def test_the_mail_tells_bands_alone_and_percentages_only_where_the_report_does(report: WeeklyReport) -> None:
    settings, flag = report.settings, report.flags[0]
    assert not report.facts.supports_percent(settings.horizon_days, settings.percent_within)
    for kind in ("plain", "html"):
        body = compose(report, delivery(FULL), {}).get_body((kind,))
        assert body is not None
        told = [line for line in body.get_content().splitlines() if "Score: " in line]
        assert len(told) == len(report.flags)
        assert report.told(flag.row, 7).lower() in told[0].lower()
        assert not any("%" in line for line in told)


@pytest.mark.parametrize("words", range(1, 14))
def test_a_subject_of_any_length_arrives_as_it_was_written(report: WeeklyReport, words: int) -> None:
    titled = replace(report, title=" ".join(["Muskel-Übersicht"] * words))
    sent = message_from_bytes(bytes(compose(titled, delivery(FULL), {})), policy=policy.default)
    assert sent["Subject"] == f"{titled.title}, {titled.week}"


def test_the_mail_says_what_the_first_page_says(report: WeeklyReport, message: EmailMessage) -> None:
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    for part in (text.get_content(), html.get_content().replace("&#39;", "'")):
        for flag in report.flags:
            assert f"{flag.row.name}: {flag.row.band.label}" in part
            assert flag.sentence in part.replace("\n", " ")
            assert all(check.prompt in part for check in flag.checks)
            assert flag.row.confidence.beside_note in part
            told = [flag.row.silent, flag.row.returned, *flag.injuries, *flag.fixed]
            assert all(words.lower() in part.lower() for words in told)
        assert "Decision support, not diagnosis" in part
        assert all(f"{item.name}: {item.reason}" in part for item in report.not_scored)


def test_the_mail_names_week_sender_recipients_language_and_attachments(
    report: WeeklyReport, message: EmailMessage
) -> None:
    assert message["Subject"] == f"{report.title}, {report.week}"
    assert (message["From"], message["To"]) == (FULL["from"], "physio@club.example, coach@club.example")
    assert message["Content-Language"] == "en"
    assert message["Message-ID"].endswith("@club.example>")
    assert [part.get_filename() for part in message.iter_attachments()] == ["squad.csv"]


def test_a_german_mail_is_german_from_its_subject_on() -> None:
    given = arguments(athletes=8)
    german = build_report(**{**given, "settings": replace(given["settings"], language="de")})
    written = compose(german, delivery(FULL), {})
    assert written["Subject"] == "Risiko einer Hamstring-Verletzung: Wochenbericht, KW 23, 2.–8. Juni 2025"
    body = written.get_body(("plain",))
    assert body is not None
    assert "Wer diese Woche Aufmerksamkeit braucht" in body.get_content()


def test_a_server_gets_the_mail_as_it_was_written(message: EmailMessage) -> None:
    with serving() as (box, settings):
        assert send(message, settings) == Sent(2, {})
    ((recipients, received),) = box.taken
    assert recipients == ["physio@club.example", "coach@club.example"]
    assert received["Subject"] == message["Subject"]
    kinds = [part.get_content_type() for part in received.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/csv"]


def test_a_refused_recipient_is_named_and_the_others_have_the_mail(message: EmailMessage) -> None:
    del (mixed := _copy(message))["To"]
    mixed["To"] = "physio@club.example, gone@club.example"
    with serving() as (box, settings):
        sent = send(mixed, replace(settings, to=("physio@club.example", "gone@club.example")))
    assert sent == Sent(1, {"gone@club.example": "550 no such person here"})
    assert box.taken[0][0] == ["physio@club.example"]


def test_a_mail_that_nobody_gets_has_failed(message: EmailMessage) -> None:
    del (lost := _copy(message))["To"]
    lost["To"] = "gone@club.example"
    with serving() as (box, settings), pytest.raises(DeliveryFailed, match=r"gone@club\.example: 550 no such person"):
        send(lost, replace(settings, to=("gone@club.example",)))
    assert box.taken == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_mail_crosses_the_network_encrypted(security: Any, message: EmailMessage, tmp_path: Path) -> None:
    authority, context = _certified("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with _secured(security, context) as (box, settings):
        trusting = replace(settings, security=security, ca_file=str(tmp_path / "ca.pem"))
        assert send(message, trusting) == Sent(2, {})
        with pytest.raises(DeliveryFailed, match=r"no safe connection .*ca_file"):
            send(message, replace(trusting, ca_file=""))
    assert len(box.taken) == 1


def test_a_server_of_another_name_gets_nothing(message: EmailMessage, tmp_path: Path) -> None:
    authority, context = _certified("elsewhere.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with _secured("starttls", context) as (box, settings), pytest.raises(DeliveryFailed, match="no safe connection"):
        send(message, replace(settings, security="starttls", ca_file=str(tmp_path / "ca.pem")))
    assert box.taken == []


def test_the_password_comes_from_the_environment_and_a_wrong_one_is_told_without_it(
    message: EmailMessage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = _certified("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    login = {"authenticator": _authenticate, "auth_required": True}
    with _secured("starttls", context, **login) as (box, settings):
        own = replace(settings, security="starttls", ca_file=str(tmp_path / "ca.pem"), user="club")
        with pytest.raises(ConfigError, match=f"{PASSWORD} is empty"):
            send(message, own)
        monkeypatch.setenv(PASSWORD, "wrong-secret")
        with pytest.raises(DeliveryFailed, match="refused the user or the password") as refused:
            send(message, own)
        monkeypatch.setenv(PASSWORD, "right-secret")
        assert send(message, own) == Sent(2, {})
    assert "secret" not in str(refused.value)
    assert len(box.taken) == 1


def test_a_server_that_is_not_there_is_named_with_what_to_check(message: EmailMessage) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        nowhere = replace(delivery(FULL), host="127.0.0.1", port=held.getsockname()[1])
        with pytest.raises(DeliveryFailed, match=r"mail server 127.0.0.1:\d+: cannot be reached .*Check host and port"):
            send(message, nowhere)


def test_a_server_that_never_answers_is_given_up(message: EmailMessage) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        silent = replace(delivery(FULL), host="127.0.0.1", port=mute.getsockname()[1], timeout_s=0.2)
        with pytest.raises(DeliveryFailed, match="timed out"):
            send(message, silent)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("port", 0, "port is 0; give a whole number from 1 to 65535"),
        ("security", "ssl", "security is 'ssl'; give starttls or tls or none"),
        ("security", "none", "in the open"),
        ("from", "nobody", "'nobody' is no mail address"),
        ("to", [], "to is empty"),
        ("to", ["a@b.example\r\nBcc: x@y.example"], "is no mail address"),
        ("attach", ["docx"], r"attach is \['docx'\]; give a list of some of html, pdf, xlsx, csv"),
        ("timeout_s", "5", "timeout_s is '5'; give a whole number"),
        ("hots", "x", "unknown hots"),
    ],
)
def test_a_wrong_setting_of_delivery_is_named(key: str, value: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        delivery({**FULL, "host": "mail.club.example", "security": "tls", key: value})


def test_as_shipped_nothing_is_set_up_and_a_mail_can_still_be_looked_at(report: WeeklyReport) -> None:
    shipped = load_report_settings().delivery
    assert not shipped.is_set_up
    written = compose(report, shipped, {})
    assert (written["From"], written["To"]) == (None, None)
    assert written["Subject"] == f"{report.title}, {report.week}"


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _copy(message: EmailMessage) -> EmailMessage:
    found = message_from_bytes(bytes(message), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def _certified(name: str) -> tuple[trustme.CA, ssl.SSLContext]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return authority, context


@contextmanager
def _secured(security: str, context: ssl.SSLContext, **settings: Any) -> Iterator[tuple[Box, Delivery]]:
    if security == "tls":
        with serving(ssl_context=context, **settings) as found:
            yield found
    else:
        with serving(tls_context=context, require_starttls=True, **settings) as found:
            yield found


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"club", b"right-secret")
    return AuthResult(success=right, handled=False)
