"""Certificates for tests: a CA, its servers and clients, and others that must not be trusted."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

KEY_PASSWORD = b"sesame"


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key, in files of PEM.

    :ivar cert: the certificate.
    :ivar key: the private key, not encrypted.
    """

    cert: Path
    key: Path

    def server_context(self, client_ca: Path | None = None) -> ssl.SSLContext:
        """A context for a server of this identity.

        :param client_ca: whose certificate a client must show; None: a client shows none.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@dataclass(frozen=True)
class Certificates:
    """All of them; the files are in one folder.

    :ivar ca: the certificate of the CA that tests trust.
    :ivar other_ca: the certificate of a CA that nobody trusts.
    :ivar server: for ``localhost``, ``127.0.0.1`` and ``::1``.
    :ivar expired: the same, but expired a day ago.
    :ivar early: the same, but not valid until tomorrow.
    :ivar other_host: of the same CA, for ``elsewhere.test``.
    :ivar unknown: for ``localhost`` and so on, but of the CA that nobody trusts.
    :ivar client: for a client.
    :ivar unknown_client: for a client, of the CA that nobody trusts.
    :ivar encrypted_key: the key of ``client``, encrypted with :data:`KEY_PASSWORD`.
    """

    ca: Path
    other_ca: Path
    server: Identity
    expired: Identity
    early: Identity
    other_host: Identity
    unknown: Identity
    client: Identity
    unknown_client: Identity
    encrypted_key: Path

    def client_context(self, identity: Identity | None = None) -> ssl.SSLContext:
        """A context for a client that trusts the CA.

        :param identity: what it shows to a server that asks; None: nothing.
        """
        context = ssl.create_default_context(cafile=str(self.ca))
        if identity is not None:
            context.load_cert_chain(identity.cert, identity.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Write them into a folder; it takes some tenths of a second."""
    ca, other_ca = trustme.CA(), trustme.CA()
    local = ("localhost", "127.0.0.1", "::1")
    now = datetime.now(UTC)
    day = timedelta(days=1)

    def identity(name: str, issued: trustme.LeafCert) -> Identity:
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        issued.private_key_pem.write_to_path(key)
        for blob in issued.cert_chain_pems:
            blob.write_to_path(cert, append=True)
        return Identity(cert, key)

    ca_file, other_ca_file = folder / "ca.pem", folder / "other_ca.pem"
    ca.cert_pem.write_to_path(ca_file)
    other_ca.cert_pem.write_to_path(other_ca_file)
    client = identity("client", ca.issue_cert("client@example.test"))
    encrypted_key = folder / "client.encrypted.key"
    encrypted_key.write_bytes(_encrypted(client.key.read_bytes()))
    return Certificates(
        ca=ca_file,
        other_ca=other_ca_file,
        server=identity("server", ca.issue_cert(*local)),
        expired=identity(
            "expired", ca.issue_cert(*local, not_before=now - 2 * day, not_after=now - day)
        ),
        early=identity("early", ca.issue_cert(*local, not_before=now + day)),
        other_host=identity("other_host", ca.issue_cert("elsewhere.test")),
        unknown=identity("unknown", other_ca.issue_cert(*local)),
        client=client,
        unknown_client=identity("unknown_client", other_ca.issue_cert("client@example.test")),
        encrypted_key=encrypted_key,
    )


def _encrypted(key: bytes) -> bytes:
    loaded = load_pem_private_key(key, None)
    return loaded.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(KEY_PASSWORD)
    )
