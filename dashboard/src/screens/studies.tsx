/** Studies that were offered to this site: what would run here, what would leave, who takes part; and the decision. */
import { useState } from "preact/hooks";
import type { StudyChange } from "../../../src/study/index.ts";
import { type Role, site } from "../api.ts";
import { formatBytes, formatTime } from "../format.ts";
import { useLoaded } from "../live.ts";
import type { LiveSite } from "../live-site.ts";
import { Action, Badge, Digest, Empty, Loading, Section, Table, TroubleNote } from "../parts/parts.tsx";
import { Changes, PlanWords } from "../parts/plan.tsx";
import type { Trouble } from "../trouble.ts";

interface Review {
  readonly studyHash: string;
  readonly name: string;
  readonly text: string;
  readonly roster: readonly { readonly siteId: string; readonly keySha256: string }[];
  readonly rosterSha256: string;
  readonly networkBytes: number;
  readonly offeredAtMs: number;
  readonly decision: { readonly approved: boolean; readonly reason: string; readonly decidedAtMs: number } | null;
  readonly refusal: Trouble | null;
  readonly changes: readonly StudyChange[] | null;
}

interface Offered {
  readonly reviews: readonly Review[];
  readonly unreachable: Trouble | null;
}

interface Props {
  readonly status: LiveSite;
  readonly role: Role;
}

export function Studies({ status, role }: Props) {
  const key = status.studies.map(({ studyHash, decision }) => `${studyHash} ${decision}`).join();
  const { value, trouble, reload } = useLoaded(
    async () => JSON.parse((await site.listReviews({})).json) as Offered,
    key,
  );
  if (trouble) return <TroubleNote trouble={trouble} retry={reload} />;
  if (value === undefined) return <Loading what="what was offered" />;
  const ask = (
    <p class="buttons">
      <button type="button" onClick={reload}>
        Ask the coordinator now
      </button>
    </p>
  );
  if (value.reviews.length === 0) {
    return (
      <Section title="Nothing to decide">
        <Empty title="No study was offered to this site yet." />
        {value.unreachable && <TroubleNote trouble={value.unreachable} />}
        {ask}
      </Section>
    );
  }
  return (
    <>
      {value.unreachable && (
        <p class="stale">The coordinator cannot be reached: this is what was known. {value.unreachable.hint}</p>
      )}
      {value.reviews.map((review) => (
        <ReviewCard
          key={review.studyHash}
          review={review}
          ended={status.studies.some(({ studyHash, end }) => studyHash === review.studyHash && end !== undefined)}
          role={role}
          decided={reload}
        />
      ))}
      {ask}
    </>
  );
}

interface CardProps {
  readonly review: Review;
  /** Here, whatever became of it elsewhere. */
  readonly ended: boolean;
  readonly role: Role;
  readonly decided: () => void;
}

function ReviewCard({ review, ended, role, decided }: CardProps) {
  const { studyHash, name, text, roster, networkBytes, offeredAtMs, decision, refusal, changes } = review;
  const [said, setSaid] = useState("");
  const done = (words: string): void => {
    setSaid(words);
    decided();
  };
  return (
    <Section title={name}>
      <p>
        <Decision decision={decision} /> study <Digest sha256={studyHash} />, offered {formatTime(offeredAtMs)}
        {networkBytes > 0 && `, network file of ${formatBytes(networkBytes)}`}
      </p>
      <PlanWords text={text} />
      <h3>Who takes part</h3>
      <Table
        caption="Members, by the SHA-256 of their keys"
        columns={["Site", "Key"]}
        rows={roster.map(({ siteId, keySha256 }) => [<b key="id">{siteId}</b>, <code key="k">{keySha256}</code>])}
      />
      <h3>Changed since the study approved last</h3>
      {changes === null ? (
        <p class="soft">It is the first.</p>
      ) : (
        <Changes changes={changes} before="the study approved last" />
      )}
      {refusal && <TroubleNote trouble={refusal} />}
      {said !== "" && <p role="status">{said}</p>}
      {role === "reviewer" && <Decide review={review} ended={ended} done={done} />}
    </Section>
  );
}

function Decision({ decision }: { readonly decision: Review["decision"] }) {
  if (decision === null) return <Badge tone="busy">waits for a decision</Badge>;
  const { approved, reason } = decision;
  return (
    <>
      <Badge tone={approved ? "good" : "bad"}>{approved ? "approved" : "refused"}</Badge> {reason}
    </>
  );
}

interface DecideProps extends Pick<CardProps, "review" | "ended"> {
  readonly done: (said: string) => void;
}

function Decide({ review, ended, done }: DecideProps) {
  const { studyHash, rosterSha256, name, decision, refusal } = review;
  const send = (choice: "approve" | "refuse") => async (reason: string) => {
    const { sent } = JSON.parse(
      (await site.decideStudy({ studyHash, decision: choice, reason, rosterSha256 })).json,
    ) as {
      sent: string;
    };
    return `“${name}” is ${choice === "approve" ? "approved" : "refused"}; sent ${sent}.`;
  };
  return (
    <p class="buttons">
      {decision?.approved !== true && refusal === null && (
        <Action
          label="Approve"
          primary
          explain={`Lets exactly this study run here, with exactly this list of sites and their keys. If either changes, this site asks again.`}
          ask={{ label: "Remark for the study lead", optional: true }}
          run={send("approve")}
          onDone={done}
        />
      )}
      {decision === null && (
        <Action
          label="Refuse"
          danger
          explain="Nothing of this study runs here. The reason goes to the study lead, and is journalled there."
          ask={{ label: "Reason" }}
          run={send("refuse")}
          onDone={done}
        />
      )}
      {decision?.approved === true && !ended && (
        <Action
          label="Leave the study"
          danger
          explain="Work that runs here is stopped, and what this site gave to the round that is open is taken out of it, unless it is masked; rounds that are summed stay as they are. An approval brings the site back."
          ask={{ label: "Reason" }}
          run={send("refuse")}
          onDone={done}
        />
      )}
    </p>
  );
}
