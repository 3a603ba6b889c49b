/** Everything that left this site: the log, whose chain of digests was verified before it is shown. */
import { useState } from "preact/hooks";
import type { SiteLogEntry } from "../../../src/site/index.ts";
import { site } from "../api.ts";
import { countOf, formatBytes, formatTime } from "../format.ts";
import { useLoaded } from "../live.ts";
import { Badge, Digest, Empty, Loading, Section, Table, TroubleNote } from "../parts/parts.tsx";
import type { LiveSite } from "../site-app.tsx";

const SHOWN = 100;

export function Departures({ status }: { readonly status: LiveSite }) {
  const [shown, setShown] = useState(SHOWN);
  const { value, trouble, reload } = useLoaded(
    async () => JSON.parse((await site.listDepartures({})).json) as readonly SiteLogEntry[],
    String(status.left.entries),
  );
  if (trouble) return <TroubleNote trouble={trouble} retry={reload} />;
  if (value === undefined) return <Loading what="the log" />;
  const latest = value.toReversed().slice(0, shown);
  return (
    <Section
      title="What left this site"
      note="Each line was on disk before its first byte was sent, and names the digest of the line before it. No scan, no label map, no name of a case is among it."
    >
      <p>
        <Badge tone="good">the chain holds</Badge> {countOf(value.length, "line")},{" "}
        {formatBytes(value.reduce((sum, { bytes }) => sum + bytes, 0))} to {status.membership.address}
      </p>
      {value.length === 0 ? (
        <Empty title="Nothing has left." />
      ) : (
        <Table
          caption="What left, latest first"
          columns={["Time", "What", "#Round", "#Size", "SHA-256"]}
          rows={latest.map(({ timeMs, what, count, round, bytes, sha256 }) => [
            formatTime(timeMs),
            count === undefined ? what : `${what} (${count})`,
            round === 0 ? "–" : round,
            formatBytes(bytes),
            <Digest sha256={sha256} key="d" />,
          ])}
        />
      )}
      {value.length > latest.length && (
        <p class="buttons">
          <button type="button" onClick={() => setShown((before) => before + SHOWN)}>
            Show older ones
          </button>
        </p>
      )}
    </Section>
  );
}
