"""Ed25519 signatures with keys as ssh-keygen makes them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError
from edgeq.support.foreign import read_bytes

_ALGORITHM = "ed25519"
_MOST_KEY_BYTES = 1 << 20
_MAKE_KEY = "ssh-keygen -t ed25519 -N '' -f edgeq_key"


def sign_bytes(data: bytes, key: Path) -> dict[str, str]:
    """A signature with the public key that checks it.

    Raises:
        EdgeqError: No such file, a passphrase, or no Ed25519 private key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    raw = _read(key)
    ssh = b"OPENSSH PRIVATE KEY" in raw
    load: Any = serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key
    try:
        private = load(raw, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise EdgeqError(f"the key cannot be used: {error}.", str(key), _MAKE_KEY) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise EdgeqError("this is no Ed25519 key.", str(key), _MAKE_KEY)
    return {
        "algorithm": _ALGORITHM,
        "public_key": _canonical(private.public_key()),
        "value": base64.b64encode(private.sign(data)).decode(),
    }


def verify_bytes(
    data: bytes, signature: Mapping[str, str] | None, trusted: Path | None, where: str
) -> str:
    """The `SHA256:` fingerprint of the key that signed the data.

    Args:
        data: What was signed.
        signature: What `sign_bytes` gave.
        trusted: Public key that must have signed; None accepts any.
        where: What to blame.

    Raises:
        EdgeqError: No signature, a broken one, or another key's.
    """
    from cryptography.exceptions import InvalidSignature

    if signature is None:
        raise EdgeqError("nobody has signed this.", where, "edgeq deploy --sign KEY")
    try:
        public, value = _parts(signature)
        public.verify(value, data)
    except InvalidSignature:
        raise EdgeqError(
            "the signature does not hold: the content was changed after signing.", where
        ) from None
    except (KeyError, ValueError, TypeError, AttributeError):
        raise EdgeqError("the signature is damaged.", where) from None
    if trusted is not None:
        try:
            expected = _public_key(_read(trusted))
        except ValueError as error:
            raise EdgeqError(f"this is no public key: {error}.", str(trusted)) from None
        if expected != public:
            raise EdgeqError("another key has signed this.", where)
    return _fingerprint(signature["public_key"])


def _parts(signature: Mapping[str, str]) -> tuple[Any, bytes]:
    """Key and value; each has one form only, so that nothing can be added to what looks signed.

    Raises:
        ValueError: Something is missing, of another type or form, or stands beside them.
    """
    if dict(signature).keys() != {"algorithm", "public_key", "value"}:
        raise ValueError("other fields")
    if signature["algorithm"] != _ALGORITHM:
        raise ValueError("another algorithm")
    public = _public_key(signature["public_key"].encode())
    value = base64.b64decode(signature["value"], validate=True)
    if _canonical(public) != signature["public_key"]:
        raise ValueError("text beside the key")
    if base64.b64encode(value).decode() != signature["value"]:
        raise ValueError("bits beside the value")
    return public, value


def _public_key(text: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = serialization.load_ssh_public_key(text)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def _canonical(key: Any) -> str:
    """The one text of a public key: type and base64, no comment."""
    from cryptography.hazmat.primitives import serialization

    encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return str(key.public_bytes(encoding, form).decode())


def _fingerprint(public_key: str) -> str:
    """As `ssh-keygen -l` shows it."""
    digest = hashlib.sha256(base64.b64decode(public_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _read(path: Path) -> bytes:
    return read_bytes(path, "key", _MOST_KEY_BYTES)
