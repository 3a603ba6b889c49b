export { type AggregatedRound, type AggregationRequest, aggregateRound } from "./aggregate-round.ts";
export { applySum, createExactSum, type ExactSum, type ExactSumLimits, type SumApplication } from "./exact-sum.ts";
export { BYTES_PER_COORDINATE, encodeUpdate, type QuantisedUpdate, quantiseUpdate } from "./quantise-update.ts";
export { checkUpdate, type UpdateSource } from "./update-reader.ts";
export { coordinateLimit, updateScales } from "./update-scales.ts";
