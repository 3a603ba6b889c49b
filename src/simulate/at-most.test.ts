import { expect, test } from "vitest";
import { atMost } from "./at-most.ts";

test("runs so many side by side and no more, and keeps the order", async () => {
  let [running, most] = [0, 0];
  const tasks = Array.from({ length: 7 }, (_, i) => async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 7 - i));
    running--;
    return i;
  });
  expect(await atMost(3, tasks)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(most).toBe(3);
});

test("a failure starts nothing new, and is told", async () => {
  const started: number[] = [];
  const tasks = [0, 1, 2, 3].map((i) => () => {
    started.push(i);
    return i === 1 ? Promise.reject(new Error("broken")) : Promise.resolve(i);
  });
  await expect(atMost(1, tasks)).rejects.toThrow("broken");
  expect(started).toEqual([0, 1]);
});

test("a failure ends what runs, and is thrown after its end", async () => {
  const ended: string[] = [];
  const slow = (signal: AbortSignal): Promise<void> =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        setTimeout(() => {
          ended.push("slow");
          reject(new Error("interrupted"));
        }, 20);
      });
    });
  const broken = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error("broken");
  };
  await expect(atMost(2, [slow, broken])).rejects.toThrow("broken");
  expect(ended).toEqual(["slow"]);
});
