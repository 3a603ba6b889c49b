"""Writes src/privacy/testdata/masking-vectors.json: keys, seeds, masks, sealed shares and Shamir shares for secure
aggregation, made by Python's `cryptography` and by plain arithmetic, from the description in
src/privacy/secure-aggregation alone.

    python -m venv oracle && oracle/bin/pip install cryptography
    oracle/bin/python bench/oracle/masking_vectors.py src/privacy/testdata/masking-vectors.json
    npx biome format --write src/privacy/testdata/masking-vectors.json
"""
import hashlib
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

STUDY = hashlib.sha256(b"a study").hexdigest()
ROSTER = hashlib.sha256(b"a roster").hexdigest()
CONTEXT = {"studyHash": STUDY, "rosterSha256": ROSTER, "round": 7, "attempt": 2, "threshold": 2, "sites": ["alpha", "beta", "gamma"]}


def secret(name):
    return hashlib.sha256(name.encode()).digest()


def public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def agree(private, peer):
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(peer))


def bound(purpose, about):
    bind = {key: CONTEXT[key] for key in ("studyHash", "rosterSha256", "round", "attempt", "threshold")}
    record = {**about, **bind, "protocol": "consilium.v1.masking", "purpose": purpose}
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def expand(key, info):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=bytes.fromhex(STUDY), info=info).derive(key)


def keystream(seed, length):
    return Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor().update(bytes(length))


def multiply(a, b):
    """In GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def shamir(value, points, coefficients):
    shares = []
    for x in points:
        y = bytearray()
        for i, byte in enumerate(value):
            total, power = byte, 1
            for row in coefficients:
                power = multiply(power, x)
                total ^= multiply(row[i], power)
            y.append(total)
        shares.append((bytes(y) + bytes([x])).hex())
    return shares


mask = {site: secret("mask " + site) for site in CONTEXT["sites"]}
share = {site: secret("share " + site) for site in CONTEXT["sites"]}
own = {site: secret("self " + site) for site in CONTEXT["sites"]}

pairs = []
for a, b in [("alpha", "beta"), ("alpha", "gamma"), ("beta", "gamma")]:
    info = bound("pair mask", {"sites": [a, b], "keys": [public(mask[a]).hex(), public(mask[b]).hex()]})
    seed = expand(agree(mask[a], public(mask[b])), info)
    pairs.append({"sites": [a, b], "seed": seed.hex(), "keystream": keystream(seed, 80).hex(),
                  "at1MiB": keystream(seed, (1 << 20) + 16)[1 << 20:].hex()})

selves = [{"site": site, "commitment": hashlib.sha256(own[site]).hexdigest(),
           "seed": expand(own[site], bound("self mask", {"sites": [site]})).hex()} for site in CONTEXT["sites"]]

sealed = []
for a, b in [("alpha", "beta"), ("beta", "alpha")]:
    info = bound("shares", {"sites": [a, b], "keys": [public(share[a]).hex(), public(share[b]).hex()]})
    key = expand(agree(share[a], public(share[b])), info)
    nonce = hashlib.sha256(f"nonce {a} {b}".encode()).digest()[:12]
    shares = [hashlib.sha256(f"{what} {a} {b}".encode()).digest() + bytes([9]) for what in ("mask", "self")]
    text = AESGCM(key).encrypt(nonce, b"".join(shares), bound("sealed shares", {"from": a, "to": b}))
    sealed.append({"from": a, "to": b, "key": key.hex(), "nonce": nonce.hex(), "mask": shares[0].hex(),
                   "self": shares[1].hex(), "sealed": (nonce + text).hex()})

rows = [secret("coefficient 1"), secret("coefficient 2")]
with open(sys.argv[1], "w") as out:
    json.dump({
        "context": CONTEXT,
        "keys": [{"site": site, "maskPrivate": mask[site].hex(), "maskPublic": public(mask[site]).hex(),
                  "sharePrivate": share[site].hex(), "sharePublic": public(share[site]).hex(),
                  "self": own[site].hex()} for site in CONTEXT["sites"]],
        "pairs": pairs,
        "selves": selves,
        "sealed": sealed,
        "shamir": {"secret": mask["alpha"].hex(), "threshold": 3, "shares": shamir(mask["alpha"], [1, 7, 42, 200, 255], rows)},
    }, out)
