/** A case as training patches are cut from it. */
import type { Triple } from "../imaging/index.ts";

/** A case at working resolution, as patches need it. */
export interface TrainingCase {
  readonly id: string;
  readonly dims: Triple;
  /** [C, D, H, W]; zero outside the brain. */
  readonly image: Float32Array;
  /** Classes, [D, H, W]. */
  readonly labels: Uint8Array;
  /** 1 in the brain, [D, H, W]. */
  readonly brain: Uint8Array;
  /** x of the mid-sagittal plane, in voxels. */
  readonly midlineX: number;
  /** Voxel indices by class, so that small classes are found as easily as large ones. */
  readonly voxelsByClass: readonly Uint32Array[];
}
