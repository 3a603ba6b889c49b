/** The study underway or the last one: plan, approvals, live rounds, curves, what each site gained, what a round took. */
import { useMemo } from "preact/hooks";
import type { CoordinatorStatus, RoundStatus, StudyStatus } from "../../../src/coordinator/index.ts";
import { coordinator, type Role } from "../api.ts";
import { countOf, formatBytes, formatChange, formatDuration, formatFigure, formatTime } from "../format.ts";
import { useLoaded, useNow } from "../live.ts";
import { Chart, type Series } from "../parts/chart.tsx";
import {
  Action,
  Badge,
  Digest,
  Empty,
  Loading,
  ProgressBar,
  Section,
  Table,
  Tiles,
  TroubleNote,
} from "../parts/parts.tsx";
import { Off, type Plan, PlanText } from "../parts/plan.tsx";
import { Matrices } from "./matrix.tsx";
import { NewStudy } from "./new-study.tsx";
import { Rounds } from "./rounds.tsx";
import { Statistics } from "./statistics.tsx";

const PHASES: Readonly<Record<StudyStatus["phase"], string>> = {
  approving: "waiting for the sites' reviewers",
  surveying: "sites tell statistics of their data",
  agreeing: "sites exchange keys for masking",
  collecting: "sites train",
  unmasking: "sites open the sum",
  aggregating: "the updates are summed",
  evaluating: "sites evaluate",
  crossing: "sites measure each other's models",
  done: "the study has its model",
  failed: "it ended without a last model",
};

interface Props {
  readonly status: CoordinatorStatus;
  readonly role: Role;
}

export function StudyScreen({ status, role }: Props) {
  const { study } = status;
  if (study === null) {
    return (
      <Section title="No study yet">
        <Empty title="A federation without a study waits.">
          A study is one file: network, loss, rounds and limits as data. Sites approve it by its hash.
        </Empty>
        {role === "lead" && <NewStudy sites={status.sites.map(({ id }) => id)} />}
      </Section>
    );
  }
  return <KnownStudy study={study} status={status} role={role} />;
}

function KnownStudy({ study, status, role }: Props & { readonly study: StudyStatus }) {
  const ended = study.phase === "done" || study.phase === "failed";
  return (
    <>
      <p class="lead">
        <b>{study.name}</b> <Digest sha256={study.hash} />
      </p>
      <Now study={study} status={status} />
      <Off lines={study.off} />
      <PlanSection study={study} />
      <Approvals study={study} />
      <Statistics statistics={study.statistics} />
      <Curves study={study} />
      <BeforeAfter study={study} />
      <Matrices study={study} />
      <Rounds rounds={study.rounds} />
      {role === "lead" && !ended && <Steering study={study} />}
      {role === "lead" && ended && (
        <Section title="The next study" note="The study has ended; its model is on the Models screen.">
          <NewStudy sites={status.sites.map(({ id }) => id)} />
        </Section>
      )}
    </>
  );
}

function Now({ study, status }: { readonly study: StudyStatus; readonly status: CoordinatorStatus }) {
  const now = useNow();
  const { phase, round, roundsInAll, deadlineMs, best, end, rounds } = study;
  const tone = phase === "done" ? "good" : phase === "failed" ? "bad" : "busy";
  const bytes = rounds.reduce(
    (sum, each) => sum + each.sites.reduce((own, { updateBytes }) => own + updateBytes, 0),
    0,
  );
  return (
    <Section title="Now">
      <p role="status">
        <Badge tone={tone}>{phase}</Badge> {study.paused && <Badge tone="bad">paused: {study.paused.reason}</Badge>}{" "}
        {PHASES[phase]}
        {end?.kind === "failed" && `: ${end.reason}`}
        {end && `, ${formatTime(end.atMs)}`}
      </p>
      <ProgressBar label="Rounds" done={rounds.length} total={roundsInAll} />
      <Tiles
        tiles={[
          [`${round} of ${roundsInAll}`, "round"],
          [
            best === null ? "–" : formatFigure(best.meanDice),
            best === null ? "best mean Dice" : `best mean Dice, round ${best.round}`,
          ],
          [study.off.length > 0 ? "–" : formatBytes(bytes), "updates so far"],
          [deadlineMs === null ? "–" : formatDuration(deadlineMs - now), "left for this step"],
        ]}
      />
      {end === null && <Answers study={study} status={status} />}
    </Section>
  );
}

