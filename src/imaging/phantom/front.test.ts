import { describe, expect, it } from "vitest";
import { march } from "./front.ts";

const dims = [21, 21, 21] as const;
const middle = 10 + 21 * (10 + 21 * 10);
const positionOf = (cell: number): number[] => [cell % 21, Math.floor(cell / 21) % 21, Math.floor(cell / 441)];

describe("march", () => {
  it("reaches cells at about their distance over the speed", () => {
    const { times } = march({
      dims,
      cellMm: 2,
      sources: [{ cell: middle, time: 0 }],
      speed: () => 4,
      stop: () => false,
    });
    for (let cell = 0; cell < times.length; cell++) {
      const [x, y, z] = positionOf(cell);
      const distance = 2 * Math.hypot(x - 10, y - 10, z - 10);
      // First order: late by up to two cells off the axes, never early.
      expect(times[cell]).toBeGreaterThan(distance / 4 - 1e-4);
      expect(times[cell]).toBeLessThan((distance + 4) / 4);
    }
    expect(times[middle + 5]).toBeCloseTo(2.5, 5);
  });

  it("accepts cells in the order of time and goes around walls", () => {
    const wall = (cell: number): boolean => positionOf(cell)[0] === 13 && positionOf(cell)[2] < 18;
    const { times, order } = march({
      dims,
      cellMm: 1,
      sources: [{ cell: middle, time: 0 }],
      speed: (cell) => (wall(cell) ? 0 : 1),
      stop: () => false,
    });
    for (let n = 1; n < order.length; n++) expect(times[order[n]]).toBeGreaterThanOrEqual(times[order[n - 1]]);
    expect(order.some(wall)).toBe(false);
    const behind = middle + 5;
    expect(times[behind]).toBeGreaterThan(14);
  });

  it("stops when told and leaves the rest unreached", () => {
    const { times, order } = march({
      dims,
      cellMm: 1,
      sources: [{ cell: middle, time: 0 }],
      speed: () => 1,
      stop: (accepted) => accepted >= 33,
    });
    expect(order).toHaveLength(33);
    expect(times.filter((time) => time !== Number.POSITIVE_INFINITY)).toHaveLength(33);
  });
});
