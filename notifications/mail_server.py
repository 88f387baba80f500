"""The mail server: as set in the administration, or as in the environment."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parseaddr

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address
from django.utils.translation import gettext as _

from gateway.configuration import sealed
from notifications.models import MailServer

Security = MailServer.Security


class MailServerError(Exception):
    """The server cannot be used; the text says why and is meant for an administrator."""


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int
    security: str
    username: str
    password: str = field(repr=False)


def current() -> Server | None:
    """The server that mails go to; None where they go into files. Raises MailServerError."""
    row = MailServer.objects.first()
    if row is not None:
        return Server(row.host, row.port, row.security, row.username, password_of(row))
    return _of_environment() if settings.MAIL_DELIVERY == "smtp" else None


def _of_environment() -> Server:
    unless_tls = Security.STARTTLS if settings.EMAIL_USE_TLS else Security.NONE
    security = Security.TLS if settings.EMAIL_USE_SSL else unless_tls
    return Server(
        settings.EMAIL_HOST, settings.EMAIL_PORT, security, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD
    )


def sender() -> str:
    row = MailServer.objects.only("sender").first()
    return (row.sender if row else "") or settings.DEFAULT_FROM_EMAIL


def put_password(row: MailServer, password: str) -> None:
    """Seal it into the row, which is then to be saved."""
    row.sealed_password = _cipher().encrypt(password.encode()).decode() if password else ""


def password_of(row: MailServer) -> str:
    if not row.sealed_password:
        return ""
    try:
        return _cipher().decrypt(row.sealed_password.encode()).decode()
    except InvalidToken:
        raise MailServerError(_("The password was sealed with another KEY_ENCRYPTION_KEY. Enter it again.")) from None


def _cipher() -> Fernet:
    return sealed.cipher(settings.KEY_ENCRYPTION_KEY, b"mail server password encryption v1")


def connection_to(server: Server) -> EmailBackend:
    """Not open yet."""
    return EmailBackend(
        host=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        use_tls=server.security == Security.STARTTLS,
        use_ssl=server.security == Security.TLS,
        timeout=settings.EMAIL_TIMEOUT,
    )


def try_out(server: Server, mail: EmailMessage) -> str:
    """Send a mail at once and return what the server answers. Raises MailServerError."""
    backend = connection_to(server)
    try:
        with _in_plain_words(server):
            backend.open()
            assert backend.connection is not None
            return _hand_over(backend.connection, mail)
    finally:
        with suppress(OSError):
            backend.close()


def _hand_over(connection: smtplib.SMTP, mail: EmailMessage) -> str:
    address = parseaddr(sanitize_address(mail.from_email, "utf-8"))[1]
    _expect(connection.mail(address), _("The server refuses the sender %(address)s: %(answer)s"), address)
    for recipient in mail.recipients():
        _expect(connection.rcpt(recipient), _("The server refuses the recipient %(address)s: %(answer)s"), recipient)
    code, answer = connection.data(mail.message().as_bytes())
    _expect((code, answer), _("The server refuses the mail: %(answer)s"), "")
    return _words(code, answer)


def _expect(reply: tuple[int, bytes], problem: str, address: str) -> None:
    code, answer = reply
    if code >= 400:
        raise MailServerError(problem % {"address": address, "answer": _words(code, answer)})


def _words(code: int, answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return f"{code} {' '.join(''.join(sign if sign.isprintable() else ' ' for sign in text).split())}"[:500]


@contextmanager
def _in_plain_words(server: Server) -> Iterator[None]:
    place = {"host": server.host, "port": server.port, "seconds": settings.EMAIL_TIMEOUT}
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        answer = _words(error.smtp_code, error.smtp_error)
        raise MailServerError(_("The server refuses user name or password: %(answer)s") % {"answer": answer}) from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailServerError(
            _("The server does not offer what is asked of it (encryption, sign-in): %(answer)s") % {"answer": error}
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise MailServerError(
            _("The certificate of %(host)s is not trusted: %(answer)s") % {**place, "answer": error.verify_message}
        ) from error
    except ssl.SSLError as error:
        raise MailServerError(
            _("There is no TLS at %(host)s, port %(port)s. Check port and encryption.") % place
        ) from error
    except socket.gaierror as error:
        raise MailServerError(_("There is no host named %(host)s.") % place) from error
    except ConnectionRefusedError as error:
        raise MailServerError(_("Nothing listens at %(host)s, port %(port)s.") % place) from error
    except TimeoutError as error:
        raise MailServerError(
            _("No answer from %(host)s, port %(port)s, within %(seconds)s seconds.") % place
        ) from error
    except (OSError, UnicodeError) as error:
        raise MailServerError(
            _("The talk with %(host)s failed: %(answer)s") % {**place, "answer": str(error)[:300]}
        ) from error
