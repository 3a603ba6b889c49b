/**
 * Where a site is in a study: small documents that make every step of it repeatable.
 *
 * `study/<hash>/round` is written before the work of a round starts (the global model, the optimiser's moments that
 * the round starts from) and once more when its update is made; that second write commits the update and the moments
 * of the next round together. Whatever is killed, the next start finds either the state before the work, and repeats
 * it to the same bits, or the finished update, and sends the same bytes again.
 *
 * Invariants
 * - A round's starting moments never change once written, whatever attempt of the round is asked for.
 * - Rounds never go back.
 * - Objects are in the store before a document names them.
 * - With local running statistics, those after each round are kept while the study lasts: a round's model is always
 *   measured with those of that round, whenever it is measured.
 */
import { z } from "zod";
import { type DataStatistics, dataStatisticsSchema } from "../aggregation/index.ts";
import { ConsiliumError, type Json, type Sha256 } from "../base/index.ts";
import { isLossTold } from "../privacy/index.ts";
import type { Study } from "../study/index.ts";
import { parseDocument } from "./home.ts";
import { readMaskingDocument } from "./masking-document.ts";
import { type Erased, floatsOf, type SiteStore } from "./site-store.ts";

const whole = z.number().int().min(0);
const moments = z.strictObject({
  /** Object: float32 little-endian, in the optimiser's own order. */
  sha256: z.string(),
  /** Gradient steps that made them. */
  stepsTaken: whole,
});

const momentsSchema = z.strictObject({
  patients: whole,
  squares: z.number(),
  timesCases: z.number(),
  casesSquared: z.number(),
});

const regionSchema = z.strictObject({
  region: z.string(),
  diceSum: z.number(),
  diceCases: whole,
  hd95Sum: z.number(),
  hd95Cases: whole,
  diceMoments: momentsSchema.optional(),
  hd95Moments: momentsSchema.optional(),
});

const updateSchema = z.strictObject({
  sha256: z.string(),
  bytes: whole,
  trainingCases: whole,
  gradientSteps: whole,
  clippedCoordinates: whole,
  /** Stays here where the study has patient-level privacy. */
  meanLoss: z.number().nullable(),
  /** Canonical JSON. */
  runRecord: z.string(),
  momentsAfter: moments,
  /** With a short encoding: object of float32, what this round's update and those before it left unsaid. */
  residualAfter: z.string().optional(),
  /** With local running statistics: object of float32, the site's own after this round. */
  statisticsAfter: z.string().optional(),
  /** With `privacy.siteLevel`: what the update was clipped to, and whether it was within that as it was. */
  clipped: z.strictObject({ clipNorm: z.number(), within: z.boolean() }).optional(),
  /** With `rounds.evaluateLocal`: scores before training and after it. */
  local: z.strictObject({ cases: whole, before: z.array(regionSchema), after: z.array(regionSchema) }).optional(),
});
export type MadeUpdate = z.infer<typeof updateSchema>;

const roundSchema = z.strictObject({
  round: whole,
  globalSha256: z.string(),
  globalBytes: whole,
  /** The study's ONNX model, where its network is a file. */
  networkSha256: z.string().optional(),
  /** Null at the start of a study, and in every round where the study starts them anew. */
  momentsBefore: moments.nullable(),
  /** With a short encoding: what updates before this round left unsaid. */
  residualBefore: z.string().optional(),
  /** With local running statistics: this site's own after each round that it trained, the first one first. */
  statistics: z.array(z.strictObject({ round: whole, sha256: z.string() })).optional(),
  update: updateSchema.optional(),
});
export type RoundProgress = z.infer<typeof roundSchema>;

const evaluationSchema = z.strictObject({
  round: whole,
  modelSha256: z.string(),
  cases: whole,
  regions: z.array(regionSchema),
});
/** What was measured of one model: sums over the cases where a figure is defined. */
export type MadeEvaluation = z.infer<typeof evaluationSchema>;

const crossSchema = evaluationSchema.omit({ modelSha256: true }).extend({
  /** Whose model, and the update that made it. */
  ofSite: z.string(),
  updateSha256: z.string(),
});
/** One cell of a cross-site matrix. */
export type MadeCrossEvaluation = z.infer<typeof crossSchema>;

const endSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("failed"), reason: z.string(), endedAtMs: z.number() }),
  z.strictObject({
    kind: z.literal("done"),
    finalSha256: z.string(),
    bestSha256: z.string(),
    bestRound: whole,
    /** The model of the highest mean Dice in each region. */
    byRegion: z.record(z.string(), z.strictObject({ round: whole, sha256: z.string() })).optional(),
    /** The study's ONNX model, where its network is a file: without it the weights are no model. */
    networkSha256: z.string().optional(),
    endedAtMs: z.number(),
  }),
]);
export type StudyEnd = z.infer<typeof endSchema>;