/** Who has answered in the present step, and what the others do. */
function Answers({ study, status }: { readonly study: StudyStatus; readonly status: CoordinatorStatus }) {
  const now = useNow();
  const answered = study.phase === "approving" ? Object.keys(study.decisions) : study.came;
  return (
    <Table
      caption="Sites in this step"
      columns={["Site", "This step", "Doing", "Heard"]}
      rows={study.roster.map((id) => {
        const site = status.sites.find((each) => each.id === id);
        const failure = study.failures[id];
        const state = answered.includes(id) ? (
          <Badge tone="good">answered</Badge>
        ) : failure ? (
          <Badge tone="bad">
            failed {failure.times} times: {failure.code}
          </Badge>
        ) : study.drawn?.includes(id) === false ? (
          <Badge tone="calm">not drawn for this round</Badge>
        ) : (
          <Badge tone="calm">awaited</Badge>
        );
        const doing = site?.stepsTotal
          ? `${site.activity} ${site.stepsDone} of ${site.stepsTotal}`
          : (site?.activity ?? "–");
        const heard = site?.lastContactMs ? `${formatDuration(now - site.lastContactMs)} ago` : "never";
        return [<b key="id">{id}</b>, state, failure ? failure.hint : doing, heard];
      })}
    />
  );
}

function PlanSection({ study }: { readonly study: StudyStatus }) {
  const { value, trouble, reload } = useLoaded(
    async () => JSON.parse((await coordinator.getStudy({})).json) as Plan,
    study.hash,
  );
  return (
    <Section title="The plan in words">
      {trouble && <TroubleNote trouble={trouble} retry={reload} />}
      {value ? <PlanText plan={value} /> : trouble === undefined && <Loading what="the plan" />}
    </Section>
  );
}

function Approvals({ study }: { readonly study: StudyStatus }) {
  return (
    <Section title="Approvals" note="Each site's reviewer decides about exactly this study and this list of sites.">
      <Table
        caption="Decisions of the sites"
        columns={["Site", "Decision", "Reason"]}
        rows={study.roster.map((id) => {
          const decision = study.decisions[id];
          const word = decision === undefined ? "awaited" : decision.approved ? "approved" : "refused";
          const tone = decision === undefined ? "calm" : decision.approved ? "good" : "bad";
          return [
            <b key="id">{id}</b>,
            <Badge tone={tone} key="b">
              {word}
            </Badge>,
            decision?.reason || "–",
          ];
        })}
      />
    </Section>
  );
}

function Curves({ study: { rounds } }: { readonly study: StudyStatus }) {
  const evaluated = useMemo(() => rounds.filter(({ dice }) => dice !== null), [rounds]);
  const numbers = useMemo(() => evaluated.map(({ round }) => round), [evaluated]);
  const byRegion = useMemo(() => regionSeries(evaluated), [evaluated]);
  const bySite = useMemo(() => siteSeries(evaluated), [evaluated]);
  return (
    <Section title="Dice after each round" note="On the sites' own validation cases.">
      {evaluated.length === 0 ? (
        <Empty title="No round was evaluated yet.">The curves begin with the first.</Empty>
      ) : (
        <div class="charts">
          <Chart title="By region, all sites" series={byRegion} rounds={numbers} />
          {bySite.length > 0 && <Chart title="By site, mean of the regions" series={bySite} rounds={numbers} />}
        </div>
      )}
    </Section>
  );
}

function regionSeries(rounds: readonly RoundStatus[]): Series[] {
  const regions = [...new Set(rounds.flatMap(({ dice }) => Object.keys(dice?.regions ?? {})))];
  return regions.map((name) => ({
    name,
    values: new Map(rounds.map(({ round, dice }) => [round, dice?.regions[name]?.dice ?? null])),
  }));
}

function siteSeries(rounds: readonly RoundStatus[]): Series[] {
  const ids = [...new Set(rounds.flatMap(({ sites }) => sites.map(({ id }) => id)))].sort();
  return ids.map((name) => ({
    name,
    values: new Map(rounds.map(({ round, sites }) => [round, sites.find(({ id }) => id === name)?.dice?.mean ?? null])),
  }));
}

