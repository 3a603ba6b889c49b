/**
 * What the panes show of one case: scans and maps as they come in, laid out as the reader asks.
 *
 * Invariants
 * - A file is read once; what is painted over the scans follows from its classes and the settings alone.
 * - Two maps are compared only where voxels of both are the same places; the second is refused otherwise.
 */
import { checkNifti, checkSameGrid, classesOf, type MapGrid } from "./check-maps.ts";
import {
  DIFFERENCES,
  figuresOf,
  paintDifference,
  paintRegions,
  REGIONS,
  type RegionFigures,
  type RegionName,
} from "./maps.ts";
import { type Image, imageOf, mapOf, type Panes, type View } from "./panes.ts";
import { type MapPart, type Part, SCANS, type Scan } from "./part-names.ts";
import type { CaseSource } from "./source.ts";

export type Overlay = "none" | MapPart | "difference";

export interface Settings {
  readonly view: View;
  /** All scans beside each other, one alone, or the maps beside each other on one scan. */
  readonly layout: "scans" | "one" | "compare";
  readonly scan: Scan;
  readonly overlay: Overlay;
  readonly regions: ReadonlySet<RegionName>;
  /** The region whose difference is painted. */
  readonly compared: RegionName;
  readonly opacity: number;
}

export interface PaneContent {
  readonly scan: Scan;
  readonly overlay: Overlay;
}

/** What each pane shows; at most four. */
export function contentOf({ layout, scan, overlay }: Settings, parts: ReadonlySet<Part>): readonly PaneContent[] {
  if (layout === "one") return [{ scan, overlay }];
  if (layout === "scans") {
    return SCANS.filter(({ part }) => parts.has(part)).map(({ part }) => ({ scan: part, overlay }));
  }
  return overlaysOf(parts).map((each) => ({ scan, overlay: each }));
}

/** The maps that can be shown. */
export function overlaysOf(parts: ReadonlySet<Part>): readonly Exclude<Overlay, "none">[] {
  const maps = (["labels", "prediction"] as const).filter((map) => parts.has(map));
  return maps.length === 2 ? [...maps, "difference"] : maps;
}

export interface Scene {
  /** Reads a part of the case. @throws a Trouble, also for what is no NIfTI and for a map that cannot be compared */
  add(part: Part): Promise<void>;
  show(settings: Settings): void;
  figures(): readonly RegionFigures[];
  /** Of the maps that were read. */
  overlays(): readonly Overlay[];
  /** Millimetres (right, front, up) of the middle of what the maps outline; undefined where they outline nothing. */
  middleMm(): readonly number[] | undefined;
  /** What lies under the panes' common place. */
  at(): readonly string[];
}

