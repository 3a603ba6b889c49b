/** Where a study that ended left its model: in a coordinator's home, or in the home of a site that helped to make it. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError, sumBy } from "../base/index.ts";
import type { WantedModel, WhichModel } from "../console/index.ts";
import type { CoordinatorStatus, FigureStatus } from "../coordinator/index.ts";
import { parametersFromSafetensors, pickParameters } from "../graph/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import { issuerIn } from "../protocol/index.ts";
import {
  type CardFacts,
  cardFiguresOfMeans,
  type MeanFigures,
  type ModelDescription,
  type ModelSigner,
  withRunningStatistics,
  writeModelFolder,
} from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";

interface EndedStudy {
  readonly study: Study;
  readonly studyHash: string;
  readonly weights: Uint8Array;
  readonly modelBytes: Uint8Array | undefined;
  /** Undefined where the home does not tell. */
  readonly round: number | undefined;
  readonly signer: ModelSigner;
  /** The sites with their counts and figures; empty where the home does not tell. */
  readonly sites: CardFacts["sites"];
  /** Means over all sites' validation cases; undefined where the home does not tell. */
  readonly figures: MeanFigures | undefined;
  readonly gradientSteps: number | null;
  /** A site's own running statistics, where the study leaves them there and the site has trained. */
  readonly statistics: Float32Array | undefined;
}

/** @throws ConsiliumError `home-invalid`, `study-unknown` where no study has ended, `file-exists` for a used folder. */
export async function exportModel(
  home: string,
  wanted: WantedModel,
  out: string,
  productVersion: string,
): Promise<ModelDescription> {
  const ended = existsSync(join(home, "coordinator.json"))
    ? await fromCoordinator(home, wanted)
    : await fromSite(home, wanted, productVersion);
  const { study, studyHash, weights, modelBytes, round, signer, sites, figures, gradientSteps, statistics } = ended;
  const label = labelOf(wanted.which);
  const network = networkOfStudy(study, modelBytes);
  const { layout } = networkParameters(network);
  const global = pickParameters(parametersFromSafetensors(weights, "the study's model"), layout);
  return writeModelFolder(out, {
    study,
    network,
    parameters: { layout, data: withRunningStatistics(layout, global.data, statistics) },
    facts: {
      sites,
      round: round ?? null,
      gradientSteps,
      hasSiteStatistics: statistics !== undefined,
      evaluation: {
        on: figures === undefined ? "nothing" : "validation",
        figures: figures === undefined ? null : cardFiguresOfMeans(figures),
      },
      lineage: { kind: "federation", studyHash, which: label, parent: null },
    },
    signer,
  });
}

function labelOf(which: WhichModel): string {
  if (typeof which !== "string") return `the best model by validation of ${which.region}`;
  return which === "best" ? "the best model by validation" : "the model of the last round";
}

/** @throws ConsiliumError `study-unknown` */
function ofRegion<T>(byRegion: Readonly<Record<string, T>>, region: string): T {
  if (Object.hasOwn(byRegion, region)) return byRegion[region];
  throw new ConsiliumError("study-unknown", {
    subject: `the best model of ${region}`,
    expected: Object.keys(byRegion).length > 0 ? `one of ${Object.keys(byRegion).join(", ")}` : "a site with figures",
    actual: Object.keys(byRegion).length > 0 ? region : "none: models were never compared",
    hint: "`consilium status --home HOME` shows the study's regions and their figures.",
  });
}

async function fromCoordinator(home: string, { which, study: named }: WantedModel): Promise<EndedStudy> {
  const { adminClient, modelSigner } = await import("../coordinator/index.ts");
  const { studyHash } = await import("../study/index.ts");
  const result = await adminClient(home).result(named);
  const model =
    typeof which !== "string"
      ? result && ofRegion(result.bestByRegion, which.region)
      : which === "best"
        ? result?.bestModel
        : result?.finalModel;
  if (result === undefined || model === null || model === undefined) throw notEnded();
  const told = factsOf(await adminClient(home).status(named), model.round, result.study);
  return {
    study: result.study,
    studyHash: studyHash(result.study),
    weights: await readFile(model.path),
    modelBytes: result.network === null ? undefined : await readFile(result.network.path),
    round: model.round,
    signer: await modelSigner(home),
    statistics: undefined,
    ...told,
  };
}

/** Counts and figures of the round that the model comes from, as the coordinator's status tells them. */
function factsOf(
  { study, sites }: CoordinatorStatus,
  modelRound: number,
  { metrics }: Study,
): Pick<EndedStudy, "sites" | "figures" | "gradientSteps"> {
  const rounds = study?.rounds ?? [];
  const round = rounds.find((each) => each.round === modelRound);
  const figuresOf = (figures: FigureStatus | null): MeanFigures | null =>
    figures === null ? null : { cases: figures.cases, regions: figures.regions };
  const overall = figuresOf(round?.dice ?? null);
  return {
    sites: (study?.roster ?? []).map((id) => {
      const counts = sites.find((site) => site.id === id)?.cases ?? { training: 0, validation: 0 };
      const own = figuresOf(round?.sites.find((site) => site.id === id)?.dice ?? null);
      const figures = metrics === "summed" || own === null ? null : cardFiguresOfMeans(own);
      return { id, training: counts.training, validation: counts.validation, figures };
    }),
    figures: overall !== null && overall.cases > 0 ? overall : undefined,
    gradientSteps: sumBy(rounds, ({ trained }) => trained.gradientSteps),
  };
}

async function fromSite(
  home: string,
  { which, study: named }: WantedModel,
  productVersion: string,
): Promise<EndedStudy> {
  const { ownStatisticsOf, readSite, reviewStudies, siteStatus } = await import("../site/index.ts");
  const { studies } = await siteStatus(home);
  const done = studies.filter(({ end }) => end?.kind === "done");
  const { studyNamed } = await import("../coordinator/index.ts");
  const ended =
    named === undefined
      ? done.at(0)
      : studyNamed(
          done.map((each) => ({ ...each, study: each.name })),
          named,
        );
  if (ended?.end?.kind !== "done") throw notEnded();
  const { reviews } = await reviewStudies({ home, productVersion });
  const review = reviews.find(({ studyHash }) => studyHash === ended.studyHash);
  if (review === undefined) throw notEnded();
  const { study, studyHash } = review;
  const { store, keyPem, certificatePem, authorityPem } = await readSite(home);
  const { network } = study;
  const { finalSha256, bestSha256, bestRound, byRegion = {} } = ended.end;
  const chosen: { readonly sha256: string; readonly round?: number } =
    typeof which !== "string"
      ? ofRegion(byRegion, which.region)
      : which === "best"
        ? { sha256: bestSha256, round: bestRound }
        : { sha256: finalSha256 };
  return {
    study,
    studyHash,
    weights: await store.object(chosen.sha256),
    modelBytes: network.kind === "onnx" ? await store.object(network.sha256 ?? "") : undefined,
    round: chosen.round,
    signer: { role: "site", keyPem, certificatePem, authorityPem: issuerIn(authorityPem, certificatePem) },
    // A site knows neither the other sites' counts nor their figures.
    sites: [],
    figures: undefined,
    gradientSteps: null,
    statistics: await ownStatisticsOf(store, studyHash, chosen.round),
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
