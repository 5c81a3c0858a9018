"""A device that makes passkeys and signs with them, for tests without a browser."""

import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

# Who holds the device was there (1) and has shown to be its owner (4); a new key is in it (64).
_PRESENT, _VERIFIED, _HAS_KEY = 1, 4, 64


class Authenticator:
    """As a security key: it counts its uses, where `counts`."""

    def __init__(self, *, host: str, origin: str, counts: bool = True) -> None:
        self.host, self.origin, self.counts = host, origin, counts
        self.uses = 0
        self.id = secrets.token_bytes(32)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def make(self, options: dict[str, Any], *, verified: bool = True) -> str:
        """What a browser answers to `navigator.credentials.create`."""
        numbers = self._key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        data = self._data(_HAS_KEY | self._flags(verified))
        data += bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(public)
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options)
        parts = {"attestationObject": attested, "clientDataJSON": client}
        return self._answer(parts, transports=["usb"])

    def sign(self, options: dict[str, Any], *, verified: bool = True) -> str:
        """What a browser answers to `navigator.credentials.get`."""
        self.uses += self.counts
        data = self._data(self._flags(verified))
        client = self._client("webauthn.get", options)
        signed = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {"authenticatorData": data, "clientDataJSON": client, "signature": signed}
        )

    def _flags(self, verified: bool) -> int:
        return _PRESENT | (_VERIFIED if verified else 0)

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.host.encode()).digest() + struct.pack(">BI", flags, self.uses)

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(said).encode()

    def _answer(self, parts: dict[str, bytes], **more: Any) -> str:
        name = bytes_to_base64url(self.id)
        response = {key: bytes_to_base64url(value) for key, value in parts.items()} | more
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
