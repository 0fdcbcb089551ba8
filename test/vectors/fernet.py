"""Writes fernet.json: apt-get install python3-cryptography; /usr/bin/python3 test/vectors/fernet.py"""

import base64
import json
import pathlib
import secrets

import cryptography
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PLAINTEXTS = {
    "an empty text": b"",
    "one byte": b"x",
    "a whole block": b"sixteen bytes!!!",
    "UTF-8": "pässwörd ✓ 密码".encode(),
    "every byte there is": bytes(range(256)),
    "a long one": secrets.token_bytes(3000),
}
# The inputs of the first vector of https://github.com/fernet/spec (generate.json).
SPEC_KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
SPEC_TIME = 499162800
SPEC_IV = bytes(range(16))


def vector(name, key, plain, token, time):
    return {
        "name": name,
        "key": key,
        "plain": base64.b64encode(plain).decode(),
        "token": token,
        "time": str(time),
    }


def forged(version, iv, sealed, time=SPEC_TIME):
    """A token whose HMAC is right, whatever else is wrong."""
    key = base64.urlsafe_b64decode(SPEC_KEY)
    body = bytes([version]) + time.to_bytes(8, "big") + iv + sealed
    mac = hmac.HMAC(key[:16], hashes.SHA256())
    mac.update(body)
    return base64.urlsafe_b64encode(body + mac.finalize()).decode()


def sealed_block(block):
    encryptor = Cipher(algorithms.AES(base64.urlsafe_b64decode(SPEC_KEY)[16:]), modes.CBC(SPEC_IV)).encryptor()
    return encryptor.update(block) + encryptor.finalize()


good = Fernet(SPEC_KEY)._encrypt_from_parts(b"hello", SPEC_TIME, SPEC_IV).decode()
opened = [vector("the spec's own", SPEC_KEY, b"hello", good, SPEC_TIME)]
for name, plain in PLAINTEXTS.items():
    key = Fernet.generate_key().decode()
    time = 1_700_000_000 + secrets.randbelow(10**8)
    opened.append(vector(name, key, plain, Fernet(key).encrypt_at_time(plain, time).decode(), time))

flipped = bytearray(base64.urlsafe_b64decode(good))
flipped[-1] ^= 1
invalid = {
    "a wrong HMAC": base64.urlsafe_b64encode(flipped).decode(),
    "another version": forged(0x81, SPEC_IV, sealed_block(b"hello" + bytes([11] * 11))),
    "no ciphertext": forged(0x80, SPEC_IV, b""),
    "ciphertext that is no whole block": forged(0x80, SPEC_IV, bytes(15)),
    "a wrong padding under a right HMAC": forged(0x80, SPEC_IV, sealed_block(b"hello" + bytes([12] * 11))),
    "cut short": good[:-4],
    "a line break behind it": good + "\n",
    "the other alphabet": good.replace("-", "+").replace("_", "/"),
}
for name, token in invalid.items():
    try:
        Fernet(SPEC_KEY).decrypt(token.encode())
    except cryptography.fernet.InvalidToken:
        continue
    # Python's decoder is lenient, we are not.
    assert name in ("a line break behind it", "the other alphabet"), name

made = f"Python cryptography {cryptography.__version__}: Fernet.encrypt_at_time; plain is base64, time in seconds"
for file, vectors in (
    ("fernet", opened),
    ("fernet-invalid", [{"name": name, "key": SPEC_KEY, "token": token} for name, token in invalid.items()]),
):
    path = pathlib.Path(__file__).with_name(f"{file}.json")
    path.write_text(json.dumps({"format": "fernet", "made": made, "vectors": vectors}, indent=2) + "\n")
