/**
 * Training at a site with patient-level privacy (DP-SGD): each step moves the network by a noised mean of clipped
 * gradients, one for each patient who happens to take part.
 *
 * Who takes part, which patches are cut, how they are varied and the noise come from a cryptographic generator, never
 * from the study's seed, which the coordinator knows. Each patient's patches are drawn apart from all others', so that
 * one patient more or less changes nothing of the rest. The same request therefore gives other bits each time: what
 * was made is kept and sent again, never made again (`site/train-round.ts`).
 */
import { randomBytes } from "node:crypto";
import { invariant } from "../base/index.ts";
import type { CaseFiles, Triple } from "../imaging/index.ts";
import { createCryptoRandom, createPatientSum, samplePatients } from "../privacy/index.ts";
import type { GradientSession } from "../runtime/index.ts";
import type { Study } from "../study/index.ts";
import { drawPatch, patchSettings } from "./patches.ts";
import type { TrainingCase } from "./training-case.ts";

export interface PrivateTraining {
  readonly study: Study;
  readonly session: GradientSession;
  readonly trainingCases: readonly CaseFiles[];
  readonly open: (files: CaseFiles) => Promise<TrainingCase>;
  readonly steps: number;
  /** @param shareOfRound how much of the round is done, in [0, 1). */
  readonly learningRate: (shareOfRound: number) => number;
  readonly signal?: AbortSignal | undefined;
  /** @param loss mean over the step's patches; undefined where nobody took part. */
  readonly onStep: (done: number, loss: number | undefined) => void;
}

/** @returns the mean loss over all patches, for this site's own eyes; null where nobody took part in any step. */
export async function trainPrivately(work: PrivateTraining): Promise<number | null> {
  const { study, session, steps } = work;
  const { patientLevel } = study.privacy;
  invariant(patientLevel !== undefined, "a study with patient-level privacy");
  const patients = patientsOf(work.trainingCases);
  const random = createCryptoRandom({ randomBytes });
  const sum = createPatientSum({
    length: session.layout.length,
    clipNorm: patientLevel.clipNorm,
    noiseMultiplier: patientLevel.noiseMultiplier,
    expectedPatients: patientLevel.samplingRate * patients.length,
    random,
  });
  const buffers = patchBuffers(study);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const before = losses.length;
    for (const patient of samplePatients(patients.length, patientLevel.samplingRate, random)) {
      sum.add(await gradientOfPatient(work, patients[patient], patientLevel.patchesPerScan, buffers, losses));
    }
    work.signal?.throwIfAborted();
    await session.apply(sum.noisedMean(), work.learningRate(step / steps));
    work.onStep(step + 1, mean(losses.slice(before)) ?? undefined);
  }
  return mean(losses);
}

/** Every scan of a person together, in the order of their names. */
export function patientsOf(cases: readonly CaseFiles[]): CaseFiles[][] {
  const bySubject = new Map<string, CaseFiles[]>();
  for (const each of cases) bySubject.set(each.subject, [...(bySubject.get(each.subject) ?? []), each]);
  return [...bySubject].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, scans]) => scans);
}

interface PatchBuffers {
  readonly image: Float32Array;
  readonly labels: Uint8Array;
}

function patchBuffers({ task, training }: Study): PatchBuffers {
  const [x, y, z] = training.patch as Triple;
  return { image: new Float32Array(task.channels.length * x * y * z), labels: new Uint8Array(x * y * z) };
}

/** Summed over the patches of all of the patient's scans, [P]. */
async function gradientOfPatient(
  { study, session, open, signal }: PrivateTraining,
  scans: readonly CaseFiles[],
  patchesPerScan: number,
  { image, labels }: PatchBuffers,
  losses: number[],
): Promise<Float32Array> {
  let total: Float32Array | undefined;
  for (const files of scans) {
    const source = await open(files);
    for (let patch = 0; patch < patchesPerScan; patch++) {
      drawPatch(source, patchSettings(study), ["private patch", randomBytes(32).toString("hex")], image, labels);
      signal?.throwIfAborted();
      const { loss, gradient } = await session.gradient({ image, labels });
      losses.push(loss);
      if (total === undefined) total = gradient;
      else for (let i = 0; i < total.length; i++) total[i] += gradient[i];
    }
  }
  invariant(total !== undefined, "a patient with a scan");
  return total;
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
