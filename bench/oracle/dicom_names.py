"""Patients' names in the character sets of DICOM as pydicom reads them, for the test of src/imaging/dicom/decode-text.ts.

    pip install pydicom==3.0.1
    python bench/oracle/dicom_names.py src/imaging/dicom/testdata/dicom-names.json

The names are the made-up ones of DICOM's own examples (PS3.5, annexes H to K), from pydicom's test files.
"""
import base64
import json
import sys

import pydicom
from pydicom.charset import convert_encodings
from pydicom.data import get_charset_files
from pydicom.valuerep import PersonName

answers = []
for path in sorted(get_charset_files("*.dcm")):
    d = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    if "PatientName" not in d or "SpecificCharacterSet" not in d:
        continue
    terms = d.SpecificCharacterSet
    terms = [terms] if isinstance(terms, str) else list(terms)
    raw = d.PatientName.original_string
    answers.append(
        {
            "file": path.replace("\\", "/").split("/")[-1],
            "terms": "\\".join(terms),
            "bytes": base64.b64encode(raw).decode(),
            "name": str(d.PatientName),
        }
    )
# Sets of two bytes declared alone, with escape sequences and without. (pydicom leaves those of IR 58 where it stands alone.)
ALONE = {
    "ISO 2022 IR 149": [b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", b"Hong^Gildong=\xfb\xf3^\xd1\xce\xd4\xd7"],
    "ISO 2022 IR 87": [b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"],
    "ISO 2022 IR 159": [b"\x1b$(D\x30\x21\x1b(B^A"],
    "ISO 2022 IR 58": [b"Zhang^XiaoDong=\xd5\xc5^\xd0\xa1\xb6\xab"],
}
for term, names in ALONE.items():
    for raw in names:
        name = str(PersonName(raw, encodings=convert_encodings([term])))
        answers.append({"file": f"{term} alone", "terms": term, "bytes": base64.b64encode(raw).decode(), "name": name})
with open(sys.argv[1], "w") as file:
    json.dump(answers, file, ensure_ascii=False, indent=1)
    file.write("\n")
print(len(answers))
