/** `site ledger` and `site budget`: a hospital's privacy account over all studies, and the limit that it sets itself. */
import type { Json } from "../../base/index.ts";
import { ACCOUNTANTS } from "../../privacy/index.ts";
import type { PrivacyAccount } from "../../site/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatTable } from "../format.ts";
import { option } from "../options.ts";
import { short } from "../site-events.ts";

export const siteLedger = defineCommand({
  path: ["site", "ledger"],
  summary: "Show this hospital's privacy budget, and what all studies spent of it",
  description:
    "Verifies the ledger's chain of digests first, and reckons epsilon anew from all its entries, for each patient " +
    "of this hospital. Work is paid for before it starts, and refused where it would exceed the budget, whatever the " +
    "coordinator asks for.",
  options: { home: option.requiredText("DIR", "this site's home folder") },
  examples: ["consilium site ledger --home site"],
  async run({ options }) {
    const { privacyAccount } = await import("../../site/index.ts");
    const account = await privacyAccount(options.home);
    return { json: account as unknown as Json, text: describeAccount(account) };
  },
});

export const siteBudget = defineCommand({
  path: ["site", "budget"],
  summary: "Set this hospital's privacy budget for all studies together",
  description:
    "With a budget, studies without noise are refused, and noisy ones as soon as all of them together would exceed " +
    "it. A budget below what is spent stops everything. The site must not run meanwhile.",
  options: {
    home: option.requiredText("DIR", "this site's home folder"),
    epsilon: option.requiredNumber("E", "the most that all studies together may amount to", { min: 1e-6, max: 1e6 }),
    delta: option.requiredNumber("D", "chance that the guarantee fails, well below one over the number of patients", {
      min: 1e-30,
      max: 0.5,
    }),
    accountant: option.oneOf("way of accounting: rdp (default) or pld, which is tighter and slower", ACCOUNTANTS),
  },
  examples: ["consilium site budget --home site --epsilon 8 --delta 1e-5"],
  async run({ options }) {
    const { privacyAccount, setPrivacyBudget } = await import("../../site/index.ts");
    const { home, epsilon, delta, accountant = "rdp" } = options;
    await setPrivacyBudget(home, { epsilon, delta, accountant });
    const account = await privacyAccount(home);
    return { json: account as unknown as Json, text: describeAccount(account) };
  },
});

function describeAccount({ siteId, budget, spent, studies, outside, entries, head }: PrivacyAccount): string {
  const rows = studies.map(({ studyHash, name, rounds, epsilon, unprotectedRounds }) => [
    name ?? "–",
    short(studyHash),
    String(rounds),
    rounds === 0 || epsilon === null ? "–" : shown(epsilon),
    String(unprotectedRounds),
  ]);
  return [
    budget === null
      ? `${siteId} has no privacy budget: studies with patient-level privacy are refused (consilium site budget).`
      : `${siteId} allows epsilon ${budget.epsilon} at delta ${budget.delta} for each patient, over all studies.`,
    ...(spent === null ? [] : [`Spent: epsilon ${shown(spent.epsilon)} (accountant ${spent.accountant}).`]),
    ...(rows.length === 0
      ? ["No study has trained here yet."]
      : ["", formatTable(["Study", "Hash", "Rounds paid", "Epsilon", "Rounds without noise"], rows)]),
    "",
    "Outside this account:",
    ...outside.map((each) => `  - ${each}`),
    "",
    `${countOf(entries, "line")}; the chain holds, its head is ${short(head)}.`,
  ].join("\n");
}

function shown(epsilon: number): string {
  return Number.isFinite(epsilon) ? epsilon.toPrecision(4) : "without bound";
}
