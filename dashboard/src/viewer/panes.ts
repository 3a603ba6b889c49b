/**
 * Panes of NiiVue that move together: each shows a scan and, over it, a map whose values are colours.
 *
 * Invariants
 * - What one pane is told by mouse, wheel or finger, all follow: place, enlargement, turn.
 * - NiiVue gets bytes only, never an address; its own keys are off, since the viewer has its own.
 */
import { type NVImage as Image, Niivue, NVImage, SLICE_TYPE } from "@niivue/niivue";

export const VIEWS = [
  { view: "axial", label: "Axial", axis: 2 },
  { view: "coronal", label: "Coronal", axis: 1 },
  { view: "sagittal", label: "Sagittal", axis: 0 },
  { view: "planes", label: "Three planes", axis: 2 },
  { view: "3d", label: "3D", axis: 2 },
] as const;

export type View = (typeof VIEWS)[number]["view"];

const SLICES: Readonly<Record<View, SLICE_TYPE>> = {
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  planes: SLICE_TYPE.MULTIPLANAR,
  "3d": SLICE_TYPE.RENDER,
};

export type { Image };

type Colour = readonly [number, number, number];

/** A scan out of an unpacked NIfTI file. @throws Error for bytes that are none */
export function imageOf(bytes: ArrayBuffer, name: string): Promise<Image> {
  return NVImage.loadFromUrl({ url: bytes, name: `${name}.nii`, ignoreZeroVoxels: true, colormap: "gray" });
}

/** A map on the grid of a file, in which value i + 1 has the i-th colour, and 0 is seen through. */
export async function mapOf(grid: ArrayBuffer, name: string, colours: readonly Colour[]): Promise<Image> {
  const image = await NVImage.loadFromUrl({ url: grid, name: `${name}.nii`, colormap: "gray" });
  const channel = (i: number): number[] => [0, ...colours.map((colour) => colour[i])];
  image.setColormapLabel({
    R: channel(0),
    G: channel(1),
    B: channel(2),
    A: [0, ...colours.map(() => 255)],
    I: [0, ...colours.map((_, i) => i + 1)],
    labels: ["", ...colours.map((_, i) => String(i + 1))],
  });
  return image;
}

export interface Pane {
  show(scan: Image | undefined, map: Image | undefined): void;
  /** Draws again what changed in its images. */
  refresh(): void;
  look(view: View): void;
  /** Voxels along right-left, back-front, below-above of what is shown; undefined where nothing is. */
  extent(): readonly number[] | undefined;
  /** Voxel under the place, in the file's own order; undefined where nothing is shown. */
  voxel(): readonly number[] | undefined;
  close(): void;
}

export interface Panes {
  /** In the order in which they were opened. */
  readonly all: readonly Pane[];
  /** @throws Error where the browser has no WebGL 2 */
  open(canvas: HTMLCanvasElement): Promise<void>;
  /** @param place in the volume, each of 0 to 1: from the right, the back and below */
  goTo(place: readonly number[]): void;
  /** @param mm right, front, up */
  goToMm(mm: readonly number[]): void;
  close(): void;
}

/** Panes, none of them open yet. @param onMove told of each new place */
export function createPanes(onMove: (place: readonly number[]) => void): Panes {
  const viewers: Niivue[] = [];
  const all: Pane[] = [];
  let leading: Niivue | undefined;
  const follow = (leader: Niivue): void => {
    // One that follows draws as well, and would lead in its turn.
    if (leading !== undefined || leader.volumes.length === 0) return;
    leading = leader;
    for (const other of viewers) {
      if (other === leader || other.volumes.length === 0) continue;
      const { crosshairPos, pan2Dxyzmm, renderAzimuth, renderElevation, volScaleMultiplier } = leader.scene;
      Object.assign(other.scene, { renderAzimuth, renderElevation, volScaleMultiplier });
      other.scene.crosshairPos = crosshairPos;
      other.scene.pan2Dxyzmm = pan2Dxyzmm;
      other.drawScene();
    }
    leading = undefined;
    onMove([...leader.scene.crosshairPos]);
  };
  return {
    all,
    async open(canvas) {
      const viewer = createViewer();
      await viewer.attachToCanvas(canvas, false);
      viewer.onLocationChange = () => follow(viewer);
      viewer.onAzimuthElevationChange = () => follow(viewer);
      viewer.onZoom3DChange = () => follow(viewer);
      viewers.push(viewer);
      all.push(paneOf(viewer));
    },
    goToMm(mm) {
      const [first] = viewers;
      if (first !== undefined) this.goTo([...first.mm2frac(placeOf(mm))]);
    },
    goTo(place) {
      const [first] = viewers.filter(({ volumes }) => volumes.length > 0);
      if (first === undefined) return;
      first.scene.crosshairPos = placeOf(place);
      first.drawScene();
      follow(first);
    },
    close() {
      for (const pane of all) pane.close();
    },
  };
}

function createViewer(): Niivue {
  return new Niivue({
    logLevel: "error",
    dragAndDropEnabled: false,
    isRadiologicalConvention: true,
    viewModeHotKey: "",
    clipPlaneHotKey: "",
    cycleClipPlaneHotKey: "",
    crosshairWidth: 0.8,
    crosshairWidthUnit: "mm",
    crosshairGap: 6,
    crosshairColor: [0.9, 0.9, 0.9, 0.7],
    backColor: [0, 0, 0, 1],
    fontColor: [0.85, 0.85, 0.85, 1],
    loadingText: "",
    sliceType: SLICE_TYPE.AXIAL,
    show3Dcrosshair: true,
  });
}

type Place = Niivue["scene"]["crosshairPos"];

function placeOf(place: readonly number[]): Place {
  return Float32Array.from(place) as unknown as Place;
}

function paneOf(viewer: Niivue): Pane {
  return {
    show(scan, map) {
      const place = viewer.scene.crosshairPos;
      const volumes = scan === undefined ? [] : map === undefined ? [scan] : [scan, map];
      viewer.volumes = volumes;
      viewer.back = volumes[0] ?? null;
      viewer.overlays = volumes.slice(1);
      viewer.updateGLVolume();
      viewer.scene.crosshairPos = place;
    },
    refresh: () => viewer.updateGLVolume(),
    look: (view) => viewer.setSliceType(SLICES[view]),
    extent: () => viewer.volumes[0]?.dimsRAS?.slice(1, 4),
    voxel() {
      const [image] = viewer.volumes;
      return image && [...image.mm2vox([...viewer.frac2mm(viewer.scene.crosshairPos)].slice(0, 3))];
    },
    close: () => viewer.cleanup(),
  };
}
