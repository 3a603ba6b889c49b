/**
 * Epsilon by Rényi differential privacy: divergences of composed mechanisms add, order by order (Mironov 2017,
 * proposition 1), and the best order gives epsilon.
 *
 * Conversion: Canonne, Kamath and Steinke 2020, proposition 12, and Pinsker's bound by the KL divergence where epsilon
 * may be zero; the same two that dp-accounting 0.6 takes the better of.
 */
import { type DpEvent, leavesOf } from "./dp-event.ts";
import { DEFAULT_ORDERS, renyiDivergence } from "./renyi-divergence.ts";

export interface RdpEpsilon {
  readonly epsilon: number;
  /** The order that gave it. */
  readonly order: number;
}

/** Below this order the conversion loses more to rounding than it gains. */
const LOWEST_ORDER = 1.01;

/** @param delta in (0, 1). */
export function rdpEpsilon(event: DpEvent, delta: number): RdpEpsilon {
  const leaves = leavesOf(event);
  let best: RdpEpsilon = { epsilon: Number.POSITIVE_INFINITY, order: DEFAULT_ORDERS[0] };
  for (const order of DEFAULT_ORDERS) {
    const divergence = leaves.reduce((sum, { leaf, count }) => sum + count * renyiDivergence(leaf, order), 0);
    const epsilon = epsilonAt(order, divergence, delta);
    if (epsilon < best.epsilon) best = { epsilon, order };
  }
  return { epsilon: Math.max(0, best.epsilon), order: best.order };
}

function epsilonAt(order: number, divergence: number, delta: number): number {
  // delta <= sqrt(1 - exp(-KL)), and KL is at most the divergence of any order above 1.
  if (delta ** 2 + Math.expm1(-divergence) > 0) return 0;
  if (order <= LOWEST_ORDER) return Number.POSITIVE_INFINITY;
  return divergence + Math.log1p(-1 / order) - Math.log(delta * order) / (order - 1);
}
