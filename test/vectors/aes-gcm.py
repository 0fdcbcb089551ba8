"""Writes aes-gcm.json: apt-get install python3-cryptography; /usr/bin/python3 test/vectors/aes-gcm.py"""

import base64
import hashlib
import json
import pathlib
import secrets

import cryptography
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PLAINTEXTS = {"an empty text": b"", "UTF-8": "pässwörd ✓".encode(), "every byte": bytes(range(256))}
ENCODINGS = {
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64url": lambda data: base64.urlsafe_b64encode(data).decode(),
    "hex": lambda data: data.hex(),
    "raw": lambda data: data.decode("latin-1"),
}
HASHES = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}


def cipher_key(key, master):
    """The master key is a text of the application's own, or for `raw` the base64 of the AES key."""
    if key == "raw":
        return base64.b64decode(master)
    if key == "sha256":
        return hashlib.sha256(master.encode()).digest()
    how = key["hkdf"]
    derive = HKDF(HASHES[how["hash"]](), how["bytes"], how["salt"].encode(), how["info"].encode())
    return derive.derive(master.encode())


def seal(layout, master, plain):
    lengths = dict(part.split() for part in layout["layout"] if " " in part)
    nonce = secrets.token_bytes(int(lengths["nonce"]))
    encryptor = Cipher(
        algorithms.AES(cipher_key(layout["key"], master)), modes.GCM(nonce, min_tag_length=12)
    ).encryptor()
    encryptor.authenticate_additional_data(layout["aad"].encode())
    ciphertext = encryptor.update(plain) + encryptor.finalize()
    parts = {"nonce": nonce, "ciphertext": ciphertext, "tag": encryptor.tag[: int(lengths["tag"])]}
    ordered = [parts[part.split()[0]] for part in layout["layout"]]
    encode = ENCODINGS[layout["encoding"]]
    body = layout["separator"].join(map(encode, ordered)) if layout["separator"] else encode(b"".join(ordered))
    return layout["prefix"] + body


def described(layout, encoding="base64", prefix="", separator="", key="raw", aad=""):
    return dict(layout=layout, encoding=encoding, prefix=prefix, separator=separator, key=key, aad=aad)


def hkdf(hash, salt="", info="", bytes=32):
    return {"hkdf": {"hash": hash, "salt": salt, "info": info, "bytes": bytes}}


USUAL = ["nonce 12", "ciphertext", "tag 16"]
TEXT = "correct horse battery stäple"
LAYOUTS = [
    ("AES-128", base64.b64encode(secrets.token_bytes(16)).decode(), described(USUAL)),
    ("AES-192, tag before", base64.b64encode(secrets.token_bytes(24)).decode(),
     described(["nonce 12", "tag 16", "ciphertext"], "base64url", "enc:v1:")),
    ("AES-256, ciphertext first", base64.b64encode(secrets.token_bytes(32)).decode(),
     described(["ciphertext", "tag 12", "nonce 16"], "hex", aad="secrets of the shop ✓")),
    ("SHA-256 of a text", TEXT, described(["tag 16", "nonce 12", "ciphertext"], "raw", "v1", key="sha256")),
    ("separated", TEXT, described(["nonce 12", "tag 16", "ciphertext"], "hex", "", ":", "sha256")),
    ("separated, with a prefix", TEXT, described(USUAL, "base64", "enc$", ".", "sha256", "a")),
    ("HKDF-SHA-256", TEXT, described(USUAL, key=hkdf("sha256", info="fields"))),
    ("HKDF-SHA-384 with a salt", TEXT, described(USUAL, key=hkdf("sha384", "sält", "fields", 16))),
    ("HKDF-SHA-512, a nonce of 8", TEXT, described(["nonce 8", "ciphertext", "tag 13"], key=hkdf("sha512", "s"))),
]

document = {
    "format": "aes-gcm",
    "made": f"Python cryptography {cryptography.__version__}: modes.GCM, HKDF; plain is base64, and so is a raw key",
    "vectors": [
        {
            "name": f"{name}: {what}",
            "key": master,
            "layout": layout,
            "plain": base64.b64encode(plain).decode(),
            "sealed": seal(layout, master, plain),
        }
        for name, master, layout in LAYOUTS
        for what, plain in PLAINTEXTS.items()
    ],
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(document, indent=2) + "\n")
