"""A certificate authority that exists for one test, and what it signs."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A certificate authority."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    file: Path
    """Its certificate, PEM."""

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """A new one, its files under `folder`."""
        key, file = ec.generate_private_key(ec.SECP256R1()), folder / "authority.pem"
        made = _certificate("authority", key, key, None, 1)
        file.write_bytes(made.public_bytes(Encoding.PEM))
        return cls(folder, key, file)

    def context(self, host: str = "127.0.0.1", days: int = 1) -> ssl.SSLContext:
        """Of a server at `host`, whose certificate ends in `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate("server", key, self.key, host, days)
        path = self.folder / "server.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(made.public_bytes(Encoding.PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: ec.EllipticCurvePrivateKey,
    host: str | None,
    days: int,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name("authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(9))
        .not_valid_after(now + dt.timedelta(days))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
    )
    if host is not None:
        numeric = host[0].isdigit()
        at = x509.IPAddress(ipaddress.ip_address(host)) if numeric else x509.DNSName(host)
        builder = builder.add_extension(x509.SubjectAlternativeName([at]), critical=False)
    return builder.sign(issuer, SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
