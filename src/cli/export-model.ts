/** Where a study that ended left its model: in a coordinator's home, or in the home of a site that helped to make it. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { parametersFromSafetensors } from "../graph/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import { type ModelDescription, writeModelFolder } from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";

export type WhichModel = "best" | "final";

interface EndedStudy {
  readonly study: Study;
  readonly studyHash: string;
  readonly weights: Uint8Array;
  readonly modelBytes: Uint8Array | undefined;
  /** Undefined where the home does not tell. */
  readonly round: number | undefined;
}

/** @throws ConsiliumError `home-invalid`, `study-unknown` where no study has ended, `file-exists` for a used folder. */
export async function exportModel(
  home: string,
  which: WhichModel,
  out: string,
  productVersion: string,
): Promise<ModelDescription> {
  const { study, studyHash, weights, modelBytes, round } = existsSync(join(home, "coordinator.json"))
    ? await fromCoordinator(home, which)
    : await fromSite(home, which, productVersion);
  return writeModelFolder(out, {
    study,
    network: networkOfStudy(study, modelBytes),
    parameters: parametersFromSafetensors(weights, "the study's model"),
    lineage: { studyHash, which, ...(round !== undefined && { round }) },
    notes: `## Lineage\n\nStudy \`${studyHash}\`, ${which === "best" ? "best model by validation" : "model of the last round"}.\n`,
  });
}

async function fromCoordinator(home: string, which: WhichModel): Promise<EndedStudy> {
  const { adminClient } = await import("../coordinator/index.ts");
  const { studyHash } = await import("../study/index.ts");
  const result = await adminClient(home).result();
  const model = which === "best" ? result?.bestModel : result?.finalModel;
  if (result === undefined || model === null || model === undefined) throw notEnded();
  return {
    study: result.study,
    studyHash: studyHash(result.study),
    weights: await readFile(model.path),
    modelBytes: result.network === null ? undefined : await readFile(result.network.path),
    round: model.round,
  };
}

async function fromSite(home: string, which: WhichModel, productVersion: string): Promise<EndedStudy> {
  const { readSite, reviewStudies, siteStatus } = await import("../site/index.ts");
  const { studies } = await siteStatus(home);
  const ended = studies.find(({ end }) => end?.kind === "done");
  if (ended?.end?.kind !== "done") throw notEnded();
  const { reviews } = await reviewStudies({ home, productVersion });
  const review = reviews.find(({ studyHash }) => studyHash === ended.studyHash);
  if (review === undefined) throw notEnded();
  const { study, studyHash } = review;
  const { store } = await readSite(home);
  const { network } = study;
  return {
    study,
    studyHash,
    weights: await store.object(which === "best" ? ended.end.bestSha256 : ended.end.finalSha256),
    modelBytes: network.kind === "onnx" ? await store.object(network.sha256 ?? "") : undefined,
    round: which === "best" ? ended.end.bestRound : undefined,
  };
}

function notEnded(): ConsiliumError {
  return new ConsiliumError("study-unknown", {
    subject: "home",
    expected: "a study that ended with a model",
    actual: "none",
    hint: "See where it is: `consilium status --home HOME`, or `consilium site status` at a site.",
  });
}
