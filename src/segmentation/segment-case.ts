/** Trained models applied to a patient: from a case's files to the label map on the grid that they came on. */
import { ConsiliumError, canonicalJson, type Json } from "../base/index.ts";
import { pickParameters } from "../graph/index.ts";
import {
  type CaseFiles,
  type LabelConvention,
  type LoadedCase,
  loadCase,
  type Modality,
  type Volume,
} from "../imaging/index.ts";
import { ofAxis } from "../study/index.ts";
import { ALL_MIRRORS, type Mirror, UPRIGHT } from "./mirror.ts";
import type { Model } from "./model-folder.ts";
import { type Member, predictCase, regionVolumesMl } from "./predict-case.ts";
import { openWindowPredictor } from "./window-predictor.ts";

/** How far opinions on one volume lie apart. */
export interface VolumeSpread {
  /**
   * How far the opinions' volumes lie from the one told: root of the summed squares over n - 1, millilitres. The
   * volume told is that of the averaged outline, which may lie outside their range.
   */
  readonly deviationMl: number;
  readonly leastMl: number;
  readonly mostMl: number;
}

export interface Segmentation {
  /** Classes on the case's own grid. */
  readonly labelMap: Volume<Uint8Array>;
  /** Millilitres by region. */
  readonly volumesMl: Readonly<Record<string, number>>;
  /** By region; null with a single opinion, which tells nothing of its uncertainty. */
  readonly spread: Readonly<Record<string, VolumeSpread>> | null;
  /** Models times mirrors. */
  readonly opinions: number;
  /** Modalities that the case lacks and the models were trained to do without. */
  readonly missing: readonly Modality[];
  /** The scans that were looked at, on the same grid. */
  readonly scan: LoadedCase;
}

export interface Segmenter {
  segment(
    files: CaseFiles,
    convention: LabelConvention,
    onWindow?: (done: number, total: number) => void,
  ): Promise<Segmentation>;
  close(): Promise<void>;
}

export interface SegmenterOptions {
  readonly threads: number;
  /** Also look at the scan in every mirror that all models were trained with. */
  readonly flips?: boolean;
}

const OVERLAP = 0.5;

/**
 * One session for each model, for as many cases as come; memory is the networks' at one patch, and one case.
 * @throws ConsiliumError `usage` for models of different tasks, or flips with a model that never saw a mirrored patch.
 */
export async function openSegmenter(
  models: readonly Model[],
  { threads, flips = false }: SegmenterOptions,
): Promise<Segmenter> {
  checkOneTask(models);
  const mirrors = flips ? mirrorsOf(models) : [UPRIGHT];
  const { task } = models[0].description.study;
  const opened = await Promise.all(models.map((model) => openMember(model, threads)));
  return {
    async segment(files, convention, onWindow) {
      const scan = await loadCase(files, convention);
      const missing = task.channels.filter((modality) => !scan.modalities.includes(modality));
      const { labelMap, opinionsMl } = await predictCase(scan, {
        task,
        members: opened.map(({ member }) => member),
        mirrors,
        onWindow,
      });
      const volumesMl = regionVolumesMl(labelMap, task.regions);
      return {
        labelMap,
        volumesMl,
        spread: spreadOf(opinionsMl, volumesMl),
        opinions: opinionsMl.length,
        missing,
        scan,
      };
    },
    async close() {
      for (const { close } of opened) await close();
    },
  };
}

async function openMember(
  { description, network, parameters }: Model,
  threads: number,
): Promise<{ member: Member; close: () => Promise<void> }> {
  const predictor = await openWindowPredictor(network, description.study, { threads });
  const { data } = pickParameters(parameters, predictor.layout);
  return {
    member: {
      window: predictor.window(OVERLAP),
      predict: (image, sides) => predictor.predict(image, sides, data),
    },
    close: () => predictor.close(),
  };
}

function checkOneTask(models: readonly Model[]): void {
  const taskOf = ({ description }: Model): string => canonicalJson(description.study.task as Json);
  const other = models.find((model) => taskOf(model) !== taskOf(models[0]));
  if (other === undefined) return;
  throw new ConsiliumError("usage", {
    subject: `model ${other.description.name}`,
    expected: `the task of ${models[0].description.name}: channels, classes, regions, spacing and rules`,
    actual: "another",
    hint: "Models that vote together must be of one task: leave this one out.",
  });
}

/** Mirrors along the axes that every model's patches were flipped along in training. */
function mirrorsOf(models: readonly Model[]): readonly Mirror[] {
  const flipped = ({ description }: Model, axis: number): boolean =>
    ofAxis(description.study.training.augmentation.flip, axis) > 0;
  const seen = ALL_MIRRORS.filter((mirror) =>
    mirror.every((isMirrored, axis) => !isMirrored || models.every((model) => flipped(model, axis))),
  );
  if (seen.length > 1) return seen;
  throw new ConsiliumError("usage", {
    subject: `models ${models.map(({ description }) => description.name).join(", ")}`,
    expected: "models trained with patches mirrored along a common axis (training.augmentation.flip above 0)",
    actual: "none",
    hint: "Leave --flips out.",
  });
}

type Volumes = Readonly<Record<string, number>>;

function spreadOf(opinions: readonly Volumes[], told: Volumes): Record<string, VolumeSpread> | null {
  if (opinions.length < 2) return null;
  return Object.fromEntries(
    Object.keys(told).map((region) => {
      const volumes = opinions.map((opinion) => opinion[region]);
      const squares = volumes.reduce((sum, ml) => sum + (ml - told[region]) ** 2, 0);
      const deviationMl = Math.sqrt(squares / (volumes.length - 1));
      return [region, { deviationMl, leastMl: Math.min(...volumes), mostMl: Math.max(...volumes) }];
    }),
  );
}
