import { describe, expect, it, vi } from "vitest";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import type { Examination } from "../site/index.ts";
import { type Examine, siteDoctor } from "./site-doctor.ts";

const FOUND: Examination = { fits: true, study: null, findings: [] };

/** An examination that ends when it is told to, or is stopped. */
function held() {
  let end = (_: Examination | Error): void => undefined;
  let say = (_: string): void => undefined;
  const examine: Examine = (signal, tell) =>
    new Promise((resolve, reject) => {
      say = tell;
      end = (how) => (how instanceof Error ? reject(how) : resolve(how));
      signal.addEventListener("abort", () => reject(new Error("stopped")));
    });
  return { examine, end: (how: Examination | Error) => end(how), say: (line: string) => say(line) };
}

describe("siteDoctor", () => {
  it("runs one examination at a time, tells its latest lines, and keeps what was found", async () => {
    const { examine, end, say } = held();
    const doctor = siteDoctor(examine, { nowMs: () => 7 });
    expect(doctor.view()).toEqual({ running: null, last: null, failed: null });
    expect(doctor.begin().running).toEqual({ sinceMs: 7, lines: [] });
    expect(() => doctor.begin()).toThrow("one examination at a time");
    for (let i = 0; i <= LIMITS.consoleDoctorLines; i++) say(`line ${i}`);
    const { lines = [] } = doctor.view().running ?? {};
    expect([lines.length, lines[0]]).toEqual([LIMITS.consoleDoctorLines, "line 1"]);
    end(FOUND);
    await expect.poll(() => doctor.view().running).toBeNull();
    expect(doctor.view()).toEqual({ running: null, last: { endedMs: 7, examination: FOUND }, failed: null });
  });

  it("says why one came to no end, keeps what the one before found, and tries again", async () => {
    const { examine, end } = held();
    const doctor = siteDoctor(examine);
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
      expect(doctor.view().last?.examination).toEqual(FOUND);
    }
  });

  it("ends an examination that takes too long", async () => {
    const late = new AbortController();
    const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(late.signal);
    const doctor = siteDoctor(held().examine);
    doctor.begin();
    expect(timeout).toHaveBeenCalledExactlyOnceWith(LIMITS.consoleDoctorMs);
    timeout.mockRestore();
    late.abort();
    await expect.poll(() => doctor.view().running).toBeNull();
    expect(doctor.view()).toMatchObject({ last: null, failed: { code: "internal", actual: "a stop" } });
  });

  it("ends what runs when the console closes, and begins nothing then", async () => {
    const doctor = siteDoctor(held().examine);
    doctor.begin();
    await doctor.close();
    expect(doctor.view().running).toBeNull();
    expect(() => doctor.begin()).toThrow("one that is being closed");
  });
});
