/** Sites with their state, invitations, studies. */
import { useId, useState } from "preact/hooks";
import type { CoordinatorStatus, SiteStatus } from "../../../src/coordinator/index.ts";
import { coordinator, type Role } from "../api.ts";
import { formatCount, formatDuration, formatTime } from "../format.ts";
import { useNow } from "../live.ts";
import { Action, Badge, Digest, Empty, ProgressBar, Section, Table, Tiles, Time } from "../parts/parts.tsx";
import { Authority } from "./authority.tsx";

/** A site that was not heard for so long is shown as silent: it speaks every few seconds, a waiting one every minute. */
const SILENT_MS = 150_000;
const CLOCK_TOLD_MS = 120_000;
const DAY_MS = 86_400_000;

interface Props {
  readonly status: CoordinatorStatus;
  readonly role: Role;
}

export function Federation({ status, role }: Props) {
  const now = useNow();
  const [grid, setGrid] = useState(false);
  const { federation, sites, study, past, invitations, trouble } = status;
  const heard = sites.filter((site) => isHeard(site, now)).length;
  const cases = sites.reduce((sum, { cases: own }) => sum + (own?.training ?? 0) + (own?.validation ?? 0), 0);
  const open = invitations.filter(({ used, expiresMs }) => !used && expiresMs > now);
  return (
    <>
      <p class="lead">
        {federation.name}: sites dial <code>{federation.address}</code>. Authority <Digest sha256={federation.id} />
      </p>
      {trouble && (
        <p class="stale" role="alert">
          Trouble at the coordinator, {formatTime(trouble.atMs)}: {trouble.message}
        </p>
      )}
      <Tiles
        tiles={[
          [sites.length, "sites that joined"],
          [`${heard} of ${sites.length}`, "heard of lately"],
          [formatCount(cases), "cases at the sites"],
          [past.length + (study === null ? 0 : 1), "studies so far"],
        ]}
      />
      <Section title="Sites">
        {sites.length === 0 ? (
          <Empty title="No site has joined yet.">
            Invite one: its operator gets a file that works once, and joins with <code>consilium site join</code>.
          </Empty>
        ) : (
          <>
            <p class="buttons">
              <button type="button" aria-pressed={!grid} onClick={() => setGrid(false)}>
                As a list
              </button>
              <button type="button" aria-pressed={grid} onClick={() => setGrid(true)}>
                As a grid
              </button>
            </p>
            {grid ? <SitesGrid sites={sites} now={now} /> : <SitesTable sites={sites} now={now} role={role} />}
          </>
        )}
        {(role === "lead" || role === "operator") && <InviteForm />}
      </Section>
      {open.length > 0 && (
        <Section title="Invited, not joined yet">
          <Table
            caption="Open invitations"
            columns={["Site", "Expires"]}
            rows={open.map(({ siteId, expiresMs }) => [siteId, <Time ms={expiresMs} key="t" />])}
          />
        </Section>
      )}
      <Authority federation={federation} role={role} />
      <Section title="Studies">
        {study === null ? (
          <Empty title="No study yet.">The lead submits one on the Study screen, or with consilium study submit.</Empty>
        ) : (
          <Table
            caption="Studies, latest first"
            columns={["Study", "Hash", "State", "#Rounds"]}
            rows={[
              [
                <a href="#/study" key="a">
                  {study.name}
                </a>,
                <Digest sha256={study.hash} key="d" />,
                study.phase,
                `${study.rounds.length} of ${study.roundsInAll}`,
              ],
              ...past
                .toReversed()
                .map(({ name, hash, rounds, end }) => [
                  name,
                  <Digest sha256={hash} key="d" />,
                  end.kind === "done" ? "done" : `failed: ${end.reason}`,
                  rounds,
                ]),
            ]}
          />
        )}
      </Section>
    </>
  );
}

function isHeard({ lastContactMs, revoked }: SiteStatus, now: number): boolean {
  return revoked === null && lastContactMs !== null && now - lastContactMs < SILENT_MS;
}

interface SitesTableProps {
  readonly sites: readonly SiteStatus[];
  readonly now: number;
  readonly role: Role;
}

