/** A hospital's data on its way into studies: the dataset, intake from DICOM, and drafts under review. */
import { useState } from "preact/hooks";
import type { DatasetView, IntakeView, OrTrouble, ReviewView } from "../../../../src/console/index.ts";
import { type Role, site } from "../../api.ts";
import { useLoaded } from "../../live.ts";
import { Empty, Loading, Section, TroubleNote } from "../../parts/parts.tsx";
import type { Trouble } from "../../trouble.ts";
import { Dataset } from "./dataset.tsx";
import { Intake } from "./intake.tsx";
import { Register } from "./register.tsx";
import { CaseReview } from "./review.tsx";

interface Found {
  readonly dataset: DatasetView;
  readonly intakes: readonly OrTrouble<IntakeView>[];
  readonly reviews: readonly OrTrouble<ReviewView>[];
}

async function load(): Promise<Found> {
  const [dataset, intakes, reviews] = await Promise.all([
    site.getDataset({}),
    site.listIntakes({}),
    site.listCaseReviews({}),
  ]);
  return { dataset: JSON.parse(dataset.json), intakes: JSON.parse(intakes.json), reviews: JSON.parse(reviews.json) };
}

export function Data({ role }: { readonly role: Role }) {
  const [readAtMs, setReadAtMs] = useState(Date.now);
  const { value, trouble } = useLoaded(load, String(readAtMs));
  const again = (): void => setReadAtMs(Date.now());
  if (trouble) return <TroubleNote trouble={trouble} retry={again} />;
  if (value === undefined) return <Loading what="this site's data" />;
  const { dataset, intakes, reviews } = value;
  return (
    <>
      <p class="buttons">
        <button type="button" onClick={again}>
          Read again
        </button>
        <span class="soft">What is shown lies on this machine, and goes to this browser alone.</span>
      </p>
      <Dataset view={dataset} />
      {role === "operator" && <Register offered={dataset.offered} onEnd={again} />}
      {intakes.length === 0 && (
        <Section title="Intake from DICOM">
          <Empty title="No folder of intake is shown.">
            Make a dataset of DICOM by <code>consilium intake</code>, and start this console with{" "}
            <code>--intake DIR</code>
          </Empty>
        </Section>
      )}
      {intakes.map((view) =>
        "trouble" in view ? <Unread what="Intake" view={view} key={view.key} /> : <Intake view={view} key={view.key} />,
      )}
      {reviews.length === 0 && (
        <Section title="Review of drafts">
          <Empty title="No review is shown.">
            Let a model draw drafts by <code>consilium review draft</code>, and start this console with{" "}
            <code>--review DIR</code>
          </Empty>
        </Section>
      )}
      {reviews.map((view) =>
        "trouble" in view ? (
          <Unread what="Review" view={view} key={view.key} />
        ) : (
          <CaseReview view={view} key={view.key} />
        ),
      )}
    </>
  );
}

interface UnreadProps {
  readonly what: string;
  readonly view: { readonly folder: string; readonly trouble: Record<string, string> };
}

function Unread({ what, view: { folder, trouble } }: UnreadProps) {
  return (
    <Section title={what} note={<code>{folder}</code>}>
      <TroubleNote trouble={trouble as unknown as Trouble} />
    </Section>
  );
}
