"""A real mail server for tests: dovecot for IMAP, and an SMTP submission server that delivers into it by LMTP.

Mail to addresses of `example.org` lands in the mailbox of that user; mail to anywhere else is remembered in `left`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email
import imaplib
import ipaddress
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_ports, is_free

DOMAIN = "example.org"
WITHIN_S = 120.0
#: Not on everybody's PATH.
DOVECOT = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
HOST = "127.0.0.1"

CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_format = %Ln
default_login_user = {login_user}
default_internal_user = {internal_user}
mail_max_userip_connections = 100
first_valid_uid = 0
first_valid_gid = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {dir}/users/%n
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {dir}/users/%n
  default_fields = uid={mail_user} gid={mail_group} home={dir}/mail/%n
}}
mail_location = maildir:{dir}/mail/%n
mail_plugins = quota
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage=1G
}}
namespace inbox {{
  inbox = yes
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Archive {{
    auto = subscribe
    special_use = \\Archive
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
}}
service imap-login {{
  {chroot}
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service anvil {{
  {chroot}
  # after a wrong password it would make whoever comes from the same address wait
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"""


def why_missing() -> str | None:
    """Why there can be no such server here; None where there can."""
    if DOVECOT is None:
        return "dovecot is not installed (Debian: dovecot-imapd dovecot-lmtpd)"
    said = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, timeout=10).stdout
    return None if said.startswith("2.3.") else f"dovecot {said.strip()} has another configuration than 2.3"


