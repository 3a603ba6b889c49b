/** The models that studies ended with: figures, lineage, two of them beside each other by site, and their files. */
import { useState } from "preact/hooks";
import type { CoordinatorStatus, ModelComparison, ModelEntry } from "../../../src/coordinator/index.ts";
import { coordinator, type Role } from "../api.ts";
import { countOf, formatBytes, formatChange, formatCount, formatFigure, formatInterval } from "../format.ts";
import { useLoaded } from "../live.ts";
import { ModelFiles } from "../parts/model-files.tsx";
import { Badge, Digest, Empty, Loading, Section, Table, Tiles, Time, TroubleNote } from "../parts/parts.tsx";
import { Off } from "../parts/plan.tsx";

interface Props {
  readonly status: CoordinatorStatus;
  readonly role: Role;
}

export function Models({ status, role }: Props) {
  const key = `${status.study?.hash} ${status.study?.end?.kind} ${status.past.length}`;
  const { value, trouble, reload } = useLoaded(
    async () => JSON.parse((await coordinator.listModels({})).json) as readonly ModelEntry[],
    key,
  );
  if (trouble) return <TroubleNote trouble={trouble} retry={reload} />;
  if (value === undefined) return <Loading what="the models" />;
  const models = value.filter(({ best }) => best !== null);
  if (models.length === 0) {
    return (
      <Section title="No model yet">
        <Empty title="A model appears here when its study has ended." />
      </Section>
    );
  }
  return (
    <>
      {models.map((model) => (
        <ModelCard key={model.studyHash} model={model} role={role} />
      ))}
      {models.length > 1 && <Comparison models={models} />}
    </>
  );
}

function ModelCard({ model, role }: { readonly model: ModelEntry; readonly role: Role }) {
  const {
    study,
    studyHash,
    best,
    figures,
    network,
    parameterCount,
    trainedFrom,
    rounds,
    privacy,
    endedMs,
    sites,
    trained,
    off,
  } = model;
  const regions = Object.entries(figures?.regions ?? {});
  return (
    <Section title={study}>
      <p>
        <Badge tone="good">best of {countOf(rounds, "round")}</Badge> round {best?.round}, ended <Time ms={endedMs} />
      </p>
      <Tiles
        tiles={[
          [formatFigure(figures?.mean), `mean Dice, ${countOf(figures?.cases ?? 0, "validation case")}`],
          ...regions.map(
            ([region, { dice, diceInterval }]) =>
              [formatFigure(dice), `Dice ${region}${formatInterval(diceInterval)}`] as const,
          ),
          [formatCount(parameterCount), `parameters, ${network}`],
        ]}
      />
      <dl class="facts">
        <dt>Model</dt>
        <dd>
          {best && <Digest sha256={best.sha256} />} {best && `(weights, ${formatBytes(best.bytes)})`}
        </dd>
        <dt>Study</dt>
        <dd>
          <Digest sha256={studyHash} />
        </dd>
        <dt>Trained from</dt>
        <dd>
          {trainedFrom.given ? "given weights" : "seeded random weights"} <Digest sha256={trainedFrom.sha256} />
        </dd>
        <dt>Privacy</dt>
        <dd>{privacy}</dd>
      </dl>
      {off.length > 0 ? (
        <>
          <p>
            Trained in its round: {trained?.sites} sites, {countOf(trained?.trainingCases ?? 0, "case")},{" "}
            {countOf(trained?.gradientSteps ?? 0, "gradient step")}, mean loss {formatFigure(trained?.meanLoss)}.
          </p>
          <Off lines={off} />
        </>
      ) : (
        <Table
          caption={`${study}, by site`}
          columns={[
            "Site",
            "#Share",
            "#Training cases",
            "#Dice, first round",
            "#Dice, best",
            "#Change",
            "#Validation cases",
          ]}
          rows={sites.map(({ id, share, trainingCases, first, best: last }) => [
            <b key="id">{id}</b>,
            `${(100 * share).toFixed(1)} %`,
            trainingCases,
            formatFigure(first?.mean),
            formatFigure(last?.mean),
            formatChange(first?.mean, last?.mean),
            last?.cases ?? "–",
          ])}
        />
      )}
      <ModelFiles role={role} study={studyHash} regions={regions.map(([region]) => region)} report />
      <p class="soft">For research only: not a medical device.</p>
    </Section>
  );
}

function Comparison({ models }: { readonly models: readonly ModelEntry[] }) {
  const [[left, right], choose] = useState<readonly [number, number]>([1, 0]);
  const [region, setRegion] = useState("");
  const [before, after] = [models[left], models[right]];
  const regions = Object.keys(before.figures?.regions ?? {}).filter((name) => after.figures?.regions[name]);
  const asked = regions.includes(region) ? region : "";
  const { value, trouble, reload } = useLoaded(async () => {
    const which = { before: before.studyHash, after: after.studyHash, region: asked };
    return JSON.parse((await coordinator.compareModels(which)).json) as ModelComparison;
  }, `${before.studyHash} ${after.studyHash} ${asked}`);
  return (
    <Section
      title="Two models beside each other"
      note="Mean Dice by site. The coordinator holds sums, not single cases: its interval is over sites, each counted once. consilium compare gives intervals over cases, where the cases are."
    >
      <div class="buttons">
        <Choice label="Before" models={models} value={left} onChange={(index) => choose([index, right])} />
        <Choice label="After" models={models} value={right} onChange={(index) => choose([left, index])} />
        <label>
          Region{" "}
          <select value={asked} onChange={(event) => setRegion(event.currentTarget.value)}>
            <option value="">mean of all</option>
            {regions.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      {trouble && <TroubleNote trouble={trouble} retry={reload} />}
      {value === undefined ? !trouble && <Loading what="the comparison" /> : <Compared comparison={value} />}
    </Section>
  );
}

function Compared({ comparison: { before, after, sites, paired, change } }: { readonly comparison: ModelComparison }) {
  return (
    <>
      <Table
        caption="Comparison by site"
        columns={["Site", `#${before.study}`, `#${after.study} `, "#Change"]}
        rows={sites.map((site) => [
          <b key="id">{site.id}</b>,
          formatFigure(site.before),
          formatFigure(site.after),
          formatChange(site.before, site.after),
        ])}
      />
      <p role="status">{changeInWords(paired, change)}</p>
    </>
  );
}

function changeInWords(paired: number, change: ModelComparison["change"]): string {
  if (change === null) return `Both models have figures at ${countOf(paired, "site")}: an interval takes three.`;
  const { mean, interval } = change;
  const [low, high] = interval;
  const verdict = low > 0 ? "the second is better" : high < 0 ? "the first is better" : "neither is shown to be better";
  const told = [mean, low, high].map((value) => formatChange(0, value));
  return `Mean change ${told[0]}, 95 % interval ${told[1]} to ${told[2]} over ${countOf(paired, "site")} (Student's t, paired): ${verdict}.`;
}

interface ChoiceProps {
  readonly label: string;
  readonly models: readonly ModelEntry[];
  readonly value: number;
  readonly onChange: (value: number) => void;
}

function Choice({ label, models, value, onChange }: ChoiceProps) {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => onChange(Number(event.currentTarget.value))}>
        {models.map(({ study, studyHash }, i) => (
          <option key={studyHash} value={i}>
            {study} ({studyHash.slice(0, 6)})
          </option>
        ))}
      </select>
    </label>
  );
}
