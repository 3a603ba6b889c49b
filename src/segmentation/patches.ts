/**
 * Training patches: where they are cut and how they are varied. Everything random comes from a stream that is named
 * by site, round, step and item, so a patch can be made again without making those before it.
 */
import { createRandom, type Random, type SeedPath } from "../base/index.ts";
import type { Triple } from "../imaging/index.ts";
import { comparesSides } from "../networks/index.ts";
import type { AugmentationSpec, Study } from "../study/index.ts";
import { augmentPatch } from "./augmentation.ts";
import { centredStart } from "./sliding-window.ts";
import type { TrainingCase } from "./training-case.ts";
import { cutTurnedPatch, drawTurn } from "./turned-patch.ts";

export interface PatchSettings {
  /** x, y, z. */
  readonly patch: Triple;
  readonly channels: number;
  readonly tumourPatches: number;
  /** Centred on the mid-sagittal plane, for a network that compares the sides. */
  readonly centred: boolean;
  readonly augmentation: AugmentationSpec;
}

export function patchSettings({ task, network, training }: Study): PatchSettings {
  const { patch, tumourPatches, augmentation } = training;
  const channels = task.channels.length;
  return { patch: patch as Triple, channels, tumourPatches, centred: comparesSides(network), augmentation };
}

/** Writes one patch into `image` ([C, d, h, w]) and `labels` ([d, h, w]). */
export function drawPatch(
  source: TrainingCase,
  settings: PatchSettings,
  seed: SeedPath,
  image: Float32Array,
  labels: Uint8Array,
): void {
  const random = createRandom(...seed);
  const origin = patchOrigin(source, settings, random);
  const turn = drawTurn(settings.augmentation, random);
  if (turn === undefined) cutPatch(source, settings, origin, image, labels);
  else cutTurnedPatch(source, settings.patch, settings.channels, origin, turn, image, labels);
  augmentPatch(settings.patch, settings.channels, settings.augmentation, random, image, labels);
}

/** Voxel indices of each class of a label map; class 0 holds the brain's voxels without tumour. */
export function indexClasses(labels: Uint8Array, brain: Uint8Array, classes: number): Uint32Array[] {
  const counts = new Uint32Array(classes);
  for (let i = 0; i < labels.length; i++) if (labels[i] !== 0 || brain[i] !== 0) counts[labels[i]]++;
  const lists = Array.from(counts, (count) => new Uint32Array(count));
  const filled = new Uint32Array(classes);
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] !== 0 || brain[i] !== 0) lists[labels[i]][filled[labels[i]]++] = i;
  }
  return lists;
}

/** Centred near a tumour voxel of a class drawn evenly from those present, or near any voxel of the brain. */
function patchOrigin(
  { dims, midlineX, voxelsByClass }: TrainingCase,
  { patch, tumourPatches, centred }: PatchSettings,
  random: Random,
): Triple {
  const present = voxelsByClass.flatMap((voxels, k) => (k > 0 && voxels.length > 0 ? [k] : []));
  const tumour = random.chance(tumourPatches) && present.length > 0;
  const voxels = voxelsByClass[tumour ? present[random.integer(present.length)] : 0];
  const index = voxels.length > 0 ? voxels[random.integer(voxels.length)] : 0;
  const centre = [index % dims[0], Math.floor(index / dims[0]) % dims[1], Math.floor(index / (dims[0] * dims[1]))];
  return [0, 1, 2].map((axis) => {
    const jitter = random.integer(Math.max(1, patch[axis] >> 1)) - (patch[axis] >> 2);
    const room = dims[axis] - patch[axis];
    const wanted = centre[axis] - (patch[axis] >> 1) + jitter;
    if (centred && axis === 0) return centredStart(midlineX, patch[0]);
    return room <= 0 ? Math.floor(room / 2) : Math.min(Math.max(wanted, 0), room);
  }) as unknown as Triple;
}

/** Copies rows; what lies outside the volume is background. */
function cutPatch(
  source: TrainingCase,
  { patch, channels }: PatchSettings,
  origin: Triple,
  image: Float32Array,
  labels: Uint8Array,
): void {
  const [width, height, depth] = source.dims;
  const [pw, ph, pd] = patch;
  const volume = width * height * depth;
  const patchVolume = pw * ph * pd;
  image.fill(0);
  labels.fill(0);
  const from = Math.max(0, -origin[0]);
  const to = Math.min(pw, width - origin[0]);
  for (let z = 0; z < pd; z++) {
    const sz = z + origin[2];
    if (sz < 0 || sz >= depth) continue;
    for (let y = 0; y < ph; y++) {
      const sy = y + origin[1];
      if (sy < 0 || sy >= height) continue;
      const row = (sz * height + sy) * width + origin[0];
      const target = (z * ph + y) * pw;
      labels.set(source.labels.subarray(row + from, row + to), target + from);
      for (let c = 0; c < channels; c++) {
        const start = c * volume + row;
        image.set(source.image.subarray(start + from, start + to), c * patchVolume + target + from);
      }
    }
  }
}
