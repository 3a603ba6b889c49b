/** Options by which `simulate` and `train` take a study: a file, or the usual one, with parts of it overridden. */

import { ConsiliumError } from "../base/index.ts";
import type { Model } from "../segmentation/index.ts";
import type { OpenedStudy } from "./open-study.ts";
import { type OptionValues, option } from "./options.ts";

export const studyOptions = {
  study: option.text("FILE", "study file to run instead of the usual study"),
  rounds: option.integer("rounds, instead of the study's", { min: 1 }),
  seed: option.integer("seed, instead of the study's"),
  threads: option.integer("threads of each engine, instead of the study's", { min: 1, max: 256 }),
  spacing: option.number("MM", "working resolution, instead of the study's", { min: 0.5, max: 10 }),
  learningRate: option.number("RATE", "learning rate, instead of the study's", { min: 1e-9, max: 100 }),
  patchesPerCase: option.number("N", "patches for each training case in a round, instead of the study's", {
    min: 0.001,
  }),
  lowerings: option.text(
    "FILE",
    "table of lowerings that `model tune` wrote for this machine; other tables, other bits",
  ),
} as const;

/** @throws ConsiliumError what the study file, its network or the overridden values are refused for. */
export async function openChosenStudy(
  options: OptionValues<typeof studyOptions>,
  more: StudyAdditions = {},
): Promise<OpenedStudy> {
  const { readLowerings } = await import("./read-lowerings.ts");
  const lowerings = options.lowerings === undefined ? undefined : await readLowerings(options.lowerings);
  return { ...(await openUntuned(options, more)), lowerings };
}

interface StudyAdditions {
  readonly maskingThreshold?: number | undefined;
  /** A model to go on from: its study holds, with the options' overrides. */
  readonly from?: Model | undefined;
}

async function openUntuned(
  options: OptionValues<typeof studyOptions>,
  { from, maskingThreshold }: StudyAdditions,
): Promise<OpenedStudy> {
  const { openStudy, openStudyFile } = await import("./open-study.ts");
  const { defaultStudy, withOverrides } = await import("../simulate/index.ts");
  const { rounds, seed, threads, spacing: spacingMm, learningRate, patchesPerCase } = options;
  const overrides = { rounds, seed, threads, spacingMm, learningRate, patchesPerCase, maskingThreshold };
  if (from !== undefined) {
    if (options.study !== undefined || options.spacing !== undefined) throw studyBesideModel();
    const { pickParameters } = await import("../graph/index.ts");
    const { networkParameters, withBatchStatistics } = await import("../training/index.ts");
    const { description, parameters } = from;
    const study = withOverrides(description.study, overrides);
    // As it lies in a model folder a network predicts; what the study says of its norms holds again.
    const network = withBatchStatistics(from.network, study.training.runningStatistics);
    return { study, network, initial: pickParameters(parameters, networkParameters(network).layout) };
  }
  if (options.study === undefined) return openStudy(defaultStudy(overrides), undefined, "the usual study");
  return openStudyFile(options.study, (study) => withOverrides(study, overrides));
}

function studyBesideModel(): ConsiliumError {
  return new ConsiliumError("usage", {
    subject: "consilium train --from",
    expected: "the model's own study, with rounds, seed, threads, learning rate or patches changed at most",
    actual: "another study or spacing",
    hint: "Leave --study and --spacing out: network and resolution are those that the model was trained with.",
  });
}
