"""Patients' names in the character sets of DICOM as pydicom reads them, for the test of src/imaging/dicom/decode-text.ts.

    pip install pydicom==3.0.1
    python bench/oracle/dicom_names.py src/imaging/dicom/testdata/dicom-names.json

The names are the made-up ones of DICOM's own examples (PS3.5, annexes H to K), from pydicom's test files.
"""
import base64
import json
import sys

import pydicom
from pydicom.data import get_charset_files

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
with open(sys.argv[1], "w") as file:
    json.dump(answers, file, ensure_ascii=False, indent=1)
    file.write("\n")
print(len(answers))
