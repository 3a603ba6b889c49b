/** Everything that left this site: the log, whose chain of digests was verified before a page of it is shown. */
import { useState } from "preact/hooks";
import type { LogPage } from "../../../src/site/index.ts";
import { site } from "../api.ts";
import { countOf, formatBytes, formatTime } from "../format.ts";
import { useLoaded } from "../live.ts";
import type { LiveSite } from "../live-site.ts";
import { Badge, Digest, Empty, Loading, Section, Table, TroubleNote } from "../parts/parts.tsx";

export function Departures({ status }: { readonly status: LiveSite }) {
  const [what, setWhat] = useState("");
  const [study, setStudy] = useState("");
  /** Where each page after the first begins. */
  const [turned, setTurned] = useState<readonly number[]>([]);
  const before = turned.at(-1) ?? 0;
  const { value, trouble, reload } = useLoaded(
    async () => JSON.parse((await site.listDepartures({ what, study, before: BigInt(before) })).json) as LogPage,
    [what, study, before, status.left.entries].join(),
  );
  if (trouble) return <TroubleNote trouble={trouble} retry={reload} />;
  if (value === undefined) return <Loading what="the log" />;
  const { entries, older, matching, total, kinds, studies } = value;
  const nameOf = (hash: string): string =>
    status.studies.find(({ studyHash }) => studyHash === hash)?.name ?? "no longer kept";
  const choose = (set: (value: string) => void) => (event: preact.TargetedEvent<HTMLSelectElement>) => {
    setTurned([]);
    set(event.currentTarget.value);
  };
  return (
    <Section
      title="What left this site"
      note="Each line was on disk before its first byte was sent, and names the digest of the line before it. No scan, no label map, no name of a case is among it."
    >
      <p>
        <Badge tone="good">the chain holds</Badge> {countOf(total, "line")}; shown: {countOf(matching.entries, "line")}{" "}
        for {countOf(matching.departures, "message or object", "messages and objects")}, {formatBytes(matching.bytes)},
        to {status.membership.address}
      </p>
      <div class="controls">
        <p class="field">
          <label for="log-what">What</label>
          <select id="log-what" value={what} onChange={choose(setWhat)}>
            <option value="">Everything</option>
            {kinds.map((kind) => (
              <option key={kind}>{kind}</option>
            ))}
          </select>
        </p>
        <p class="field">
          <label for="log-study">Study</label>
          <select id="log-study" value={study} onChange={choose(setStudy)}>
            <option value="">All, and none</option>
            {studies.map((hash) => (
              <option key={hash} value={hash}>
                {nameOf(hash)} ({hash.slice(0, 12)})
              </option>
            ))}
          </select>
        </p>
      </div>
      {entries.length === 0 ? (
        <Empty title={total === 0 ? "Nothing has left." : "Nothing of that has left."} />
      ) : (
        <Table
          caption="What left, latest first"
          columns={["#Line", "Time", "What", "Study", "#Round", "#Size", "SHA-256"]}
          rows={entries.map(({ index, timeMs, what: kind, count, studyHash, round, bytes, sha256 }) => [
            index + 1,
            formatTime(timeMs),
            count === undefined ? kind : `${kind} (${count})`,
            studyHash === "" ? "–" : nameOf(studyHash),
            round === 0 ? "–" : round,
            formatBytes(bytes),
            <Digest sha256={sha256} key="d" />,
          ])}
        />
      )}
      {(older || turned.length > 0) && (
        <p class="buttons">
          <button type="button" disabled={turned.length === 0} onClick={() => setTurned(turned.slice(0, -1))}>
            Newer
          </button>
          <button type="button" disabled={!older} onClick={() => setTurned([...turned, entries.at(-1)?.index ?? 0])}>
            Older
          </button>
        </p>
      )}
    </Section>
  );
}
