/** The series that a DICOM object made by a model belongs to. */
import type { Triple } from "../volume.ts";

/** What a segmentation takes over from the series that it belongs to: plain data, whoever read it. */
export interface SourceSeries {
  readonly patient: { readonly name: string; readonly id: string; readonly birthDate: string; readonly sex: string };
  readonly study: {
    readonly instanceUid: string;
    readonly date: string;
    readonly time: string;
    readonly id: string;
    readonly accessionNumber: string;
    readonly referringPhysician: string;
  };
  readonly seriesInstanceUid: string;
  readonly frameOfReferenceUid: string;
  readonly positionReferenceIndicator: string;
  /** Direction cosines of a row, then of a column, LPS (Image Orientation (Patient)). */
  readonly orientation: readonly number[];
  /** In the order of the volume's third axis. */
  readonly slices: readonly {
    readonly sopClassUid: string;
    readonly sopInstanceUid: string;
    /** Centre of the first voxel, LPS mm (Image Position (Patient)). */
    readonly position: Triple;
    /** From 1, where the file holds several frames. */
    readonly frame?: number;
  }[];
}
