import { describe, expect, it } from "vitest";
import { type LogFilter, pageOfLog } from "./log-page.ts";
import type { SiteLogEntry } from "./site-log.ts";

const ALL: LogFilter = { what: "", study: "", before: 0, limit: 0 };
const [FIRST, SECOND] = ["a".repeat(64), "b".repeat(64)];

const log = Array.from({ length: 250 }, (_, index): SiteLogEntry => {
  const what = index % 10 === 9 ? "update" : index === 0 ? "erasure" : "sign of life";
  return {
    index,
    timeMs: index,
    previous: "",
    what,
    to: "c",
    bytes: 10,
    sha256: "",
    studyHash: what === "update" ? (index < 100 ? FIRST : SECOND) : "",
    round: 0,
  };
});

describe("pageOfLog", () => {
  it("goes from page to page without a gap, the latest first, whatever is added meanwhile", () => {
    const seen: number[] = [];
    let [page, grown] = [pageOfLog(log, ALL), log];
    for (;;) {
      seen.push(...page.entries.map(({ index }) => index));
      if (!page.older) break;
      grown = [...grown, { ...log[0], index: grown.length }];
      page = pageOfLog(grown, { ...ALL, before: page.entries.at(-1)?.index ?? 0 });
    }
    expect(seen).toEqual(log.map(({ index }) => index).reverse());
  });

  it("counts what matches, and says what there is", () => {
    const page = pageOfLog(log, { ...ALL, what: "update", study: FIRST.slice(0, 8), limit: 4 });
    expect(page.entries.map(({ index }) => index)).toEqual([99, 89, 79, 69]);
    expect(page).toMatchObject({ older: true, total: 250, matching: { entries: 10, departures: 10, bytes: 100 } });
    expect(page.kinds).toEqual(["erasure", "sign of life", "update"]);
    expect(page.studies).toEqual([FIRST, SECOND]);
    expect(pageOfLog(log, ALL).matching).toMatchObject({ entries: 250, departures: 249 });
  });

  it("never gives more than a page, and takes no study that is none", () => {
    expect(pageOfLog(log, { ...ALL, limit: 100_000 }).entries).toHaveLength(100);
    expect(pageOfLog(log, { ...ALL, study: "c".repeat(64) }).entries).toEqual([]);
    expect(() => pageOfLog(log, { ...ALL, study: "aaaa" })).toThrow("at least its first 8 digits");
  });
});
