"""The certificate that HTTPS is served with: whether it is one, and by what name it is known."""

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from launch.errors import LaunchError


def certified_name(cert_file: Path, key_file: Path) -> str | None:
    """The name or address that the certificate was made for; of several names the first.

    None where it has none but wildcards. Raises `LaunchError` when the two files are not a
    certificate and its key.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            cert_file,
            key_file,
            password="",  # asks nobody: servers start without a terminal
        )
        certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    except (OSError, ValueError) as error:
        raise LaunchError(
            f"TLS_CERT_FILE, TLS_KEY_FILE: not a certificate and its own key, unencrypted, in PEM: "
            f"{cert_file}, {key_file}"
        ) from error
    names = [name for name in _names(certificate) if "*" not in name]
    return names[0] if names else None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(attribute.value) for attribute in common]
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    return [
        *alternatives.get_values_for_type(x509.DNSName),
        *(f"[{a}]" if a.version == 6 else str(a) for a in addresses),
    ]
