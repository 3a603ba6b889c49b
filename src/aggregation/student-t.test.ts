import { expect, test } from "vitest";
import { studentHalfWidth } from "./student-t.ts";

// Tables of Student's t: two-sided 95 % and 99 %.
test.each([
  [0.95, 1, 12.7062],
  [0.95, 2, 4.30265],
  [0.95, 3, 3.18245],
  [0.95, 10, 2.22814],
  [0.95, 29, 2.04523],
  [0.95, 120, 1.97993],
  [0.99, 1, 63.6567],
  [0.99, 4, 4.60409],
  [0.99, 25, 2.78744],
])("level %d at %d degrees of freedom", (level, degrees, expected) => {
  expect(studentHalfWidth(level, degrees)).toBeCloseTo(expected, 4);
});

test("comes to the normal distribution's", () => {
  expect(studentHalfWidth(0.95, 1e6)).toBeCloseTo(1.95996, 2);
});

test.each([
  [0, 3],
  [1, 3],
  [0.95, 0],
  [0.95, 2.5],
])("level %d at %d degrees is refused", (level, degrees) => {
  expect(() => studentHalfWidth(level, degrees)).toThrow();
});
