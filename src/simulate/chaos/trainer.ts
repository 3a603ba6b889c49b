/**
 * The only part of a simulated site that is not the product's: instead of an engine, gradient descent with momentum on
 * a quadratic whose minimum each case shifts. Parameters, moments, rounds, cases and sites all enter its bits.
 */
import { createRandom } from "../../base/index.ts";
import type { CaseScores, LocalWork, SiteData } from "../../segmentation/index.ts";
import type { Study } from "../../study/index.ts";

/** @param rest is awaited before each step, so that training takes time and can be interrupted */
export function quadraticTrainer(study: Study, data: SiteData, rest: () => Promise<void>): LocalWork {
  const { learningRate } = study.training.optimiser;
  return {
    async train({ parameters, optimiserState, stepsTaken, round, siteId, steps }, onProgress) {
      const weights = parameters.slice();
      const moments = optimiserState?.slice() ?? new Float32Array(weights.length);
      let lossSum = 0;
      for (let step = 0; step < steps; step++) {
        await rest();
        const random = createRandom(study.training.seed, "case", siteId, round, step);
        const target = targetOf(data.trainingCases[random.integer(data.trainingCases.length)].id, weights.length);
        let loss = 0;
        for (let i = 0; i < weights.length; i++) {
          const gradient = weights[i] - target[i];
          loss += (gradient * gradient) / weights.length;
          moments[i] = 0.9 * moments[i] + gradient;
          weights[i] -= learningRate * moments[i];
        }
        lossSum += loss;
        onProgress?.({ done: step + 1, total: steps, loss });
      }
      const runRecord = { engine: "quadratic", threads: 1 };
      const meanLoss = lossSum / steps;
      return {
        parameters: weights,
        optimiserState: moments,
        stepsTaken: stepsTaken + steps,
        meanLoss,
        steps,
        runRecord,
      };
    },
    async evaluate({ parameters }, onProgress) {
      const total = data.validationCases.length;
      const regionsOf = (id: string) => {
        const target = targetOf(id, parameters.length);
        const error = parameters.reduce((sum, value, k) => sum + Math.abs(value - target[k]), 0) / parameters.length;
        const figures = { dice: 1 / (1 + error), hd95: error, sensitivity: 1, specificity: 1 };
        return Object.fromEntries(Object.keys(study.task.regions).map((region) => [region, figures]));
      };
      const scores: CaseScores[] = [];
      for (const { id } of data.validationCases) {
        await rest();
        scores.push({ caseId: id, regions: regionsOf(id) });
        onProgress?.({ done: scores.length, total });
      }
      return scores;
    },
    close: async () => undefined,
  };
}

function targetOf(caseId: string, length: number): Float32Array {
  const random = createRandom("target", caseId);
  return Float32Array.from({ length }, () => random.between(-1, 1));
}