/** What each site had after the first round that was evaluated there, and what it has with the best model. */
function BeforeAfter({ study: { rounds, best, roster, off } }: { readonly study: StudyStatus }) {
  if (best === null || off.length > 0) return null;
  const at = (id: string, pick: (all: readonly RoundStatus[]) => RoundStatus | undefined) =>
    pick(rounds)?.sites.find((site) => site.id === id)?.dice ?? null;
  return (
    <Section
      title="What each site gained"
      note={`Mean Dice on the site's validation cases: its first round, and round ${best.round}, the best.`}
    >
      <Table
        caption="Before and after, by site"
        columns={["Site", "#First", "#Best", "#Change", "#HD95 WT, mm", "#Cases"]}
        rows={roster.map((id) => {
          const first = at(id, (all) =>
            all.find(({ sites }) => sites.some((site) => site.id === id && site.dice !== null)),
          );
          const last = at(id, (all) => all.find(({ round }) => round === best.round));
          return [
            <b key="id">{id}</b>,
            formatFigure(first?.mean),
            formatFigure(last?.mean),
            formatChange(first?.mean, last?.mean),
            formatFigure(last?.regions.WT?.hd95, 1),
            last?.cases ?? "–",
          ];
        })}
      />
    </Section>
  );
}

/** Whole hours for people, seconds on the wire. */
const HOUR_S = 3600;

function Steering({ study: { paused, rules, phase } }: { readonly study: StudyStatus }) {
  return (
    <Section
      title="Steer it"
      note={`A round closes with ${rules.quorum === "all" ? "all sites" : countOf(rules.quorum, "update")}, after at most ${formatDuration(rules.deadlineS * 1000)}. Whatever is changed is journalled with its reason, and told to the sites.`}
    >
      <p class="buttons">
        {phase === "approving" && (
          <Action
            key="begin"
            label="Begin without the undecided"
            explain="The first round begins without the sites that have not decided. Those that approve later take part from then on."
            ask={{ label: "Reason" }}
            run={async (reason) => {
              await coordinator.beginStudy({ reason });
              return "Begun.";
            }}
          />
        )}
        {paused === null ? (
          <Action
            key="pause"
            label="Pause"
            explain="No new work begins and no deadline passes until the study is resumed. What sites have begun they finish and send, and it counts."
            ask={{ label: "Reason" }}
            run={async (reason) => {
              await coordinator.pauseStudy({ paused: true, reason });
              return "Paused.";
            }}
          />
        ) : (
          <Action
            key="resume"
            label="Resume"
            primary
            explain={`Paused ${formatTime(paused.atMs)}: ${paused.reason}. The study goes on where it was.`}
            ask={{ label: "Reason" }}
            run={async (reason) => {
              await coordinator.pauseStudy({ paused: false, reason });
              return "Resumed.";
            }}
          />
        )}
        <Action
          label="Change the deadline"
          explain="Gives rounds another time, the one underway as well. Write the hours, then the reason: 12 scanner upgrade"
          ask={{ label: "Hours, and the reason" }}
          run={async (text) => {
            const [hours, reason] = numberAndReason(text);
            await coordinator.changeRules({ reason, deadlineS: hours * HOUR_S });
            return `Rounds have ${hours} h from now on.`;
          }}
        />
        <Action
          label="Change the quorum"
          explain="Closes rounds with another number of updates, the one underway as well; 0 means all sites. Write the number, then the reason: 2 ukhd is moving"
          ask={{ label: "Updates, and the reason" }}
          run={async (text) => {
            const [quorum, reason] = numberAndReason(text);
            await coordinator.changeRules({ reason, quorum });
            return `Rounds close with ${quorum === 0 ? "all sites" : countOf(quorum, "update")} from now on.`;
          }}
        />
        <Action
          label="Change the rounds"
          explain="Ends the study after another number of rounds in all, at most as many as the reviewers approved. Write the number, then the reason: 40 the curves are flat"
          ask={{ label: "Rounds in all, and the reason" }}
          run={async (text) => {
            const [rounds, reason] = numberAndReason(text);
            await coordinator.changeRules({ reason, rounds });
            return `The study has ${countOf(rounds, "round")} from now on.`;
          }}
        />
        <Action
          label="Stop the study"
          danger
          explain="Ends the study now: no further round begins, and sites are told at their next question. The model of the best round so far stays. The reason is journalled."
          ask={{ label: "Reason" }}
          run={async (reason) => {
            await coordinator.stopStudy({ reason });
            return "Stopped.";
          }}
        />
      </p>
    </Section>
  );
}

/** @throws a Trouble in words */
function numberAndReason(text: string): readonly [number, string] {
  const match = /^(\d+(?:[.]\d+)?)\s+(\S.*)$/.exec(text);
  if (match !== null) return [Number(match[1]), match[2]];
  throw {
    code: "usage",
    subject: "what was written",
    expected: "a number, and after it the reason",
    actual: text,
    hint: "For example: 12 scanner upgrade at two sites",
  };
}
