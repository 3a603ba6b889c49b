/** Every round summed again whose objects are kept, and compared with what the journal says. */
import type { ReplayView } from "../../../src/console/index.ts";
import { coordinator } from "../api.ts";
import { countOf, formatCount } from "../format.ts";
import { Progressing, useLongWork } from "../parts/long-work.tsx";
import { Badge, Digest, Empty, Loading, Section, Table, Tiles, Time, TroubleNote } from "../parts/parts.tsx";

type Last = NonNullable<ReplayView["last"]>;

const TONES = { equal: "good", different: "bad", unchecked: "calm" } as const;

export function Replay() {
  const work = useLongWork<Last["result"]>(() => coordinator.getReplay({}));
  const { view, trouble, reload } = work;
  return (
    <Section
      title="Rounds summed again"
      note="Sums the updates of every round whose objects are kept, and compares model, weight and shares with the journal. It runs beside the coordinator, changes nothing, and takes a processor for a while. The same as: consilium replay --home HOME"
    >
      {trouble && <TroubleNote trouble={trouble} retry={reload} />}
      {view === undefined ? (
        !trouble && <Loading what="what the last replay came to" />
      ) : (
        <>
          <p class="buttons">
            <button
              type="button"
              disabled={view.running !== null}
              onClick={() => void work.begin(() => coordinator.runReplay({}))}
            >
              {view.last === null ? "Sum the rounds again" : "Sum them once more"}
            </button>
          </p>
          <Progressing
            work={work}
            doing="summing again"
            none={<Empty title="Not summed again since the coordinator was started." />}
          />
          {view.last && <Came last={view.last} />}
        </>
      )}
    </Section>
  );
}

function Came({ last: { endedMs, result } }: { readonly last: Last }) {
  const { records, total, equal, different, unchecked, rounds } = result;
  return (
    <>
      <p>
        {different > 0 ? (
          <Badge tone="bad">{countOf(different, "round")} came out otherwise</Badge>
        ) : unchecked > 0 ? (
          <Badge tone="calm">what could be summed again is equal</Badge>
        ) : (
          <Badge tone="good">every round is equal</Badge>
        )}{" "}
        <span class="soft">
          <Time ms={endedMs} />, after {countOf(records, "record")}
        </span>
      </p>
      <Tiles
        tiles={[
          [formatCount(equal), "equal, bit by bit"],
          [formatCount(different), "different"],
          [formatCount(unchecked), "not checked: their objects are not kept"],
        ]}
      />
      {total > 0 && (
        <Table
          caption="Rounds summed again"
          columns={["Study", "#Round", "Model", "Again", "Why"]}
          rows={rounds.map(({ study, round, modelSha256, outcome, why }) => [
            study,
            round,
            <Digest sha256={modelSha256} key="m" />,
            <Badge tone={TONES[outcome]} key="o">
              {outcome}
            </Badge>,
            why,
          ])}
        />
      )}
      {total > rounds.length && (
        <p class="soft">
          {formatCount(rounds.length)} of {countOf(total, "round")} are listed; <code>consilium replay</code> lists all.
        </p>
      )}
    </>
  );
}