@dataclass(frozen=True)
class Accepted:
    """A mail that the SMTP server took, as it was given.

    Attributes:
        sender: Of the envelope.
        recipients: Of the envelope, Bcc among them.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message_id(self) -> str:
        return str(email.message_from_bytes(self.content)["message-id"])


@dataclass
class Behaviour:
    """How the SMTP server behaves; `MailServer.behave` sets it for a while.

    Attributes:
        sender: Its answer to any sender instead of taking it.
        refuse: Recipients that it does not take, with its answer.
        data: Its answer to a mail instead of taking it.
        silent: It takes the mail and never says so; as long as this is not set.
    """

    sender: str | None = None
    refuse: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    silent: threading.Event | None = None


class _Handler:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
        self, smtp: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (answer := self._server.behaviour.sender) is not None:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, smtp: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (answer := self._server.behaviour.refuse.get(address)) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        behaviour = self._server.behaviour
        if behaviour.data is not None:
            return behaviour.data
        answer = await asyncio.to_thread(self._server.take, envelope)
        if behaviour.silent is not None:
            await asyncio.to_thread(behaviour.silent.wait, 60)
        return answer


class _WithinTls(Controller):
    """Speaks TLS from the first byte, which aiosmtpd does not count as TLS where it asks for it before AUTH."""

    def factory(self) -> SMTP:
        made = super().factory()
        made._auth_require_tls = False
        return made


class MailServer:
    """Both servers on ports of their own.

    Attributes:
        imaps, imap: Ports; the second one speaks STARTTLS, and plain text too.
        smtps, smtp: Ports; the second one demands STARTTLS.
        ca_file: The authority that certifies both, for MAIL_CA_FILE.
        accepted: What the SMTP server took, in that order.
    """

    host = HOST
    password = "secret"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.imaps, self.imap, self.lmtp, self.smtps, self.smtp = free_ports(5)
        self.ca_file = folder / "ca.pem"
        self.accepted: list[Accepted] = []
        self.behaviour = Behaviour()
        self._passwords: dict[str, str] = {}
        self._fields: dict[str, str] = {}
        self._dovecot: subprocess.Popen[bytes] | None = None
        self._controllers: list[Controller] = []
        self._lock = threading.Lock()

    # --- what tests ask for

    def user(self, name: str, *, quota: str | None = None) -> str:
        """A mailbox that is new and empty; returns its address.

        Args:
            name: Unlike that of any other test.
            quota: A dovecot quota rule, such as `*:messages=1`.
        """
        assert name not in self._passwords, "each test has users of its own"
        self._fields[name] = f"userdb_quota_rule={quota}" if quota else ""
        self._write_user(name, self.password)
        return f"{name}@{DOMAIN}"

    def account(self, address: str, **more: Any) -> dict[str, Any]:
        """Credentials for the kind of connection `imap`."""
        return {
            "address": address,
            "password": self._passwords[address.partition("@")[0]],
            "imap_host": HOST,
            "imap_port": self.imaps,
            "smtp_host": HOST,
            "smtp_port": self.smtps,
            **more,
        }

    def change_password(self, address: str, password: str) -> None:
        """Both servers take only the new one from now on; dovecot looks at its files once a second."""
        name = address.partition("@")[0]
        self._write_user(name, password)
        _until(lambda: self._takes(name, password), "dovecot knows the new password")

    def deliver(self, address: str, content: bytes) -> None:
        """Put a mail into an inbox, as if it had come from outside."""
        with smtplib.LMTP(HOST, self.lmtp) as lmtp:
            lmtp.sendmail("outside@example.net", [address], content)

    def sent(self, message_id: str) -> list[Accepted]:
        """How often the SMTP server took a mail of that Message-ID: once is right."""
        return [one for one in self.accepted if one.message_id == message_id]

    @contextmanager
    def behave(self, behaviour: Behaviour) -> Iterator[None]:
        """Have the SMTP server behave badly for a while."""
        self.behaviour = behaviour
        try:
            yield
        finally:
            self.behaviour = Behaviour()
            if behaviour.silent is not None:
                behaviour.silent.set()

    def restart(self) -> None:
        """Kill dovecot and start it again; every connection to it is lost."""
        self._kill_dovecot()
        self._start_dovecot()

    # --- life

    def start(self) -> None:
        self._folder.chmod(0o755)
        (self._folder / "mail").mkdir()
        (self._folder / "users").mkdir()
        _make_certificates(self._folder)
        owner = _owner()
        shutil.chown(self._folder / "mail", owner["mail_user"], owner["mail_group"])
        ports = {"imap": self.imap, "imaps": self.imaps, "lmtp": self.lmtp}
        (self._folder / "dovecot.conf").write_text(CONFIG.format(dir=self._folder, **owner, **ports))
        self._start_dovecot()
        self._start_smtp()

    def stop(self) -> None:
        for controller in self._controllers:
            controller.stop(no_assert=True)
        self._stop_dovecot()

    def take(self, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        with self._lock:
            self.accepted.append(Accepted(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        ours = [one for one in envelope.rcpt_tos if one.endswith(f"@{DOMAIN}")]
        if ours:
            with smtplib.LMTP(HOST, self.lmtp) as lmtp:
                lmtp.sendmail(envelope.mail_from or "", ours, content)
        return "250 2.0.0 taken"

    def _start_smtp(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "cert.pem", self._folder / "key.pem")
        common: dict[str, Any] = {
            "hostname": HOST,
            "authenticator": self._authenticate,
            "auth_required": True,
            "enable_SMTPUTF8": True,
            "decode_data": False,
            "data_size_limit": 40 * 1024 * 1024,
        }
        plain = Controller(_Handler(self), port=self.smtp, tls_context=context, require_starttls=True, **common)
        tls = _WithinTls(_Handler(self), port=self.smtps, ssl_context=context, **common)
        for controller in (plain, tls):
            controller.start()
            self._controllers.append(controller)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        name = data.login.decode().partition("@")[0] if isinstance(data, LoginPassword) else ""
        good = isinstance(data, LoginPassword) and self._passwords.get(name) == data.password.decode()
        return AuthResult(success=good, handled=False)  # handled=True would leave a bad login unanswered

    def _write_user(self, name: str, password: str) -> None:
        """A file for each, since dovecot reads one anew only where it looks changed after a second."""
        self._passwords[name] = password
        path = self._folder / "users" / f"{name}.new"
        path.write_text(f"{name}:{{PLAIN}}{password}::::::{self._fields[name]}\n")
        path.chmod(0o644)
        path.replace(self._folder / "users" / name)

    def _takes(self, name: str, password: str) -> bool:
        with imaplib.IMAP4(HOST, self.imap) as client, contextlib.suppress(imaplib.IMAP4.error):
            client.login(name, password)
            return True
        return False

    def _start_dovecot(self) -> None:
        assert DOVECOT is not None
        command = [DOVECOT, "-F", "-c", str(self._folder / "dovecot.conf")]
        with (self._folder / "start.log").open("ab") as log:
            self._dovecot = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        for port in (self.imap, self.imaps, self.lmtp):
            self._await_greeting(port)

    def _await_greeting(self, port: int) -> None:
        def greets() -> bool:
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1) as probe:
                return port == self.imaps or bool(probe.recv(1))
            return False

        try:
            _until(greets, "dovecot answers")
        except TimeoutError as error:
            raise RuntimeError(f"dovecot did not start: {self.log()[-2000:]}") from error

    def _stop_dovecot(self) -> None:
        if self._dovecot is None:
            return
        self._dovecot.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._dovecot.wait(10)
        self._kill_dovecot()

    def _kill_dovecot(self) -> None:
        """All of it; asked to end, it lets open conversations go on. Its parts hold its ports until they are gone."""
        assert self._dovecot is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._dovecot.pid, signal.SIGKILL)
        self._dovecot.wait(10)
        self._dovecot = None
        _until(lambda: all(map(is_free, (self.imap, self.imaps, self.lmtp))), "the ports of dovecot are free again")

    def log(self) -> str:
        """What dovecot had to say."""
        found = [self._folder / "start.log", self._folder / "dovecot.log"]
        return "\n".join(path.read_text() for path in found if path.exists())


@contextmanager
def running() -> Iterator[MailServer]:
    """A server in a folder that dovecot's own users can reach, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="mail-", ignore_cleanup_errors=True) as folder:
        server = MailServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _until(reached: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WITHIN_S
    while not reached():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.02)


def _owner() -> dict[str, str]:
    """Root gives each part to a user of its own; anybody else runs all of it."""
    if os.geteuid() == 0:
        return {
            "login_user": "dovenull",
            "internal_user": "dovecot",
            "mail_user": "nobody",
            "mail_group": "nogroup",
            "chroot": "",
        }
    import grp
    import pwd

    me, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    return {"login_user": me, "internal_user": me, "mail_user": me, "mail_group": group, "chroot": "chroot ="}


def _make_certificates(folder: Path) -> None:
    """An authority, and a certificate of it for this machine."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = dt.datetime.now(dt.UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

    def certificate(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=2))
        )

    signer = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    of_authority = (
        certificate(authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(signer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    # not `localhost`: a name that it is not good for
    names: list[x509.GeneralName] = [
        x509.DNSName("mail.example.org"),
        x509.IPAddress(ipaddress.ip_address(HOST)),
    ]
    of_server = (
        certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.org")]), key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(of_authority.public_bytes(pem))
    (folder / "cert.pem").write_bytes(of_server.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "key.pem").chmod(0o600)
