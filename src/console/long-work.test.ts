import { describe, expect, it } from "vitest";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import type { Examination } from "../site/index.ts";
import { longWork, type Work } from "./long-work.ts";

const ABOUT = { name: "doctor", command: "consilium site doctor --home HOME", atMostMs: 60_000 };
const workOf = (examine: Work<Examination>, clock = { nowMs: () => 7 }) => longWork({ ...ABOUT, clock }, examine);

const FOUND: Examination = { fits: true, study: null, findings: [] };

/** An examination that ends when it is told to, or is stopped. */
function held() {
  let end = (_: Examination | Error): void => undefined;
  let say = (_: string): void => undefined;
  const examine: Work<Examination> = (signal, tell) =>
    new Promise((resolve, reject) => {
      say = tell;
      end = (how) => (how instanceof Error ? reject(how) : resolve(how));
      signal.addEventListener("abort", () => reject(new Error("stopped")));
    });
  return { examine, end: (how: Examination | Error) => end(how), say: (line: string) => say(line) };
}

describe("longWork", () => {
  it("runs one examination at a time, tells its latest lines, and keeps what was found", async () => {
    const { examine, end, say } = held();
    const doctor = workOf(examine);
    expect(doctor.view()).toEqual({ running: null, last: null, failed: null });
    expect(doctor.begin().running).toEqual({ sinceMs: 7, lines: [] });
    expect(() => doctor.begin()).toThrow("expected one at a time");
    for (let i = 0; i <= LIMITS.consoleWorkLines; i++) say(`line ${i}`);
    const { lines = [] } = doctor.view().running ?? {};
    expect([lines.length, lines[0]]).toEqual([LIMITS.consoleWorkLines, "line 1"]);
    end(FOUND);
    await expect.poll(() => doctor.view().running).toBeNull();
    expect(doctor.view()).toEqual({ running: null, last: { endedMs: 7, result: FOUND }, failed: null });
  });

  it("says why one came to no end, keeps what the one before found, and tries again", async () => {
    const { examine, end } = held();
    const doctor = workOf(examine);
    doctor.begin();
    end(FOUND);
    await expect.poll(() => doctor.view().last).not.toBeNull();
    for (const [error, code] of [
      [new ConsiliumError("unreachable", { subject: "a", expected: "b", actual: "c", hint: "d" }), "unreachable"],
      [new RangeError("a path of this machine"), "internal"],
    ] as const) {
      doctor.begin();
      end(error);
      await expect.poll(() => doctor.view().failed?.code).toBe(code);
      expect(JSON.stringify(doctor.view())).not.toContain("a path");
      expect(doctor.view().last?.result).toEqual(FOUND);
    }
  });

  it("ends an examination that takes too long", async () => {
    const doctor = longWork({ ...ABOUT, atMostMs: 20 }, held().examine);
    expect(doctor.begin().running).not.toBeNull();
    await expect.poll(() => doctor.view().running).toBeNull();
    expect(doctor.view()).toMatchObject({ last: null, failed: { code: "internal", actual: "a stop" } });
  });

  it("ends what runs when the console closes, and begins nothing then", async () => {
    const doctor = workOf(held().examine);
    doctor.begin();
    await doctor.close();
    expect(doctor.view().running).toBeNull();
    expect(() => doctor.begin()).toThrow("one that is being closed");
  });
});
