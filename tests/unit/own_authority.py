"""A company's own authority, and servers whose certificates it signs."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from serving import serving

from shirabe.ports import LOOPBACK

DAY = timedelta(days=1)


@dataclass
class Authority:
    """A company's own authority, whose certificate lies in a file."""

    folder: Path
    name: str = "private"

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)])
        self.file = self.folder / f"{self.name}.pem"
        self.file.write_bytes(self._signed(self.subject, self.key, 1, is_authority=True))

    def server(self, address: str = LOOPBACK, *, days_left: int = 1) -> ssl.SSLContext:
        """Return how a server shows a certificate for an address."""
        key, file = ec.generate_private_key(ec.SECP256R1()), self.folder / "server.pem"
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        secret = key.private_bytes(serialization.Encoding.PEM, kind, plain)
        file.write_bytes(secret + self._signed(name, key, days_left, address=address))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        days_left: int,
        *,
        is_authority: bool = False,
        address: str = LOOPBACK,
    ) -> bytes:
        now, digest = datetime.now(UTC), x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        signs = x509.KeyUsage(True, False, False, False, False, is_authority, is_authority, False, False)
        builder = (
            x509.CertificateBuilder(self.subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - 90 * DAY)
            .not_valid_after(now + days_left * DAY)
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(signs, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(digest, critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve on a free port, and give `HOST:PORT`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with serving(app, tls) as at:
        yield at
