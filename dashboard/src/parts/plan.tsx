/** A study in words, for whoever reads it: its plan, what changed since the one before, what its privacy switches off. */
import type { StudyChange } from "../../../src/study/index.ts";
import { Table } from "./parts.tsx";

export interface Plan {
  readonly hash: string;
  readonly text: string;
  readonly privacy: { readonly epsilon: number; readonly delta: number } | null;
  readonly before: { readonly name: string; readonly changes: readonly StudyChange[] } | null;
}

export function PlanText({ plan }: { readonly plan: Plan }) {
  return (
    <>
      <PlanWords text={plan.text} />
      {plan.privacy && (
        <p>
          Privacy of each patient at the end: epsilon {plan.privacy.epsilon.toFixed(2)} at delta {plan.privacy.delta}.
        </p>
      )}
      <h3>Changed since the study before it</h3>
      {plan.before === null ? (
        <p class="soft">It is the first.</p>
      ) : (
        <Changes changes={plan.before.changes} before={plan.before.name} />
      )}
    </>
  );
}

/** A study in words: sections of one line each, with points under them. */
export function PlanWords({ text }: { readonly text: string }) {
  const sections = text
    .split("\n\n")
    .map((section) => section.split("\n"))
    .filter((lines) => lines.length > 1);
  return (
    <div class="plan">
      {sections.map(([title, ...points]) => (
        <div key={title}>
          <h3>{title}</h3>
          <ul>
            {points.map((point) => (
              <li key={point}>{point.replace(/^\s*- /, "")}</li>
            ))}
          </ul>
        </div>
      ))}
    </div>
  );
}

export function Changes({ changes, before }: { readonly changes: readonly StudyChange[]; readonly before: string }) {
  if (changes.length === 0) return <p class="soft">Nothing: it is the same as “{before}”.</p>;
  return (
    <Table
      caption={`Changes since ${before}`}
      columns={["Key", "Before", "Now"]}
      rows={changes.map(({ path, before: was, after }) => [
        <code key="p">{path}</code>,
        <code key="b">{was ?? "–"}</code>,
        <code key="a">{after ?? "–"}</code>,
      ])}
    />
  );
}

/** What the study's privacy keeps from this screen. */
export function Off({ lines }: { readonly lines: readonly string[] }) {
  if (lines.length === 0) return null;
  return (
    <ul class="soft">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}
