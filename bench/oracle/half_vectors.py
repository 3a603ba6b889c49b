"""Vectors of IEEE 754 binary16 from Python's own struct module: python3 bench/oracle/half_vectors.py > src/aggregation/testdata/half-vectors.json"""

import hashlib
import json
import math
import random
import struct


def value(bits):
    (number,) = struct.unpack("<e", struct.pack("<H", bits))
    return 0.0 if math.isnan(number) or math.isinf(number) else number


def half(number):
    (bits,) = struct.unpack("<H", struct.pack("<e", number))
    return bits


random.seed(4)
values = b"".join(struct.pack("<f", value(bits)) for bits in range(65536))
wholes = []
for shift in (0, 4, 12, 16):
    limit = 2 ** (15 + shift) - 1
    drawn = [random.randint(-limit, limit) >> random.randint(0, 14 + shift) for _ in range(60)]
    for whole in [0, 1, -1, 2047, 2049, -2051, limit, -limit, *drawn]:
        if abs(whole) <= limit:
            wholes.append([whole, shift, half(whole * 2.0**-shift)])
print(json.dumps({"valuesSha256": hashlib.sha256(values).hexdigest(), "wholes": wholes}, separators=(",", ":")))
