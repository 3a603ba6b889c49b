/**
 * What was done to private data, as records: a mechanism, how often, on which sample. A record says nothing of epsilon;
 * accountants interpret records, so that a better accountant improves the account of work that is long done.
 *
 * The idea of events apart from accountants is that of Google's dp-accounting; kinds and members are our own.
 *
 * Invariants:
 * - Noise multipliers are standard deviations over the L2 sensitivity to adding or removing one unit (a patient at
 *   patient level, a site at site level).
 * - An event that no accountant understands is refused, never skipped.
 */
import { z } from "zod";
import { ConsiliumError } from "../../base/index.ts";

const noiseMultiplier = z.number().positive().finite();
const times = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

const gaussian = z.strictObject({ kind: z.literal("gaussian"), noiseMultiplier });

const leafSchema = z.discriminatedUnion("kind", [
  gaussian,
  /** Noise from the discrete Gaussian on integers, in units of an integer sensitivity (Canonne et al. 2020). */
  z.strictObject({ kind: z.literal("discreteGaussian"), noiseMultiplier }),
  /** A sum of discrete Gaussians, one drawn at each site (Kairouz, Liu and Steinke 2021). */
  z.strictObject({
    kind: z.literal("distributedDiscreteGaussian"),
    /** Sites whose noise is certainly in the sum: survivors that do not collude. */
    sites: times,
    /** Standard deviation of one site's noise, in steps of the grid; at least 1/2. */
    stepsStandardDeviation: z.number().min(0.5).finite(),
    /** L2 norm of what one unit adds to the sum, in steps, rounding included. */
    stepsSensitivity: z.number().positive().finite(),
    dimension: times,
  }),
  /** Each unit takes part with this probability, independently of all others. */
  z.strictObject({ kind: z.literal("poissonSampled"), samplingRate: z.number().positive().max(1), event: gaussian }),
  /** Something without a guarantee was released: epsilon is infinite from here on. */
  z.strictObject({ kind: z.literal("nonPrivate") }),
]);

export type DpLeaf = z.infer<typeof leafSchema>;

export type DpEvent =
  | DpLeaf
  | { readonly kind: "selfComposed"; readonly count: number; readonly event: DpEvent }
  | { readonly kind: "composed"; readonly events: readonly DpEvent[] };

const MAX_DEPTH = 16;

const eventSchema: z.ZodType<DpEvent> = z.lazy(() =>
  z.union([
    leafSchema,
    z.strictObject({ kind: z.literal("selfComposed"), count: times, event: eventSchema }),
    z.strictObject({ kind: z.literal("composed"), events: z.array(eventSchema) }),
  ]),
);

/** @throws ConsiliumError `privacy-event-unknown` for anything that no accountant here could interpret. */
export function parseDpEvent(value: unknown): DpEvent {
  const parsed = depthOf(value) <= MAX_DEPTH ? eventSchema.safeParse(value) : undefined;
  if (parsed?.success) return parsed.data;
  throw new ConsiliumError("privacy-event-unknown", {
    subject: "privacy event",
    expected: `a known kind of event with its members in range, nested at most ${MAX_DEPTH} deep`,
    actual: JSON.stringify(value)?.slice(0, 200) ?? "nothing",
    hint: "An event that cannot be interpreted cannot be accounted for: use the version that wrote it, or a newer one.",
  });
}

function depthOf(value: unknown, depth = 0): number {
  if (depth > MAX_DEPTH || typeof value !== "object" || value === null) return depth;
  return Math.max(depth, ...Object.values(value).map((inner) => depthOf(inner, depth + 1)));
}

export interface CountedLeaf {
  readonly leaf: DpLeaf;
  readonly count: number;
}

/** The mechanisms of an event, equal ones counted together: composition does not depend on order. */
export function leavesOf(event: DpEvent): CountedLeaf[] {
  const counted = new Map<string, { leaf: DpLeaf; count: number }>();
  const visit = (inner: DpEvent, count: number): void => {
    switch (inner.kind) {
      case "selfComposed":
        visit(inner.event, count * inner.count);
        return;
      case "composed":
        for (const each of inner.events) visit(each, count);
        return;
      default: {
        const key = JSON.stringify(Object.entries(inner).sort());
        const known = counted.get(key);
        if (known === undefined) counted.set(key, { leaf: inner, count });
        else known.count += count;
      }
    }
  };
  visit(event, 1);
  return [...counted.values()];
}
