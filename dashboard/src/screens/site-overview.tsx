/** Where this hospital stands: membership, data, work underway, studies. */
import { useState } from "preact/hooks";
import type { Role } from "../api.ts";
import { formatBytes, formatDuration, formatFigure, formatTime } from "../format.ts";
import { useNow } from "../live.ts";
import type { LiveSite } from "../live-site.ts";
import { ModelFiles } from "../parts/model-files.tsx";
import { Badge, Digest, Empty, ProgressBar, Section, Table, Tiles, Time } from "../parts/parts.tsx";

interface Props {
  readonly status: LiveSite;
  readonly role: Role;
}

export function SiteOverview({ status, role }: Props) {
  const { siteId, membership, running, data, left, studies, certificateExpiresMs } = status;
  const waiting = studies.filter(({ decision, end }) => decision === "awaited" && end === undefined);
  return (
    <>
      <p class="lead">
        {siteId} in “{membership.federationName}”, coordinator <code>{membership.address}</code>{" "}
        {running ? <Badge tone="good">at work</Badge> : <Badge tone="bad">not running</Badge>}
      </p>
      {membership.mutualTls === false && (
        <p>
          <Badge tone="busy">mutual TLS off</Badge> As this site chose, it goes through a proxy that ends TLS; what it
          says and hears is sealed and signed, and the proxy reads none of it.
        </p>
      )}
      {!running && (
        <p class="stale">
          No process works for this site. Start it: <code>consilium site start --home HOME</code>
        </p>
      )}
      {waiting.length > 0 && (
        <p class="ask">
          {waiting.map(({ name }) => `“${name}”`).join(", ")} waits for this site's reviewer.{" "}
          <a href="#/studies">Read and decide</a>
        </p>
      )}
      <Tiles
        tiles={[
          [data === undefined ? "–" : data.training, "training cases"],
          [data === undefined ? "–" : data.validation, "validation cases"],
          [formatBytes(left.bytes), `left, in ${left.entries} messages and objects`],
          [<Time ms={certificateExpiresMs} key="t" />, "certificate runs out; renewed before"],
        ]}
      />
      <Work status={status} />
      <Section title="Data">
        {data === undefined ? (
          <Empty title="No data is registered.">
            Check it and register it on this machine: <code>consilium cohort check</code>, then{" "}
            <code>consilium site data</code>.
          </Empty>
        ) : (
          <p>
            {data.training} training and {data.validation} validation cases;{" "}
            {data.excluded === 0
              ? "none was left out"
              : `${data.excluded} left out, since something is wrong with them`}
            . Names of cases and folders stay on this machine.
          </p>
        )}
      </Section>
      <BesideOthers status={status} />
      <Section title="Studies here">
        {studies.length === 0 ? (
          <Empty title="No study was offered yet.">The site asks its coordinator by itself while it runs.</Empty>
        ) : (
          <Table
            caption="Studies at this site"
            columns={["Study", "Hash", "Decision", "#Round", "Dice here", "End"]}
            rows={studies.map(({ studyHash, name, decision, round, updateMade, evaluation, end }) => [
              <b key="n">{name}</b>,
              <Digest sha256={studyHash} key="d" />,
              decision,
              round === undefined ? "–" : `${round}${updateMade ? ", update made" : ", training"}`,
              evaluation?.regions
                .map(
                  ({ region, diceSum, diceCases }) =>
                    `${region} ${formatFigure(diceCases === 0 ? null : diceSum / diceCases)}`,
                )
                .join(", ") || "–",
              end === undefined ? "–" : `${end.kind}, ${formatTime(end.endedAtMs)}`,
            ])}
          />
        )}
      </Section>
      <OwnModels status={status} role={role} />
    </>
  );
}

/** What this hospital got for its part: models of studies that ended, with the site's own running statistics. */
function OwnModels({ status: { studies }, role }: Props) {
  const [chosen, choose] = useState<string>();
  const done = studies.flatMap(({ name, studyHash, end }) => (end?.kind === "done" ? [{ name, studyHash, end }] : []));
  const shown = done.find(({ studyHash }) => studyHash === chosen) ?? done.at(0);
  if (shown === undefined) return null;
  return (
    <Section
      title="This site's models"
      note="Where a study leaves running statistics here, they are in its model. All files in one folder: consilium model export --home HOME --out DIR"
    >
      <p class="buttons">
        <label>
          Study{" "}
          <select value={shown.studyHash} onChange={(event) => choose(event.currentTarget.value)}>
            {done.map(({ name, studyHash }) => (
              <option key={studyHash} value={studyHash}>
                {name} ({studyHash.slice(0, 6)})
              </option>
            ))}
          </select>
        </label>
      </p>
      <ModelFiles
        key={shown.studyHash}
        role={role}
        study={shown.studyHash}
        regions={Object.keys(shown.end.byRegion ?? {})}
      />
      <p class="soft">For research only: not a medical device.</p>
    </Section>
  );
}

/** With `metrics: summed`, for this site's own reviewer: nobody else sees where it stands. */
function BesideOthers({ status: { studies } }: { readonly status: LiveSite }) {
  const compared = studies.flatMap(({ name, comparison }) => (comparison ? [{ name, ...comparison }] : []));
  if (compared.length === 0) return null;
  return (
    <Section title="This site beside all others" note="Reckoned here from the masked sum: nobody else can.">
      <Table
        caption="This site beside the sum of all others"
        columns={["Study", "#Round", "#Other sites", "#Loss here", "#Loss there", "#Dice here", "#Dice there"]}
        rows={compared.map(({ name, round, otherSites, ownLoss, othersLoss, ownDice, othersDice }) => [
          <b key="n">{name}</b>,
          round,
          otherSites,
          formatFigure(ownLoss),
          formatFigure(othersLoss),
          formatFigure(ownDice),
          formatFigure(othersDice),
        ])}
      />
    </Section>
  );
}

function Work({ status: { activity, running } }: { readonly status: LiveSite }) {
  const now = useNow();
  const work = running ? activity?.work : undefined;
  return (
    <Section title="Running now">
      {work ? (
        <>
          <p role="status">
            Round {work.round}: {work.what}, {work.done} of {work.total}
            {work.loss === null ? "" : `, loss ${work.loss.toFixed(3)}`}, for {formatDuration(now - work.sinceMs)}
          </p>
          <ProgressBar label={`Round ${work.round}, ${work.what}`} done={work.done} total={work.total} />
        </>
      ) : (
        <p class="soft">{activity?.lines.at(-1)?.text ?? "Nothing runs."}</p>
      )}
    </Section>
  );
}
