export { type AggregatedRound, type AggregationRequest, aggregateRound } from "./aggregate-round.ts";
export {
  AXES,
  cellCount,
  cellOf,
  cellStart,
  type DataStatistics,
  dataStatisticsSchema,
  PARTS_OF_UNIT,
  type Spread,
  statisticsProblem,
} from "./data-statistics.ts";
export {
  applySum,
  createExactSum,
  type ExactSum,
  type ExactSumLimits,
  largestTotalWeight,
  type SumApplication,
} from "./exact-sum.ts";
export { addMoments, intervalOfMoments, momentsOf, NO_PATIENTS, type PatientMoments } from "./patient-moments.ts";
export {
  type PooledCells,
  type PooledLabel,
  poolStatistics,
} from "./pool-statistics.ts";
export {
  BYTES_PER_COORDINATE,
  type EncodedUpdate,
  encodeWithFeedback,
  moveByUpdate,
  type QuantisedUpdate,
  quantiseUpdate,
} from "./quantise-update.ts";
export { studentHalfWidth } from "./student-t.ts";
export { encodedBytes, encodeUpdate, type UpdateEncoding } from "./update-encoding.ts";
export { checkUpdate, type UpdateSource } from "./update-reader.ts";
export { coordinateLimit, updateScales } from "./update-scales.ts";