export interface RoundOrder {
  readonly studyHash: Sha256;
  readonly round: number;
  readonly globalSha256: Sha256;
  readonly globalBytes: number;
}

export async function readRound(store: SiteStore, studyHash: Sha256): Promise<RoundProgress | undefined> {
  return readPart(store, studyHash, "round", roundSchema);
}

/**
 * The state that the ordered round starts from, on disk when this returns.
 *
 * @throws ConsiliumError `study-not-approved` for a round beyond the study's; `update-wrong-round` for one before the one that this site is in; `privacy-work-differs`
 * where a round with noise is asked for from another model than before
 */
export async function beginRound(store: SiteStore, study: Study, order: RoundOrder): Promise<RoundProgress> {
  const { studyHash, round, globalSha256, globalBytes } = order;
  checkApproved(study, order);
  const last = await readRound(store, studyHash);
  if (last?.round === round && last.globalSha256 === globalSha256) return last;
  if (last !== undefined && round < last.round) {
    throw new ConsiliumError("update-wrong-round", {
      subject: `study ${studyHash.slice(0, 12)}`,
      expected: `round ${last.round} or later`,
      actual: `an order for round ${round}`,
      hint: "The coordinator went back: was it restored from an old copy? The study has to be started anew.",
    });
  }
  if (last?.round === round && last.update !== undefined && !isLossTold(study)) {
    throw new ConsiliumError("privacy-work-differs", {
      subject: `study ${studyHash.slice(0, 12)}, round ${round}`,
      expected: `the round's model ${last.globalSha256.slice(0, 12)}, from which its update was made`,
      actual: globalSha256.slice(0, 12),
      hint: "A second update of one round would tell more about patients than the study declares: ask the study lead.",
    });
  }
  const carried =
    last?.round === round ? last.momentsBefore : (last?.update?.momentsAfter ?? last?.momentsBefore ?? null);
  const { optimiserState, controlVariate } = study.training;
  const momentsBefore = optimiserState === "keep" || controlVariate ? carried : null;
  const network = study.network.kind === "onnx" ? study.network.sha256 : undefined;
  const residualBefore =
    last?.round === round ? last.residualBefore : (last?.update?.residualAfter ?? last?.residualBefore);
  const statistics = last?.round === round ? last.statistics : last && ownStatistics(last);
  const begun: RoundProgress = {
    round,
    globalSha256,
    globalBytes,
    ...(network !== undefined && { networkSha256: network }),
    momentsBefore,
    ...(residualBefore !== undefined && { residualBefore }),
    ...(statistics !== undefined && { statistics }),
  };
  await store.write(`study/${studyHash}/round`, begun);
  return begun;
}

/** All running statistics of the site's own; undefined where it has none. */
function ownStatistics({ round, statistics, update }: RoundProgress): RoundProgress["statistics"] {
  if (update?.statisticsAfter === undefined) return statistics;
  return [...(statistics ?? []), { round, sha256: update.statisticsAfter }];
}

/**
 * The site's own running statistics for the model of a round: after that round, or the last before it that the site
 * trained. Undefined where it trained none, and in studies whose statistics do not stay at the sites.
 */
export function statisticsOfRound(progress: RoundProgress | undefined, round: number): Sha256 | undefined {
  return (progress && ownStatistics(progress))?.findLast((each) => each.round <= round)?.sha256;
}

/** The same, read, as a request to the engine names them. */
export async function statisticsFor(
  store: SiteStore,
  progress: RoundProgress | undefined,
  round: number,
): Promise<{ readonly runningStatistics?: Float32Array }> {
  const sha256 = statisticsOfRound(progress, round);
  return sha256 === undefined ? {} : { runningStatistics: await floatsOf(store, sha256) };
}

/** A study may be cut short while it runs; to more rounds than its reviewer approved a site does not go. */
function checkApproved({ rounds }: Study, { studyHash, round }: RoundOrder): void {
  if (round <= rounds.count) return;
  throw new ConsiliumError("study-not-approved", {
    subject: `study ${studyHash.slice(0, 12)}, round ${round}`,
    expected: `one of the ${rounds.count} rounds that this site's reviewer approved`,
    actual: "one beyond them",
    hint: "Ask the study lead for a study of its own, which begins from this one's model.",
  });
}

/** Commits a finished update, and with it the moments of the next round. */
export async function commitUpdate(
  store: SiteStore,
  studyHash: Sha256,
  begun: RoundProgress,
  update: MadeUpdate,
): Promise<void> {
  await store.write(`study/${studyHash}/round`, { ...begun, update });
}

