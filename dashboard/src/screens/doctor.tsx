/** Whether this site can take part, tested on the operator's wish: the way to the coordinator, and what a study asks. */
import type { DoctorView } from "../../../src/console/index.ts";
import { site } from "../api.ts";
import { Progressing, useLongWork } from "../parts/long-work.tsx";
import { Badge, Empty, Loading, Section, Table, Time, TroubleNote } from "../parts/parts.tsx";

const TONES = { good: "good", warning: "busy", failed: "bad", skipped: "calm" } as const;

type Last = NonNullable<DoctorView["last"]>;

export function Doctor() {
  const work = useLongWork<Last["result"]>(() => site.getDoctor({}));
  const { view, trouble, reload } = work;
  if (trouble) return <TroubleNote trouble={trouble} retry={reload} />;
  if (view === undefined) return <Loading what="what the doctor found" />;
  const { running, last } = view;
  return (
    <Section
      title="Can this site take part?"
      note="The way to the coordinator (name, proxy, route, TLS, clock, membership, megabytes a second), and what the study that was offered last asks of this machine. Steps run on made-up patches, never on patients' data; while it runs, this machine has less for other work. The same as: consilium site doctor --home HOME"
    >
      <p class="buttons">
        <button
          type="button"
          class="primary"
          disabled={running !== null}
          onClick={() => void work.begin(() => site.runDoctor({}))}
        >
          {last === null ? "Examine this site" : "Examine it again"}
        </button>
      </p>
      <Progressing
        work={work}
        doing="examining"
        none={<Empty title="Not examined since this console was started." />}
      />
      {last && <Found last={last} />}
    </Section>
  );
}

function Found({ last: { endedMs, result } }: { readonly last: Last }) {
  const { fits, study, findings } = result;
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