function SitesTable({ sites, now, role }: SitesTableProps) {
  const columns = ["Site", "State", "Doing", "#Training", "#Validation", "Heard", "Version", "Key", "Clock"];
  return (
    <Table
      caption="Sites of the federation"
      columns={role === "lead" ? [...columns, "Membership"] : columns}
      rows={sites.map((site) => [
        <b key="id">{site.id}</b>,
        <span key="s">
          <SiteState site={site} now={now} /> <SealedLine site={site} />
        </span>,
        <Doing site={site} key="w" />,
        site.cases === null ? "–" : formatCount(site.cases.training),
        site.cases === null ? "–" : formatCount(site.cases.validation),
        site.lastContactMs === null ? "never" : `${formatDuration(now - site.lastContactMs)} ago`,
        site.productVersion,
        `${Math.max(0, Math.floor((now - site.enrolledMs) / DAY_MS))} d`,
        clockWords(site.clockOffsetMs),
        ...(role === "lead" ? [<Revoke site={site} key="r" />] : []),
      ])}
    />
  );
}

/** All sites at a glance, however many they are. */
function SitesGrid({ sites, now }: { readonly sites: readonly SiteStatus[]; readonly now: number }) {
  return (
    <ul class="sites" aria-label="Sites of the federation">
      {sites.map((site) => (
        <li key={site.id}>
          <b>{site.id}</b> <SiteState site={site} now={now} /> <SealedLine site={site} />
          <Doing site={site} />
          <span class="soft">
            {site.lastContactMs === null ? "never heard" : `heard ${formatDuration(now - site.lastContactMs)} ago`}
          </span>
        </li>
      ))}
    </ul>
  );
}

function SiteState({ site, now }: { readonly site: SiteStatus; readonly now: number }) {
  if (site.revoked !== null) return <Badge tone="bad">revoked</Badge>;
  if (site.lastContactMs === null) return <Badge tone="calm">never heard</Badge>;
  return isHeard(site, now) ? <Badge tone="good">heard</Badge> : <Badge tone="bad">silent</Badge>;
}

function SealedLine({ site }: { readonly site: SiteStatus }) {
  if (site.mutualTls !== false) return null;
  return (
    <span title="It comes through a proxy that ends TLS: its messages are sealed and signed.">
      <Badge tone="busy">mutual TLS off</Badge>
    </span>
  );
}

function Doing({ site }: { readonly site: SiteStatus }) {
  const { activity, stepsDone, stepsTotal, id } = site;
  if (!stepsTotal) return <>{activity ?? "–"}</>;
  return (
    <span class="doing">
      {activity} {stepsDone} of {stepsTotal}
      <ProgressBar label={`${id}, ${activity}`} done={stepsDone ?? 0} total={stepsTotal} />
    </span>
  );
}

function clockWords(offsetMs: number | null): string {
  if (offsetMs === null) return "–";
  if (Math.abs(offsetMs) <= CLOCK_TOLD_MS) return "right";
  return `${formatDuration(Math.abs(offsetMs))} ${offsetMs > 0 ? "ahead" : "behind"}`;
}

function Revoke({ site: { id, revoked } }: { readonly site: SiteStatus }) {
  if (revoked !== null) return <>{revoked}</>;
  return (
    <Action
      label={`Revoke ${id}`}
      danger
      explain={`Ends the membership of ${id}: its key is refused from now on, and it takes no part in rounds that begin. The reason is journalled and told to the site.`}
      ask={{ label: "Reason" }}
      run={async (reason) => {
        await coordinator.revokeSite({ siteId: id, reason });
        return `${id} is revoked.`;
      }}
    />
  );
}

function InviteForm() {
  const [hours, setHours] = useState("");
  const hoursId = useId();
  return (
    <p class="buttons">
      <Action
        label="Invite a site"
        explain="Makes an invitation that lets one site join, once, before it expires. Whoever has its text can join as that site: send it by a private way."
        ask={{ label: "Site: lower-case letters, digits and hyphens" }}
        run={async (siteId) => {
          const valid = hours.trim() === "" ? {} : { validHours: Number(hours) };
          const { text, expiresMs } = await coordinator.inviteSite({ siteId, ...valid });
          return `For ${siteId}, until ${formatTime(Number(expiresMs))}. Save this as a file for its operator:\n\n${text}`;
        }}
      >
        <p class="field">
          <label for={hoursId}>Hours until it expires (as many as usual, if left empty)</label>
          <input
            id={hoursId}
            inputMode="decimal"
            value={hours}
            onInput={(event) => setHours(event.currentTarget.value)}
          />
        </p>
      </Action>
    </p>
  );
}
