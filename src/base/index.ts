export { type BufferPool, createBufferPool } from "./buffer-pool.ts";
export { canonicalJson, type Json } from "./canonical-json.ts";
export { type Clock, systemClock, systemTimers, type Timers } from "./clock.ts";
export { ConsiliumError, type ErrorFields, invariant, renamed } from "./error.ts";
export { ERROR_CODES, type ErrorCode, exitCodeOf } from "./error-codes.ts";
export { escapeHtml } from "./escape-html.ts";
export { groupedBy } from "./grouped-by.ts";
export { isSha256, type Sha256, sha256 } from "./hash.ts";
export { createTurns } from "./in-turn.ts";
export { LIMITS } from "./limits.ts";
export { listenOnLoopback } from "./listen-on-loopback.ts";
export { median } from "./median.ts";
export { refuseTelemetry } from "./no-telemetry.ts";
export { createRandom, type Random, type SeedPath } from "./random.ts";
export { createRateLimit, type RateLimit } from "./rate-limit.ts";
export { scrollingTable } from "./scrolling-table.ts";
export { sumBy } from "./sum-by.ts";
export { timeLimit } from "./time-limit.ts";
export {
  i32Const,
  instantiate,
  OP,
  place,
  TYPE,
  UPPER_LANES,
  VECTOR_BYTES,
  VECTOR_OP,
  vector,
  type WasmFunction,
} from "./wasm-module.ts";
export { startWorkerThread } from "./worker-thread.ts";
