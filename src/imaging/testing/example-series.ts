/** A made-up oblique series and a label map on its grid, for what writes DICOM. */
import type { SourceSeries, Triple, Volume } from "../index.ts";

const DIMS: Triple = [7, 5, 4];
const ANGLE = 0.3;
const ROW: Triple = [Math.cos(ANGLE), Math.sin(ANGLE), 0];
const COLUMN: Triple = [-Math.sin(ANGLE), Math.cos(ANGLE), 0];
const ORIGIN: Triple = [-10.5, 20.25, -30];
/** Columns, rows, slices. */
const SPACING_MM: Triple = [0.9, 1.1, 3];

export function exampleSeries(): SourceSeries {
  return {
    patient: { name: "Müller^Łucja", id: "P-1", birthDate: "19700102", sex: "F" },
    study: {
      instanceUid: "1.2.3.4",
      date: "20240102",
      time: "101112",
      id: "S1",
      accessionNumber: "A1",
      referringPhysician: "",
    },
    seriesInstanceUid: "1.2.3.4.5",
    frameOfReferenceUid: "1.2.3.4.6",
    positionReferenceIndicator: "",
    orientation: [...ROW, ...COLUMN],
    slices: Array.from({ length: DIMS[2] }, (_, k) => ({
      sopClassUid: "1.2.840.10008.5.1.4.1.1.4",
      sopInstanceUid: `1.2.3.4.5.${k + 1}`,
      position: [ORIGIN[0], ORIGIN[1], ORIGIN[2] + k * SPACING_MM[2]],
    })),
  };
}

export function exampleLabelMap(): Volume<Uint8Array> {
  const lps = [ROW, COLUMN, [0, 0, 1] as const].map((axis, a) => axis.map((value) => value * SPACING_MM[a]));
  const row = (axis: number, sign: number): number[] => [...lps.map((v) => sign * v[axis]), sign * ORIGIN[axis]];
  const data = new Uint8Array(DIMS[0] * DIMS[1] * DIMS[2]);
  // Nothing on the first slice, and no oedema on the last.
  for (let i = 35; i < data.length; i++) data[i] = i < 105 ? (i * 7) % 4 : [0, 1, 3][i % 3];
  return { dims: DIMS, data, affineVoxelToRas: [...row(0, -1), ...row(1, -1), ...row(2, 1), 0, 0, 0, 1] };
}
