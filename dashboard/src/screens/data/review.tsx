/** A review of drafts: where each case is, what a reader changed, and what is to be handed on. */
import type { ReviewView } from "../../../../src/console/index.ts";
import { countOf, formatFigure } from "../../format.ts";
import { Badge, Section, Tiles } from "../../parts/parts.tsx";
import { Listed } from "./listed.tsx";
import { Next } from "./next-commands.tsx";

type ReviewedCase = ReviewView["cases"][number];

export function CaseReview({ view }: { readonly view: ReviewView }) {
  const { folder, total, done, unchanged, drafted, failed, cases, next } = view;
  return (
    <Section title="Review of drafts" note={<code>{folder}</code>}>
      <Tiles
        tiles={[
          [done, `done, of them ${unchanged} right as they were`],
          [drafted, "with a reader"],
          [total - done - drafted - failed, "wait for a draft"],
          [failed, "failed"],
        ]}
      />
      <Next next={next} />
      <Listed
        caption="Cases under review"
        columns={["Case", "State", "What came of it"]}
        rows={cases.map((each) => [<b key="i">{each.id}</b>, <State each={each} key="s" />, wordsOf(each)])}
        total={total}
      />
    </Section>
  );
}

const TONES = { identified: "calm", validated: "calm", drafted: "busy", done: "good", failed: "bad" } as const;

function State({ each: { state } }: { readonly each: ReviewedCase }) {
  return <Badge tone={TONES[state.kind]}>{state.kind.toUpperCase()}</Badge>;
}

function wordsOf({ state, corrected }: ReviewedCase): string {
  switch (state.kind) {
    case "done": {
      if (state.change.voxels === 0) return "nothing changed; said to be right";
      const regions = Object.entries(state.change.regions).map(
        ([region, { dice, draftMl, returnedMl }]) =>
          `${region} ${draftMl.toFixed(1)} to ${returnedMl.toFixed(1)} ml (Dice ${formatFigure(dice)})`,
      );
      return `${countOf(state.change.voxels, "voxel")} changed: ${regions.join(", ")}`;
    }
    case "drafted":
      return corrected ? "a corrected map lies there: take it back" : "with a reader";
    case "failed":
      return `${state.during}: ${state.code}. ${state.hint}`;
    default:
      return "waits for its draft";
  }
}
