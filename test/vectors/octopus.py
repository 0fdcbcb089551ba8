"""Writes octopus.json with openssl's command line: python3 test/vectors/octopus.py (any Python 3, openssl in PATH)."""

import base64
import json
import pathlib
import secrets
import subprocess

PLAINTEXTS = {
    "an empty text": b"",
    "one byte": b"x",
    "a byte short of a block": b"fifteen bytes!!",
    "a whole block": b"sixteen bytes!!!",
    "UTF-8": "pässwörd ✓ 密码".encode(),
    "every byte there is": bytes(range(256)),
    "a certificate's length": secrets.token_bytes(2500),
}


def vector(name, plain, key):
    iv = secrets.token_bytes(16)
    cipher = f"-aes-{len(key) * 8}-cbc"
    command = ["openssl", "enc", cipher, "-K", key.hex(), "-iv", iv.hex()]
    sealed = subprocess.run(command, input=plain, capture_output=True, check=True).stdout
    return {
        "name": f"{name}, key of {len(key)}",
        "key": base64.b64encode(key).decode(),
        "plain": base64.b64encode(plain).decode(),
        "text": f"{base64.b64encode(sealed).decode()}|{base64.b64encode(iv).decode()}",
        "stream": base64.b64encode(iv + sealed).decode(),
    }


version = subprocess.run(["openssl", "version"], capture_output=True, check=True, text=True).stdout.split()
document = {
    "format": "octopus",
    "made": f"openssl {version[1]}: enc -aes-*-cbc -K -iv; key, plain and stream are base64",
    "vectors": [
        vector(name, plain, key)
        for key in (secrets.token_bytes(16), secrets.token_bytes(32))
        for name, plain in PLAINTEXTS.items()
    ],
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(document, indent=2) + "\n")
