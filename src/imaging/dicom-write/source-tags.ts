/** The elements that an object made from a series takes over: whose scan it is, and of which study (PS3.3, C.7.1 and C.7.2). */
import { createHash, randomUUID } from "node:crypto";
import type { DataSet, DicomElement } from "./encode-dicom.ts";
import type { SourceSeries } from "./source-series.ts";

export function patientAndStudy({ patient, study }: SourceSeries): DataSet {
  return {
    "00080020": text("DA", study.date),
    "00080030": text("TM", study.time),
    "00080050": text("SH", study.accessionNumber),
    "00080090": text("PN", study.referringPhysician),
    "00100010": text("PN", patient.name),
    "00100020": text("LO", patient.id),
    "00100030": text("DA", patient.birthDate),
    "00100040": text("CS", patient.sex),
    "0020000d": text("UI", study.instanceUid),
    "00200010": text("SH", study.id),
  };
}

export function text(vr: "CS" | "DA" | "LO" | "LT" | "PN" | "SH" | "TM" | "UI", ...value: string[]): DicomElement {
  return { vr, value };
}

export function sequence(...value: DataSet[]): DicomElement {
  return { vr: "SQ", value };
}

/** Of a slice, with its frame where its file holds several. */
export function reference({ sopClassUid, sopInstanceUid, frame }: SourceSeries["slices"][number]): DataSet {
  return {
    "00081150": text("UI", sopClassUid),
    "00081155": text("UI", sopInstanceUid),
    ...(frame !== undefined && { "00081160": { vr: "IS", value: [frame] } as const }),
  };
}

export function newUid(): string {
  return `2.25.${BigInt(`0x${randomUUID().replaceAll("-", "")}`)}`;
}

/** The same for the same name: a UUID made of it (RFC 9562, version 8) as a UID (PS3.5, B.2). */
export function uidOfName(name: string): string {
  const uuid = createHash("sha256").update(name).digest().subarray(0, 16);
  uuid[6] = (uuid[6] & 0x0f) | 0x80;
  uuid[8] = (uuid[8] & 0x3f) | 0x80;
  return `2.25.${BigInt(`0x${uuid.toString("hex")}`)}`;
}

/** As DICOM writes them, UTC. */
export function dateAndTime(ms: number): { readonly date: string; readonly time: string } {
  const when = new Date(ms).toISOString();
  return { date: when.slice(0, 10).replaceAll("-", ""), time: when.slice(11, 19).replaceAll(":", "") };
}
