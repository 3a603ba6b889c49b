/** The study's report: one file that can be kept and printed. */
import type { CoordinatorStatus } from "../../../src/coordinator/index.ts";
import { Empty, Section } from "../parts/parts.tsx";

export function Report({ status }: { readonly status: CoordinatorStatus }) {
  const rounds = status.study?.rounds.length ?? 0;
  if (rounds === 0) {
    return (
      <Section title="No report yet">
        <Empty title="The report begins with the first round's model." />
      </Section>
    );
  }
  return (
    <Section
      title={status.study?.name ?? "Report"}
      note="One HTML file with everything inside: it opens anywhere, needs no network, and prints."
    >
      <p class="buttons">
        <a class="button primary" href="/download/report.html" target="_blank" rel="noreferrer">
          Open the report
        </a>
        <a class="button" href="/download/report.html" download={`${status.study?.name ?? "study"}.html`}>
          Save it
        </a>
      </p>
      <iframe class="report" title="Report" src={`/download/report.html?after=${rounds}`} />
    </Section>
  );
}
