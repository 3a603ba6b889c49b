import { describe, expect, it } from "vitest";
import { parseTable } from "./csv.ts";

const COLUMNS = { required: ["case", "t1"], optional: ["site"] };
const parse = (text: string) => parseTable(text, COLUMNS, "cases.csv");

describe("parseTable", () => {
  it("reads columns in any order, quotes, either line end and a byte order mark", () => {
    expect(parse('\uFEFFt1,case\r\n"a, ""b"".nii", one \r\n\r\nc.nii,"two\nlines"\n')).toEqual([
      { line: 2, cells: { case: "one", t1: 'a, "b".nii', site: "" } },
      { line: 4, cells: { case: "two\nlines", t1: "c.nii", site: "" } },
    ]);
  });

  it("counts lines through fields that span some", () => {
    expect(parse('case,t1\n"a\nb",x\nc,y').map(({ line }) => line)).toEqual([2, 4]);
  });

  it("keeps empty cells, also the last one, and the last line without an end", () => {
    expect(parse("case,t1,site\n1,x,\n2,,b").map(({ cells }) => cells)).toEqual([
      { case: "1", t1: "x", site: "" },
      { case: "2", t1: "", site: "b" },
    ]);
  });

  it.each([
    ["case,t1,tl\n1,x,y", /line 1: .*also "tl"/],
    ["case\n1", /line 1: .*no t1/],
    ["case,t1,case\n1,x,1", /line 1: .*case twice/],
    ["", /no case, no t1/],
    ["case,t1\n1,x\n2", /line 3: expected 2 fields.*got 1/],
    ["case,t1\n1,x,y", /line 2: expected 2 fields.*got 3/],
    ['case,t1\n1,x"y', /line 2: .*stray quote/],
    ['case,t1\n1,"x', /line 2: .*stray quote/],
  ])("refuses %j", (text, message) => {
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).toThrow(/dataset-invalid/);
  });
});
