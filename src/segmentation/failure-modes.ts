/**
 * Where a model fails, in words with numbers, out of its figures: what a reader of means would not see. Nothing is
 * guessed; where no figure speaks, the list says that nothing was measured.
 */
import type { Study } from "../study/index.ts";
import type { CaseFigures } from "./case-figures.ts";

/** What a card holds of a model's figures. */
interface JudgedFigures extends CaseFigures {
  readonly cases: number;
  /** By region; null where only means are told. */
  readonly missed: Readonly<Record<string, number>> | null;
}

interface Judged {
  readonly evaluation: { readonly figures: JudgedFigures | null };
  readonly sites: readonly { readonly id: string; readonly figures: CaseFigures | null }[];
}

/** A mean Dice below it is called poor: less than half of region and drawing is common to both. */
const POOR_DICE = 0.5;
/** A site this far below the mean of the others is named. */
const FAR_BELOW = 0.15;
/** HD95 without a value in more than this part of the cases is told. */
const OFTEN = 0.1;

export function failureModesOf({ task }: Study, { evaluation, sites }: Judged): string[] {
  const { figures } = evaluation;
  const regions = Object.keys(task.regions);
  const without = task.channels.filter((modality) => !task.mayMiss?.includes(modality));
  const unjudged = sites.filter((site) => site.figures === null).length;
  return [
    ...(figures === null ? [] : regions.flatMap((region) => measuredFailures(region, figures))),
    ...regions.flatMap((region) => failingSites(region, sites)),
    ...(figures === null ? ["It was measured on no case: nothing is known of its quality."] : []),
    ...(sites.length > 1 && unjudged > 0 ? [`${unjudged} site(s) have no figures of their own.`] : []),
    `It needs ${without.join(", ")}: a case without one of them is refused.`,
    "Scans that are not skull-stripped, or not registered to each other, are out of its reach.",
    "A cavity after an operation is no class of it: what it draws there is not known.",
  ];
}

function measuredFailures(region: string, { cases, dice, hd95, missed }: JudgedFigures): string[] {
  const { mean, worstTenth } = dice[region] ?? {};
  const lost = missed?.[region] ?? 0;
  // Where only means are told, how many cases define each is not.
  const undefinedCases = missed === null ? 0 : cases - (hd95[region]?.cases ?? cases);
  const said: string[] = [];
  if (lost > 0) {
    said.push(
      `${region} was missed altogether, or drawn where there is none, in ${lost} of ${cases} measured case(s).`,
    );
  }
  if (typeof mean === "number" && mean < POOR_DICE) {
    said.push(`${region} is drawn poorly: its mean Dice is ${mean.toFixed(3)}, below ${POOR_DICE}.`);
  } else if (typeof mean === "number" && typeof worstTenth === "number" && worstTenth < POOR_DICE) {
    said.push(
      `${region} is drawn poorly in the worst tenth of the cases: mean Dice ${worstTenth.toFixed(3)} there, ${mean.toFixed(3)} over all.`,
    );
  }
  if (undefinedCases > OFTEN * cases) {
    said.push(
      `HD95 of ${region} has no value in ${undefinedCases} of ${cases} measured case(s), where ${region} is missing from the reference or from what the model draws: its mean is blind to them.`,
    );
  }
  return said;
}

/** A site without any hit, or far below the mean of the others' means. */
function failingSites(region: string, sites: Judged["sites"]): string[] {
  const judged = sites.flatMap(({ id, figures }) => {
    const mean = figures?.dice[region]?.mean ?? null;
    return figures === null || mean === null ? [] : [{ id, mean, cases: figures.dice[region].cases }];
  });
  if (judged.length < 2) return [];
  return judged.flatMap((site) => {
    const others = judged.filter(({ id }) => id !== site.id);
    const elsewhere = others.reduce((sum, { mean }) => sum + mean, 0) / others.length;
    const beside = `${others.length === 1 ? `at ${others[0].id}` : "in the mean of the other sites"} it is ${elsewhere.toFixed(3)}`;
    if (site.mean === 0)
      return [`${region} was never found at ${site.id}: mean Dice 0 over ${site.cases} case(s); ${beside}.`];
    if (elsewhere - site.mean < FAR_BELOW) return [];
    return [
      `${region} is drawn much worse at ${site.id}: mean Dice ${site.mean.toFixed(3)} over ${site.cases} case(s); ${beside}.`,
    ];
  });
}
