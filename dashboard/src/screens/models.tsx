/** The models that studies ended with: figures, lineage, two of them beside each other by site, and their files. */
import { useState } from "preact/hooks";
import type { ModelEntry } from "../../../src/console/index.ts";
import type { CoordinatorStatus } from "../../../src/coordinator/index.ts";
import { coordinator, type Role } from "../api.ts";
import { countOf, formatBytes, formatChange, formatCount, formatFigure, formatInterval } from "../format.ts";
import { useLoaded } from "../live.ts";
import { meanInterval } from "../mean-interval.ts";
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
      {model.downloadable ? (
        <p class="buttons">
          {(role === "lead" || role === "operator") && (
            <>
              <a class="button primary" href="/download/model.onnx" download>
                Download model.onnx
              </a>
              <a class="button" href="/download/weights.safetensors" download>
                Weights
              </a>
            </>
          )}
          <a class="button" href="/download/card.md" download>
            Model card
          </a>
        </p>
      ) : (
        <p class="soft">Its files belong to an earlier study, and are no longer offered here.</p>
      )}
      <p class="soft">For research only: not a medical device.</p>
    </Section>
  );
}

function Comparison({ models }: { readonly models: readonly ModelEntry[] }) {
  const [[left, right], choose] = useState<readonly [number, number]>([1, 0]);
  const [before, after] = [models[left], models[right]];
  const ids = [...new Set([...before.sites, ...after.sites].map(({ id }) => id))].sort();
  const of = (model: ModelEntry, id: string) => model.sites.find((site) => site.id === id)?.best?.mean;
  const changes = ids.flatMap((id) => {
    const [first, second] = [of(before, id), of(after, id)];
    return typeof first === "number" && typeof second === "number" ? [second - first] : [];
  });
  return (
    <Section
      title="Two models beside each other"
      note="Mean Dice by site. The coordinator holds sums, not single cases: its interval is over sites, each counted once. consilium compare gives intervals over cases, where the cases are."
    >
      <div class="buttons">
        <Choice label="Before" models={models} value={left} onChange={(value) => choose([value, right])} />
        <Choice label="After" models={models} value={right} onChange={(value) => choose([left, value])} />
      </div>
      <Table
        caption="Comparison by site"
        columns={["Site", `#${before.study}`, `#${after.study} `, "#Change"]}
        rows={ids.map((id) => [
          <b key="id">{id}</b>,
          formatFigure(of(before, id)),
          formatFigure(of(after, id)),
          formatChange(of(before, id), of(after, id)),
        ])}
      />
      <p role="status">{changeInWords(changes)}</p>
    </Section>
  );
}

function changeInWords(changes: readonly number[]): string {
  const interval = meanInterval(changes);
  if (interval === undefined) return `Both models have figures at ${changes.length} sites: an interval takes three.`;
  const { mean, low, high } = interval;
  const verdict = low > 0 ? "the second is better" : high < 0 ? "the first is better" : "neither is shown to be better";
  const told = [mean, low, high].map((value) => formatChange(0, value));
  return `Mean change ${told[0]}, 95 % interval ${told[1]} to ${told[2]} over ${changes.length} sites (Student's t, paired): ${verdict}.`;
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
