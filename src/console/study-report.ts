/** The report of the study that ended last, out of what the coordinator knows: the same document as a demonstration's. */
import { ConsiliumError, sumBy } from "../base/index.ts";
import {
  type Coordinator,
  type FigureStatus,
  matrixStatuses,
  offIn,
  type RoundRecord,
  roundStatusOf,
  roundsOf,
  stateOfStudy,
  statisticsStatus,
} from "../coordinator/index.ts";
import { type CaseFigure, type RegionMeans, worstSites } from "../segmentation/index.ts";
import { renderReport, type SiteTraffic } from "../simulate/index.ts";
import { withOrderedRegions } from "../study/index.ts";

const PAGE = 500;

/** @param named a study by name or hash, other than the last. @returns HTML. @throws ConsiliumError `study-unknown` where no study has a model yet */
export async function studyReport(
  coordinator: Pick<Coordinator, "state" | "journal">,
  named?: string,
): Promise<string> {
  const state = coordinator.state();
  const { study: record, phase, sites } = named === undefined ? state : stateOfStudy(state, named);
  const records = roundsOf(record);
  if (record === null) throw noReport();
  const { roster, hash } = record;
  const study = withOrderedRegions(record.study);
  const rounds = records.map((round) => roundStatusOf(round, study));
  const wanted = phase.kind === "done" ? phase.bestRound : rounds.at(-1)?.round;
  const told = rounds.find(({ round }) => round === wanted);
  if (told === undefined) throw noReport();
  const regions = Object.keys(study.task.regions);
  const cases = roster.map(({ siteId }) => sites[siteId]?.data);
  const gradientSteps = rounds.reduce((sum, round) => sum + round.trained.gradientSteps, 0);
  const trainingCases =
    study.metrics === "summed" ? told.trained.trainingCases : sumBy(cases, (each) => each?.trainingCases ?? 0);
  const dice = meansOf(told.dice, "dice", regions);
  const siteFigures = roster.map(({ siteId: id }, i) => {
    const own = told.sites.find((site) => site.id === id)?.dice ?? null;
    return {
      id,
      cases: { train: cases[i]?.trainingCases ?? 0, validation: cases[i]?.validationCases ?? 0 },
      dice: own && meansOf(own, "dice", regions),
      hd95: own && meansOf(own, "hd95", regions),
    };
  });
  return renderReport({
    study,
    facts: [
      `${roster.length} hospitals with ${trainingCases} training cases trained one network over ${rounds.length} of ${study.rounds.count} rounds (${gradientSteps} gradient steps in all).`,
      phase.kind === "done"
        ? `The model is that of round ${told.round}.`
        : "The study goes on: these are its figures so far.",
      ...offIn(record),
      `Study ${hash}.`,
    ],
    result: {
      sites: siteFigures,
      evaluatedOn: { kind: "validation", cases: told.dice?.cases ?? 0 },
      federated: {
        dice,
        hd95: meansOf(told.dice, "hd95", regions),
        undefined: {},
        spread: { dice: spreadOf(told.dice, "dice", regions), hd95: spreadOf(told.dice, "hd95", regions) },
        modelSha256: told.modelSha256,
      },
      worstSite: worstSites(siteFigures, regions),
      pooled: null,
      alone: null,
      ratio: null,
      learningRates: null,
      patientLevel: null,
      matrices: matrixStatuses(record),
      rounds: rounds.length,
      gradientSteps,
      seconds: rounds.reduce((sum, { seconds }) => sum + seconds, 0),
      peakRssBytes: 0,
    },
    roundFigures: rounds.map((round) => ({
      round: round.round,
      meanLoss: round.trained.meanLoss,
      dice: round.dice && meansOf(round.dice, "dice", regions),
      leftOut: round.leftOut,
    })),
    pooledTraining: null,
    statistics: statisticsStatus(record),
    traffic: await trafficOf(coordinator, records),
    pictures: [],
    commands: ["consilium study submit --home HOME study.yaml", "consilium model export --home HOME --out model"],
  });
}

function meansOf(figures: FigureStatus | null, which: "dice" | "hd95", regions: readonly string[]): RegionMeans {
  const values = regions.map((region) => [region, figures?.regions[region]?.[which] ?? null] as const);
  const defined = values.flatMap(([, value]) => (value === null ? [] : [value]));
  const mean = defined.length === 0 ? null : defined.reduce((a, b) => a + b, 0) / defined.length;
  return { ...Object.fromEntries(values), mean };
}

/** Sites send sums: intervals follow from these, the worst tenth of the cases does not. */
function spreadOf(figures: FigureStatus | null, which: "dice" | "hd95", regions: readonly string[]) {
  return Object.fromEntries(
    regions.map((region): [string, CaseFigure] => {
      const own = figures?.regions[region];
      const mean = own?.[which] ?? null;
      const cases = mean === null ? 0 : (figures?.cases ?? 0);
      return [region, { mean, interval: own?.[`${which}Interval`] ?? null, worstTenth: null, cases }];
    }),
  );
}

/** Updates as they were counted, and the signed messages that the journal keeps. */
async function trafficOf(
  { journal }: Pick<Coordinator, "journal">,
  rounds: readonly RoundRecord[],
): Promise<SiteTraffic[]> {
  const traffic = new Map<string, { updates: number; updateBytes: number; messages: number; messageBytes: number }>();
  const of = (siteId: string) => {
    const known = traffic.get(siteId) ?? { updates: 0, updateBytes: 0, messages: 0, messageBytes: 0 };
    traffic.set(siteId, known);
    return known;
  };
  for (const [siteId, { bytes }] of rounds.flatMap(({ updates }) => Object.entries(updates))) {
    of(siteId).updates += 1;
    of(siteId).updateBytes += bytes;
  }
  for (let after = 0; ; ) {
    const page = await journal.page(after, PAGE);
    for (const { body } of page) {
      const { siteId, evidence } = JSON.parse(body) as { siteId?: string; evidence?: Record<string, string> };
      if (siteId === undefined || evidence === undefined) continue;
      of(siteId).messages += 1;
      of(siteId).messageBytes += evidence.header.length + ((evidence.body.length + evidence.signature.length) * 3) / 4;
    }
    if (page.length < PAGE) break;
    after = page.at(-1)?.number ?? after;
  }
  return [...traffic].sort(([a], [b]) => (a < b ? -1 : 1)).map(([siteId, each]) => ({ siteId, ...each }));
}

function noReport(): ConsiliumError {
  return new ConsiliumError("study-unknown", {
    subject: "report",
    expected: "a study with a round that was summed",
    actual: "none yet",
    hint: "The report begins with the first round's model.",
  });
}
