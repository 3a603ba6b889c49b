/**
 * Elements of a DICOM file that name a patient, a person or a place, after the Basic Application Level Confidentiality
 * Profile (PS3.15, table E.1-1): the part of it that occurs in scans. Intake writes none of them; the report says which
 * of them the source files had.
 */
import { renamed } from "../base/index.ts";
import { readDicomHeader } from "../imaging/index.ts";

const ELEMENTS: Readonly<Record<string, string>> = {
  x00080012: "Instance Creation Date",
  x00080014: "Instance Creator UID",
  x00080018: "SOP Instance UID",
  x00080020: "Study Date",
  x00080021: "Series Date",
  x00080022: "Acquisition Date",
  x00080023: "Content Date",
  x0008002a: "Acquisition DateTime",
  x00080030: "Study Time",
  x00080031: "Series Time",
  x00080032: "Acquisition Time",
  x00080050: "Accession Number",
  x00080080: "Institution Name",
  x00080081: "Institution Address",
  x00080090: "Referring Physician's Name",
  x00080092: "Referring Physician's Address",
  x00080094: "Referring Physician's Telephone Numbers",
  x00081010: "Station Name",
  x00081030: "Study Description",
  x0008103e: "Series Description",
  x00081040: "Institutional Department Name",
  x00081048: "Physician(s) of Record",
  x00081050: "Performing Physician's Name",
  x00081060: "Name of Physician(s) Reading Study",
  x00081070: "Operators' Name",
  x00081080: "Admitting Diagnoses Description",
  x00081110: "Referenced Study Sequence",
  x00081140: "Referenced Image Sequence",
  x00100010: "Patient's Name",
  x00100020: "Patient ID",
  x00100021: "Issuer of Patient ID",
  x00100030: "Patient's Birth Date",
  x00100032: "Patient's Birth Time",
  x00100040: "Patient's Sex",
  x00101000: "Other Patient IDs",
  x00101001: "Other Patient Names",
  x00101010: "Patient's Age",
  x00101020: "Patient's Size",
  x00101030: "Patient's Weight",
  x00101040: "Patient's Address",
  x00102160: "Ethnic Group",
  x00102154: "Patient's Telephone Numbers",
  x00102180: "Occupation",
  x001021b0: "Additional Patient History",
  x00104000: "Patient Comments",
  x00181000: "Device Serial Number",
  x00181030: "Protocol Name",
  x0020000d: "Study Instance UID",
  x0020000e: "Series Instance UID",
  x00200010: "Study ID",
  x00200052: "Frame of Reference UID",
  x00204000: "Image Comments",
  x00321032: "Requesting Physician",
  x00321060: "Requested Procedure Description",
  x00324000: "Study Comments",
  x00400244: "Performed Procedure Step Start Date",
  x00400253: "Performed Procedure Step ID",
  x00400275: "Request Attributes Sequence",
};

interface Elements {
  readonly elements: Readonly<Record<string, { readonly items?: readonly { readonly dataSet?: Elements }[] }>>;
}

/** Sequences within sequences that are looked into. */
const MAX_DEPTH = 16;

/**
 * Names of the elements that any of the files has, at the top or within sequences, and whether there are private ones.
 * Headers alone are read: text that is burnt into pixels is not found.
 */
export async function identifyingElements(paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    const header = await readDicomHeader(path).catch((error: unknown) => {
      throw renamed(error, "DICOM file");
    });
    if (typeof header === "string") continue;
    collect(header.dataSet, found, 0);
  }
  return [...found].sort();
}

function collect({ elements }: Elements, found: Set<string>, depth: number): void {
  for (const [tag, { items = [] }] of Object.entries(elements)) {
    const name = ELEMENTS[tag];
    if (name !== undefined) found.add(name);
    else if (Number.parseInt(tag.slice(4, 5), 16) % 2 === 1) found.add("private elements");
    if (depth === MAX_DEPTH) continue;
    for (const { dataSet } of items) if (dataSet !== undefined) collect(dataSet, found, depth + 1);
  }
}
