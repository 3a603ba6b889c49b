"""Writes src/protocol/sealed/testdata/hpke-vectors.json: vector A.3.1 of RFC 9180, checked with pyhpke, and pieces that
pyhpke sealed to keys made from words, with what it exports.

    python -m venv oracle && oracle/bin/pip install pyhpke
    oracle/bin/python bench/oracle/hpke_vectors.py src/protocol/sealed/testdata/hpke-vectors.json
    npx biome format --write src/protocol/sealed/testdata/hpke-vectors.json
"""
import hashlib
import json
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey, KEMKeyPair

SUITE = CipherSuite.new(KEMId.DHKEM_P256_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM)
PLAIN = b"Beauty is truth, truth beauty".hex()

# RFC 9180, appendix A.3.1: base mode; count, sealed. Each piece is "Beauty is truth, truth beauty" under "Count-N".
RFC = {
    "info": b"Ode on a Grecian Urn".hex(),
    "ephemeralPrivate": "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
    "encapsulated": "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4",
    "recipientPrivate": "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
    "recipientPublic": "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0",
    "sealed": [
        [0, "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434"],
        [1, "fa6f037b47fc21826b610172ca9637e82d6e5801eb31cbd3748271affd4ecb06646e0329cbdf3c3cd655b28e82"],
        [2, "895cabfac50ce6c6eb02ffe6c048bf53b7f7be9a91fc559402cbc5b8dcaeb52b2ccc93e466c28fb55fed7a7fec"],
        [4, "8787491ee8df99bc99a246c4b3216d3d57ab5076e18fa27133f520703bc70ec999dd36ce042e44f0c3169a6a8f"],
        [255, "2ad71c85bf3f45c6eca301426289854b31448bcf8a8ccb1deef3ebd87f60848aa53c538c30a4dac71d619ee2cd"],
        [256, "10f179686aa2caec1758c8e554513f16472bd0a11e2a907dde0b212cbe87d74f367f8ffe5e41cd3e9962a6afb2"],
    ],
    "exported": [
        ["", "5e9bc3d236e1911d95e65b576a8a86d478fb827e8bdfe77b741b289890490d4d"],
        ["00", "6cff87658931bda83dc857e6353efe4987a201b849658d9b047aab4cf216e796"],
        [b"TestContext".hex(), "d8f1ea7942adbba7412c6d431c62d01371ea476b823eb697e1f6e6cae1dab85a"],
    ],
}


def private_key(scalar):
    return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())


def key_pair(scalar):
    private = private_key(scalar)
    wrap = KEMKey.from_pyca_cryptography_key
    return KEMKeyPair(wrap(private), wrap(private.public_key()))


def point(private):
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def check_rfc():
    own = key_pair(bytes.fromhex(RFC["recipientPrivate"]))
    ephemeral = key_pair(bytes.fromhex(RFC["ephemeralPrivate"]))
    info = bytes.fromhex(RFC["info"])
    context = SUITE.create_recipient_context(bytes.fromhex(RFC["encapsulated"]), own.private_key, info=info)
    sender = SUITE.create_sender_context(own.public_key, info=info, eks=ephemeral)
    counts = dict(RFC["sealed"])
    assert sender[0].hex() == RFC["encapsulated"]
    for count in range(257):
        sealed = sender[1].seal(bytes.fromhex(PLAIN), aad=f"Count-{count}".encode())
        assert counts.get(count, sealed.hex()) == sealed.hex(), count
        assert context.open(sealed, aad=f"Count-{count}".encode()).hex() == PLAIN
    for words, secret in RFC["exported"]:
        assert context.export(bytes.fromhex(words), 32).hex() == secret


def made(name, info, pieces, exports):
    scalar = hashlib.sha256(name.encode()).digest()
    recipient = key_pair(scalar)
    encapsulated, context = SUITE.create_sender_context(recipient.public_key, info=info)
    return {
        "info": info.hex(),
        "encapsulated": encapsulated.hex(),
        "recipientPrivate": scalar.hex(),
        "recipientPublic": point(private_key(scalar)).hex(),
        "pieces": [
            {"plain": plain.hex(), "aad": aad.hex(), "sealed": context.seal(plain, aad=aad).hex()} for plain, aad in pieces
        ],
        "exported": [[words.hex(), length, context.export(words, length).hex()] for words, length in exports],
    }


if __name__ == "__main__":
    check_rfc()
    vectors = {
        "rfc9180": {**RFC, "plain": PLAIN},
        "pyhpke": [
            made("site", b"consilium", [(b"", b""), (b"a", b"head"), (bytes(range(256)) * 4, b"")], [(b"reply", 32), (b"k", 16)]),
            made("coordinator", b"", [(b"x" * 15, b"y" * 100)], [(b"", 12)]),
        ],
    }
    with open(sys.argv[1], "w") as out:
        json.dump(vectors, out)
