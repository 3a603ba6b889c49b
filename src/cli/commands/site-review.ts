/** `site review`, `site approve` and `site leave`: a person at the hospital reads what would run, and decides. */
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { StudyReview } from "../../site/index.ts";
import { type CommandResult, defineCommand } from "../command.ts";
import { option } from "../options.ts";
import { short } from "../site-events.ts";
import { changeLines } from "../study-changes.ts";

export const siteReview = defineCommand({
  path: ["site", "review"],
  summary: "Read what studies want to run here, and what would leave",
  options: { home: option.requiredText("DIR", "this site's home folder") },
  examples: ["consilium site review --home site"],
  async run({ options, version, progress }) {
    const { reviewStudies } = await import("../../site/index.ts");
    const { siteId, reviews, asked } = await reviewStudies({ home: options.home, productVersion: version });
    if (asked instanceof ConsiliumError)
      progress.note(`The coordinator cannot be reached; this is what was known: ${asked.actual}`);
    if (asked === "by the running site")
      progress.note("The site's own process asks the coordinator; this is what it has heard so far.");
    const json = {
      siteId,
      coordinatorAsked: !(asked instanceof ConsiliumError),
      studies: reviews.map((review) => ({
        ...summaryOf(review),
        study: review.study as unknown as Json,
        text: review.text,
      })),
    };
    const none =
      asked === "by this command"
        ? `No study was offered to ${siteId} yet.`
        : `No study that was offered to ${siteId} is known here yet.`;
    return { json, text: reviews.length === 0 ? none : reviews.map(describeReview).join("\n\n") };
  },
});

export const siteApprove = defineCommand({
  path: ["site", "approve"],
  summary: "Approve or refuse a study",
  description:
    "The decision names the study by its hash and the roster of sites with their keys; if either changes, this site " +
    "asks again. Nothing of a study runs here before it is approved.",
  args: [{ name: "STUDY", help: "the study's hash, at least its first six digits, or its name" }],
  options: {
    home: option.requiredText("DIR", "this site's home folder"),
    refuse: option.flag("refuse it instead"),
    reason: option.text("TEXT", "why, for the study lead"),
  },
  examples: [
    "consilium site approve --home site 3f2a91c0",
    "consilium site approve --home site 3f2a91c0 --refuse --reason unclear",
  ],
  run: ({ args, options, version }) =>
    decided(args[0], { ...options, version, verb: options.refuse ? "refused" : "approved" }),
});

export const siteLeave = defineCommand({
  path: ["site", "leave"],
  summary: "Leave a study that is underway",
  description:
    "Work that runs here is stopped, and what this site gave to the round that is open is taken out of it; rounds that " +
    "are summed stay as they are. `consilium site approve` brings the site back.",
  args: [{ name: "STUDY", help: "the study's hash, at least its first six digits, or its name" }],
  options: {
    home: option.requiredText("DIR", "this site's home folder"),
    reason: option.text("TEXT", "why, for the study lead"),
  },
  examples: ['consilium site leave --home site 3f2a91c0 --reason "scanner out of use until May"'],
  run: ({ args, options, version }) => decided(args[0], { ...options, refuse: true, version, verb: "left" }),
});

interface Deciding {
  readonly home: string;
  readonly reason: string | undefined;
  readonly refuse: boolean;
  readonly version: string;
  readonly verb: string;
}

async function decided(study: string, { home, refuse, reason, version, verb }: Deciding): Promise<CommandResult> {
  const { approveStudy } = await import("../../site/index.ts");
  const { review, decision, sent } = await approveStudy({
    home,
    productVersion: version,
    study,
    decision: refuse ? "refuse" : "approve",
    ...(reason !== undefined && { reason }),
  });
  const how = sent instanceof ConsiliumError ? "not sent yet, since the coordinator cannot be reached" : `sent ${sent}`;
  const { approved } = decision;
  return {
    json: { ...summaryOf(review), approved, reason: decision.reason, sent: !(sent instanceof ConsiliumError) },
    text: `Study "${review.study.name}" (${short(review.studyHash)}) ${verb}; ${how}.`,
  };
}

function summaryOf({ studyHash, study, roster, decision, refusal, changes }: StudyReview) {
  return {
    studyHash,
    name: study.name,
    decision: decision === undefined ? "awaited" : decision.approved ? "approved" : "refused",
    roster: roster.map(({ siteId, keySha256 }) => ({ siteId, keySha256 })),
    ...(refusal && { cannotRun: refusal.toJSON() }),
    ...(changes && { changes: changes as unknown as Json }),
  };
}

function describeReview({ studyHash, text, roster, decision, refusal, changes }: StudyReview): string {
  const state =
    decision === undefined
      ? "Waits for a decision: consilium site approve --home HOME "
      : `${decision.approved ? "Approved" : "Refused"}${decision.reason === "" ? "" : ` (${decision.reason})`}: `;
  const sections = [
    text,
    [
      "Members, by the SHA-256 of their keys",
      ...roster.map(({ siteId, keySha256 }) => `  - ${siteId}  ${keySha256}`),
    ].join("\n"),
  ];
  if (changes !== undefined && changes.length > 0) {
    sections.push(["Changed since the study approved last", ...changeLines(changes)].join("\n"));
  }
  if (refusal !== undefined)
    sections.push(`This site cannot run it: expected ${refusal.expected}, got ${refusal.actual}. ${refusal.hint}`);
  return [...sections, `${state}${studyHash}`].join("\n\n");
}
