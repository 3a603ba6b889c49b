export { canonicalJson, type Json } from "./canonical-json.ts";
export { type Clock, systemClock } from "./clock.ts";
export { ConsiliumError, type ErrorFields, invariant } from "./error.ts";
export { ERROR_CODES, type ErrorCode, exitCodeOf } from "./error-codes.ts";
export { escapeHtml } from "./escape-html.ts";
export { isSha256, type Sha256, sha256 } from "./hash.ts";
export { LIMITS } from "./limits.ts";
export { createRandom, type Random, type SeedPath } from "./random.ts";
export { startWorkerThread } from "./worker-thread.ts";
