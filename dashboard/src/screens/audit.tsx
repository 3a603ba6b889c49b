/** The journal as a timeline, and its chain, signatures and countersigned heads verified here, in the browser. */
import { useEffect, useState } from "preact/hooks";
import { coordinator, troubleOf } from "../api.ts";
import { countOf, formatCount, formatTime } from "../format.ts";
import { Action, Badge, Digest, Empty, Section, Table, Tiles, TroubleNote } from "../parts/parts.tsx";
import type { Trouble } from "../trouble.ts";
import { type ChainedRecord, createJournalCheck } from "../verify-journal.ts";
import { Replay } from "./replay.tsx";

const SHOWN = 100;

interface Checked {
  readonly records: readonly ChainedRecord[];
  readonly signatures: number;
  readonly head: string;
  readonly total: number;
  /** By site, the record that it countersigned last, and what is wrong with it. */
  readonly heads: readonly { readonly siteId: string; readonly number: number; readonly problem: string | undefined }[];
  readonly problem: string | undefined;
  readonly done: boolean;
}

export function Audit() {
  const [checked, setChecked] = useState<Checked>();
  const [trouble, setTrouble] = useState<Trouble>();
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let current = true;
    verify((next) => current && setChecked(next)).catch((error: unknown) => current && setTrouble(troubleOf(error)));
    return () => {
      current = false;
    };
  }, [turn]);
  const again = (): void => {
    setTrouble(undefined);
    setTurn((before) => before + 1);
  };
  return (
    <>
      <Section
        title="Verified in this browser"
        note="Every record is hashed again here, and every site's signature checked with the key that the journal names for it. The server's word is not taken for it."
      >
        {trouble && <TroubleNote trouble={trouble} retry={again} />}
        {checked && <Verdict checked={checked} />}
        <p class="buttons">
          <button type="button" onClick={again}>
            Verify again
          </button>
          <Action
            label="Full check at the coordinator"
            explain="Runs consilium coordinator verify: what this browser checks, and besides that every event goes through the state machine again and every snapshot is compared."
            run={async () => describeAudit(JSON.parse((await coordinator.verifyJournal({})).json) as Audited)}
          />
        </p>
      </Section>
      <Replay />
      {checked && <Timeline records={checked.records} />}
    </>
  );
}

async function verify(tell: (checked: Checked) => void): Promise<void> {
  const check = createJournalCheck();
  const records: ChainedRecord[] = [];
  let problem: string | undefined;
  const state = (total: number, heads: Checked["heads"], done: boolean): Checked => ({
    records: [...records],
    signatures: check.signatures(),
    head: check.head(),
    total,
    heads,
    problem,
    done,
  });
  // Read first: records that are added meanwhile cannot be spoken of by these.
  const countersigned = await coordinator.listCountersigned({});
  let total = 0;
  for (let complete = false; !complete && problem === undefined; ) {
    const page = await coordinator.listJournal({ after: BigInt(records.length), limit: 0 });
    const came = page.records.map(({ number, body, sha256 }) => ({ number: Number(number), body, sha256 }));
    total = Number(page.headNumber);
    try {
      await check.take(came);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    records.push(...came);
    complete = came.length === 0 || records.length >= total;
    tell(state(total, [], false));
  }
  const heads = [];
  for (const each of countersigned.heads) {
    const head = {
      ...each,
      number: Number(each.number),
      body: new Uint8Array(each.body),
      signature: new Uint8Array(each.signature),
    };
    const wrong = await check.checkHead(head).then(
      () => undefined,
      (error: Error) => error.message,
    );
    heads.push({ siteId: each.siteId, number: head.number, problem: wrong });
  }
  tell(state(total, heads, true));
}

function Verdict({ checked }: { readonly checked: Checked }) {
  const { records, signatures, head, total, heads, problem, done } = checked;
  const wrong = problem ?? heads.find((each) => each.problem !== undefined)?.problem;
  return (
    <>
      <p role="status">
        {wrong !== undefined ? (
          <Badge tone="bad">does not hold</Badge>
        ) : done ? (
          <Badge tone="good">holds</Badge>
        ) : (
          <Badge tone="busy">checking</Badge>
        )}{" "}
        {wrong ??
          (done
            ? "The chain is whole, and every signature is the site's own."
            : `${records.length} of ${total} records`)}
      </p>
      <Tiles
        tiles={[
          [formatCount(records.length), "records in the chain"],
          [formatCount(signatures), "signatures of sites"],
          [formatCount(heads.filter((each) => each.problem === undefined).length), "heads that sites countersigned"],
          [head === "" ? "–" : <Digest sha256={head} key="h" />, "head of the chain"],
        ]}
      />
      {heads.length > 0 && (
        <Table
          caption="Heads that sites countersigned"
          columns={["Site", "#Record", "Verdict"]}
          rows={heads.map(({ siteId, number, problem: each }) => [
            <b key="id">{siteId}</b>,
            number,
            each === undefined ? <Badge tone="good">in this chain, signed</Badge> : <Badge tone="bad">{each}</Badge>,
          ])}
        />
      )}
    </>
  );
}

function Timeline({ records }: { readonly records: readonly ChainedRecord[] }) {
  const [shown, setShown] = useState(SHOWN);
  const latest = records.toReversed().slice(0, shown);
  return (
    <Section title="Timeline" note="Everything that happened to this coordinator, latest first.">
      {records.length === 0 ? (
        <Empty title="Nothing has happened yet." />
      ) : (
        <ol class="timeline">
          {latest.map((record) => (
            <Entry key={record.number} record={record} />
          ))}
        </ol>
      )}
      {records.length > latest.length && (
        <p class="buttons">
          <button type="button" onClick={() => setShown((before) => before + SHOWN)}>
            Show older ones ({countOf(records.length - latest.length, "record")})
          </button>
        </p>
      )}
    </Section>
  );
}

function Entry({ record: { number, body, sha256 } }: { readonly record: ChainedRecord }) {
  const event = JSON.parse(body) as { kind: string; atMs: number; siteId?: string; round?: number; reason?: string };
  const { kind, atMs, siteId, round, reason } = event;
  const words = [
    siteId,
    round === undefined ? undefined : `round ${round}`,
    reason === undefined || reason === "" ? undefined : reason,
  ].filter((each) => each !== undefined);
  return (
    <li>
      <span class="soft n">{number}</span> <time dateTime={new Date(atMs).toISOString()}>{formatTime(atMs)}</time>{" "}
      <b>{kind.replaceAll("-", " ")}</b> {words.join(", ")}
      <details>
        <summary>
          <span class="hidden">Record {number}, </span>SHA-256 <Digest sha256={sha256} />
        </summary>
        <pre>{JSON.stringify(event, null, 2)}</pre>
      </details>
    </li>
  );
}

interface Audited {
  readonly records: number;
  readonly head: { readonly number: number; readonly sha256: string };
  readonly signatures: number;
  readonly snapshots: readonly number[];
}

function describeAudit({ records, head, signatures, snapshots }: Audited): string {
  return [
    `${countOf(records, "record")}, each accepted by the state before it.`,
    `${countOf(signatures, "message")} under the sites' own signatures.`,
    `${countOf(snapshots.length, "snapshot")} equal to the state that the records lead to.`,
    `Head: record ${head.number}, ${head.sha256}`,
  ].join("\n");
}
