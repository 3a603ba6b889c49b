/** Whether this site can take part, tested on the operator's wish: the way to the coordinator, and what a study asks. */
import { useEffect, useState } from "preact/hooks";
import type { DoctorView } from "../../../src/console/index.ts";
import { site, troubleOf } from "../api.ts";
import { formatDuration } from "../format.ts";
import { useLoaded, useNow } from "../live.ts";
import { Badge, Empty, Loading, Section, Table, Time, TroubleNote } from "../parts/parts.tsx";
import type { Trouble } from "../trouble.ts";

const POLL_MS = 1000;
const TONES = { good: "good", warning: "busy", failed: "bad", skipped: "calm" } as const;

export function Doctor() {
  const { value, trouble, reload } = useLoaded(
    async () => JSON.parse((await site.getDoctor({})).json) as DoctorView,
    "",
  );
  const [refused, setRefused] = useState<Trouble>();
  const isRunning = value?.running !== null && value !== undefined;
  useEffect(() => {
    if (!isRunning) return;
    const timer = setInterval(reload, POLL_MS);
    return () => clearInterval(timer);
  }, [isRunning]);
  if (trouble) return <TroubleNote trouble={trouble} retry={reload} />;
  if (value === undefined) return <Loading what="what the doctor found" />;
  const { running, last, failed } = value;
  const begin = async (): Promise<void> => {
    setRefused(undefined);
    await site.runDoctor({}).then(reload, (error: unknown) => setRefused(troubleOf(error)));
  };
  return (
    <Section
      title="Can this site take part?"
      note="The way to the coordinator (name, proxy, route, TLS, clock, membership, megabytes a second), and what the study that was offered last asks of this machine. Steps run on made-up patches, never on patients' data; while it runs, this machine has less for other work. The same as: consilium site doctor --home HOME"
    >
      <p class="buttons">
        <button type="button" class="primary" disabled={running !== null} onClick={() => void begin()}>
          {last === null ? "Examine this site" : "Examine it again"}
        </button>
      </p>
      {refused && <TroubleNote trouble={refused} />}
      {running && <Running running={running} />}
      {failed && running === null && <TroubleNote trouble={failed as unknown as Trouble} />}
      {last === null && running === null && failed === null && (
        <Empty title="Not examined since this console was started." />
      )}
      {last && <Found last={last} />}
    </Section>
  );
}

function Running({ running: { sinceMs, lines } }: { readonly running: NonNullable<DoctorView["running"]> }) {
  const now = useNow();
  return (
    <div role="status">
      <p>
        <Badge tone="busy">examining</Badge> for {formatDuration(now - sinceMs)}
      </p>
      {lines.length > 0 && <pre>{lines.join("\n")}</pre>}
    </div>
  );
}

function Found({ last: { endedMs, examination } }: { readonly last: NonNullable<DoctorView["last"]> }) {
  const { fits, study, findings } = examination;
  return (
    <>
      <p>
        <Badge tone={fits ? "good" : "bad"}>{fits ? "nothing stands in the way" : "cannot take part as it is"}</Badge>{" "}
        {study === null ? "No study was offered yet." : `Study “${study}”.`}{" "}
        <span class="soft">
          <Time ms={endedMs} />
        </span>
      </p>
      <Table
        caption="What the doctor found"
        columns={["Check", "Found", "What, and what to do"]}
        rows={findings.map(({ check, outcome, words, hint, code }) => [
          <b key="c">{check}</b>,
          <Badge tone={TONES[outcome]} key="o">
            {outcome}
          </Badge>,
          <>
            {words}
            {hint !== undefined && (
              <>
                . <strong>{hint}</strong>
              </>
            )}
            {code !== undefined && (
              <>
                {" "}
                <code>{code}</code>
              </>
            )}
          </>,
        ])}
      />
    </>
  );
}
