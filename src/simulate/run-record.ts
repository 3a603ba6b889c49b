/** A finished study as reports tell it, read from the coordinator's state and the sites' own logs. */
import { invariant, sumBy } from "../base/index.ts";
import {
  type CoordinatorState,
  matrixStatuses,
  modelSigner,
  type RoundRecord,
  roundsOf,
  statisticsStatus,
} from "../coordinator/index.ts";
import type { Parameters } from "../graph/index.ts";
import type { RegionMeans } from "../segmentation/index.ts";
import { casesOf, departuresIn, ownStatisticsOf, readRegisteredData, readSiteLog, type Site } from "../site/index.ts";
import type { FederatedRun, SiteOfRun } from "./federated-run.ts";
import type { RoundFigures, SiteTraffic } from "./report.ts";
import { stepsOfSite } from "./site-steps.ts";

type Study = NonNullable<CoordinatorState["study"]>;
type Sums = NonNullable<RoundRecord["evaluation"]>["regions"];

/**
 * @param coordinatorHome whose key signs the model.
 * @param model the weights of the round that was chosen.
 */
export async function describeRun(
  coordinatorHome: string,
  state: CoordinatorState,
  sites: readonly Site[],
  model: Parameters,
  modelRound: number,
): Promise<FederatedRun> {
  const record = state.study ?? state.past.at(-1)?.record;
  invariant(record !== undefined, "a study in a run that ended");
  const rounds = roundsOf(record);
  const evaluation = rounds.find(({ round }) => round === modelRound)?.evaluation;
  return {
    model,
    modelRound,
    studyHash: record.hash,
    sites: await Promise.all(
      sites.map((site) => describeSite(site, record, rounds, modelRound, evaluation?.sites[site.siteId]?.regions)),
    ),
    signer: await modelSigner(coordinatorHome),
    rounds: rounds.map(describeRound),
    statistics: statisticsStatus(record),
    matrices: matrixStatuses(record),
    traffic: await Promise.all(sites.map(describeTraffic)),
    gradientSteps: sumBy(rounds, ({ updates, figures }) => {
      return figures?.gradientSteps ?? sumBy(Object.values(updates), ({ gradientSteps }) => gradientSteps);
    }),
  };
}

async function describeSite(
  site: Site,
  { hash, study }: Study,
  rounds: readonly RoundRecord[],
  modelRound: number,
  sums: Sums | undefined,
): Promise<SiteOfRun> {
  const statistics = await ownStatisticsOf(site.store, hash, modelRound);
  const registered = await readRegisteredData(site.store);
  const cases = registered?.cases ?? [];
  const split = registered?.split ?? {};
  const [training, validation] = [casesOf(cases, split, "training"), casesOf(cases, split, "validation")];
  const told = sums !== undefined && Object.keys(sums).length > 0;
  return {
    id: site.siteId,
    data: {
      siteId: site.siteId,
      trainingCases: training,
      validationCases: validation,
      convention: registered?.convention ?? "brats2021",
    },
    cases: { train: training.length, validation: validation.length },
    steps: stepsOfSite(study, rounds, { siteId: site.siteId, trainingCases: training.length }),
    dice: told ? means(sums, ({ diceSum, diceCases }) => [diceSum, diceCases]) : null,
    hd95: told ? means(sums, ({ hd95Sum, hd95Cases }) => [hd95Sum, hd95Cases]) : null,
    ...(statistics && { runningStatistics: statistics }),
  };
}

function describeRound({ round, updates, evaluation, leftOut, figures }: RoundRecord): RoundFigures {
  const all = Object.values(updates);
  const steps = sumBy(all, ({ gradientSteps }) => gradientSteps);
  const told = all.every(({ meanLoss }) => meanLoss !== null);
  const loss = sumBy(all, ({ meanLoss, gradientSteps }) => (meanLoss ?? 0) * gradientSteps);
  const sums = evaluation?.regions;
  return {
    round,
    meanLoss: figures !== undefined ? meanLossOf(figures) : told && steps > 0 ? loss / steps : null,
    dice: sums === undefined ? null : means(sums, ({ diceSum, diceCases }) => [diceSum, diceCases]),
    leftOut,
  };
}

function meanLossOf({ lossSum, lossSteps }: NonNullable<RoundRecord["figures"]>): number | null {
  return lossSteps > 0 ? lossSum / lossSteps : null;
}

async function describeTraffic(site: Site): Promise<SiteTraffic> {
  const log = await readSiteLog(site.home);
  const updates = log.filter(({ what }) => what === "update");
  const messages = log.filter(({ what }) => what !== "update");
  return {
    siteId: site.siteId,
    updates: updates.length,
    updateBytes: sumBy(updates, ({ bytes }) => bytes),
    messages: departuresIn(messages),
    messageBytes: sumBy(messages, ({ bytes }) => bytes),
  };
}

/** Mean of each region over cases, and `mean`: the mean of the regions that have one. */
function means(sums: Sums, of: (region: Sums[string]) => readonly [sum: number, cases: number]): RegionMeans {
  const byRegion = Object.entries(sums).map(([region, regionSums]) => {
    const [sum, cases] = of(regionSums);
    return [region, cases === 0 ? null : sum / cases] as const;
  });
  const defined = byRegion.flatMap(([, value]) => (value === null ? [] : [value]));
  const mean = defined.length === 0 ? null : defined.reduce((a, b) => a + b, 0) / defined.length;
  return { ...Object.fromEntries(byRegion), mean };
}