export async function readEvaluation(store: SiteStore, studyHash: Sha256): Promise<MadeEvaluation | undefined> {
  return readPart(store, studyHash, "evaluation", evaluationSchema);
}

export async function commitEvaluation(store: SiteStore, studyHash: Sha256, made: MadeEvaluation): Promise<void> {
  await store.write(`study/${studyHash}/evaluation`, made);
}

/** The cell that was measured last. */
export async function readCrossEvaluation(
  store: SiteStore,
  studyHash: Sha256,
): Promise<MadeCrossEvaluation | undefined> {
  return readPart(store, studyHash, "cross-evaluation", crossSchema);
}

export async function commitCrossEvaluation(
  store: SiteStore,
  studyHash: Sha256,
  made: MadeCrossEvaluation,
): Promise<void> {
  await store.write(`study/${studyHash}/cross-evaluation`, made);
}

export async function readStatistics(store: SiteStore, studyHash: Sha256): Promise<DataStatistics | undefined> {
  return (await readPart(store, studyHash, "statistics", dataStatisticsSchema)) as DataStatistics | undefined;
}

export async function commitStatistics(store: SiteStore, studyHash: Sha256, told: DataStatistics): Promise<void> {
  await store.write(`study/${studyHash}/statistics`, told as unknown as Json);
}

export async function readEnd(store: SiteStore, studyHash: Sha256): Promise<StudyEnd | undefined> {
  return readPart(store, studyHash, "end", endSchema);
}

export async function commitEnd(store: SiteStore, studyHash: Sha256, end: StudyEnd): Promise<void> {
  await store.write(`study/${studyHash}/end`, end);
}

/**
 * Deletes the objects that no study of this site needs any more, and says how many.
 * @param besides what is needed beside what documents name
 */
export async function dropUnneededObjects(store: SiteStore, besides: readonly Sha256[] = []): Promise<Erased> {
  const needed = new Set<Sha256>(besides);
  for (const studyHash of await knownStudies(store)) {
    const end = await readEnd(store, studyHash);
    if (end !== undefined) {
      if (end.kind === "done") {
        for (const hash of await statisticsOfModels(store, studyHash, end)) needed.add(hash);
        const byRegion = Object.values(end.byRegion ?? {}).map(({ sha256 }) => sha256);
        for (const hash of [end.finalSha256, end.bestSha256, ...byRegion]) needed.add(hash);
        if (end.networkSha256 !== undefined) needed.add(end.networkSha256);
      }
      continue;
    }
    const round = await readRound(store, studyHash);
    const hashes = [
      round?.globalSha256,
      round?.networkSha256,
      round?.momentsBefore?.sha256,
      round?.update?.sha256,
      round?.update?.momentsAfter.sha256,
      round?.residualBefore,
      round?.update?.residualAfter,
      ...((round && ownStatistics(round)) ?? []).map(({ sha256 }) => sha256),
      (await readMaskingDocument(store, studyHash))?.masked?.sha256,
    ];
    for (const hash of hashes) if (hash !== undefined) needed.add(hash);
  }
  return store.retainObjects(needed);
}

/** Of the models that a study ended with; the last model's are the last. */
async function statisticsOfModels(
  store: SiteStore,
  studyHash: Sha256,
  { bestRound, byRegion = {} }: StudyEnd & { readonly kind: "done" },
): Promise<Sha256[]> {
  const progress = await readRound(store, studyHash);
  const rounds = [bestRound, ...Object.values(byRegion).map(({ round }) => round), Number.POSITIVE_INFINITY];
  return rounds.flatMap((round) => statisticsOfRound(progress, round) ?? []);
}

/**
 * This site's own running statistics for the model of a round; the last where no round is given. Undefined where the
 * study averages them or has none, and where the site trained nothing.
 */
export async function ownStatisticsOf(
  store: SiteStore,
  studyHash: Sha256,
  round = Number.POSITIVE_INFINITY,
): Promise<Float32Array | undefined> {
  return (await statisticsFor(store, await readRound(store, studyHash), round)).runningStatistics;
}

/** Hashes of the studies that this site worked in. */
export async function knownStudies(store: SiteStore): Promise<Sha256[]> {
  const names = await store.list("study/");
  return [...new Set(names.map((name) => name.split("/")[1]))];
}

async function readPart<T>(store: SiteStore, hash: Sha256, part: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const name = `study/${hash}/${part}`;
  const value = await store.read(name);
  return value === undefined ? undefined : parseDocument(schema, value, `${name}.json`);
}