export function createScene(source: CaseSource, panes: Panes): Scene {
  const scans = new Map<Scan, Image>();
  const classes = new Map<MapPart, Uint8Array>();
  const maps = new Map<Overlay, Image>();
  const shown: string[] = [];
  let [painted, viewed] = ["", ""];
  let voxelMl = 0;

  async function read(part: Part): Promise<Image> {
    const bytes = await source.load(part);
    checkNifti(bytes, part);
    return imageOf(bytes, part);
  }
  async function addMap(part: MapPart): Promise<void> {
    const image = await read(part);
    const values = classesOf(image.img ?? [], source.enhancing, part);
    const [other] = classes.keys();
    const compared = other && maps.get(other);
    if (compared !== undefined) checkSameGrid(gridOf(compared), gridOf(image), part);
    voxelMl = (image.hdr?.pixDims ?? []).slice(1, 4).reduce((a, b) => a * Math.abs(b), 1) / 1000;
    classes.set(part, values);
    maps.set(part, await mapImage(image, part, REGIONS));
    if (classes.size === 2) maps.set("difference", await mapImage(image, "difference", DIFFERENCES));
    painted = "";
  }
  function paint({ regions, compared, opacity }: Settings): boolean {
    const wanted = `${[...regions].sort()} ${compared} ${opacity}`;
    if (wanted === painted) return false;
    painted = wanted;
    const [labels, prediction] = [classes.get("labels"), classes.get("prediction")];
    for (const [kind, image] of maps) {
      const own = kind === "labels" ? labels : prediction;
      const values =
        kind !== "difference"
          ? own && paintRegions(own, regions)
          : labels && prediction && paintDifference(labels, prediction, compared);
      if (values !== undefined) image.img = values;
      image.opacity = opacity;
    }
    return true;
  }
  return {
    async add(part) {
      if (part === "labels" || part === "prediction") await addMap(part);
      else scans.set(part, await read(part));
    },
    show(settings) {
      const repainted = paint(settings);
      const parts = new Set<Part>([...scans.keys(), ...classes.keys()]);
      const content = contentOf(settings, parts);
      for (const [i, pane] of panes.all.entries()) {
        const { scan, overlay } = content[i] ?? {};
        const wanted = `${scan} ${overlay} ${overlay !== undefined && maps.has(overlay)}`;
        if (wanted !== shown[i]) pane.show(scan && scans.get(scan), overlay && maps.get(overlay));
        else if (repainted) pane.refresh();
        if (wanted !== shown[i] || settings.view !== viewed) pane.look(settings.view);
        shown[i] = wanted;
      }
      viewed = settings.view;
    },
    figures: () => figuresOf(classes.get("labels"), classes.get("prediction"), voxelMl),
    overlays: () => overlaysOf(new Set<Part>(classes.keys())),
    middleMm() {
      const [kind] = classes.keys();
      const image = kind && maps.get(kind);
      return image && middleOf(image, classes.get(kind) ?? new Uint8Array());
    },
    at() {
      const voxel = panes.all[0]?.voxel();
      if (voxel === undefined) return [];
      const [x, y, z] = voxel.map(Math.round);
      const values = [...scans].map(([scan, image]) => `${scan} ${trimmed(image.getValue(x, y, z))}`);
      return [`voxel ${x}, ${y}, ${z}`, ...values];
    },
  };
}

function gridOf({ hdr }: Image): MapGrid {
  if (hdr === null) throw new Error("a NIfTI header is missing");
  return { dims: hdr.dims.slice(1, 4), affine: hdr.affine.slice(0, 3) };
}

/** The centre of all voxels that are no background, through the rows of the affine. */
function middleOf({ hdr }: Image, classes: Uint8Array): readonly number[] | undefined {
  if (hdr === null) return undefined;
  const [, width, height] = hdr.dims;
  const sum = [0, 0, 0, 0];
  for (let i = 0; i < classes.length; i++) {
    if (classes[i] === 0) continue;
    const voxel = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height)), 1];
    for (const [axis, each] of voxel.entries()) sum[axis] += each;
  }
  const middle = sum.map((each) => each / sum[3]);
  if (sum[3] === 0) return undefined;
  return hdr.affine.slice(0, 3).map((row) => row.reduce((total, cell, i) => total + cell * middle[i], 0));
}

function trimmed(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

interface Coloured {
  readonly colour: readonly [number, number, number];
}

/** A map of bytes on the grid of an image. */
async function mapImage(grid: Image, name: string, of: readonly Coloured[]): Promise<Image> {
  const values = new Uint8Array(grid.img?.length ?? 0);
  return mapOf(
    niftiLike(grid, values),
    name,
    of.map(({ colour }) => colour),
  );
}

/** A NIfTI-1 file of bytes with the grid of an image: dim, pixdim and the rows of the affine, as the standard has them. */
function niftiLike({ hdr }: Image, values: Uint8Array): ArrayBuffer {
  if (hdr === null) throw new Error("a NIfTI header is missing");
  const offset = 352;
  const file = new ArrayBuffer(offset + values.length);
  const view = new DataView(file);
  view.setInt32(0, 348, true);
  for (const [i, size] of [3, ...hdr.dims.slice(1, 4), 1, 1, 1, 1].entries()) view.setInt16(40 + 2 * i, size, true);
  view.setInt16(70, 2, true);
  view.setInt16(72, 8, true);
  for (const [i, size] of [1, ...hdr.pixDims.slice(1, 4)].entries()) view.setFloat32(76 + 4 * i, size, true);
  view.setFloat32(108, offset, true);
  view.setFloat32(112, 1, true);
  view.setInt16(254, 1, true);
  for (const [row, cells] of hdr.affine.slice(0, 3).entries()) {
    for (const [column, cell] of cells.entries()) view.setFloat32(280 + 16 * row + 4 * column, cell, true);
  }
  view.setUint32(344, 0x6e2b3100, false);
  new Uint8Array(file, offset).set(values);
  return file;
}
