/** The dataset that was checked and registered: what is wrong with a case, and which cases lie far from the others. */
import type { DatasetView } from "../../../../src/console/index.ts";
import { countOf, formatFigure } from "../../format.ts";
import { Badge, Empty, Section, Tiles, Time } from "../../parts/parts.tsx";
import { Listed } from "./listed.tsx";
import { Next } from "./next-commands.tsx";

type Check = NonNullable<DatasetView["check"]>;

export function Dataset({ view: { registered, check, next } }: { readonly view: DatasetView }) {
  return (
    <Section title="Dataset" note="Its files stay where they are; studies are told how many cases there are, at most.">
      {registered === null ? (
        <Empty title="No data is registered." />
      ) : (
        <>
          <Tiles
            tiles={[
              [registered.training, "training cases"],
              [registered.validation, "validation cases"],
              [registered.excluded, "left out"],
              [registered.incomplete, "lack a scan"],
              [<Time ms={registered.registeredAtMs} key="t" />, `registered, labels as in ${registered.convention}`],
            ]}
          />
          <p>
            <code>{registered.dataset}</code>
          </p>
        </>
      )}
      {check && <Checked check={check} />}
      <Next next={next} />
    </Section>
  );
}

function Checked({ check }: { readonly check: Check }) {
  const { dataset, checkedAtMs, registered, total, usable, outliers } = check;
  const far = new Set(outliers.map(({ caseId }) => caseId));
  return (
    <>
      <h3>Last check</h3>
      <p>
        <Badge tone={usable === total ? "good" : "bad"}>
          {usable} of {countOf(total, "case")} can be used
        </Badge>{" "}
        <Badge tone={far.size === 0 ? "good" : "busy"}>{countOf(far.size, "case")} far from the others</Badge>{" "}
        <span class="soft">
          <Time ms={checkedAtMs} />
          {registered ? "" : <> of {<code>{dataset}</code>}, which was not registered</>}
        </span>
      </p>
      <Problems check={check} />
      <Outliers check={check} />
      <details>
        <summary>Every case with its figures</summary>
        <Listed
          caption="Cases of the last check"
          columns={["Case", "#Voxel sides", "#Brain", "#WT", "#TC", "#ET", "State"]}
          rows={check.cases.map(({ id, problems, measures }) => [
            id,
            sidesInWords(measures?.["finest voxel side, mm"], measures?.["coarsest voxel side, mm"]),
            millilitres(measures?.["brain, ml"]),
            millilitres(measures?.["WT, ml"]),
            millilitres(measures?.["TC, ml"]),
            millilitres(measures?.["ET, ml"]),
            problems.length > 0 ? (
              <Badge tone="bad">cannot be used</Badge>
            ) : far.has(id) ? (
              <Badge tone="busy">worth a look</Badge>
            ) : (
              <Badge tone="good">usable</Badge>
            ),
          ])}
          total={total}
        />
      </details>
    </>
  );
}

function Problems({ check: { cases } }: { readonly check: Check }) {
  const wrong = cases.flatMap(({ id, problems }) => problems.map((problem) => ({ id, ...problem })));
  if (wrong.length === 0) return null;
  return (
    <Listed
      caption="What is wrong"
      columns={["Case", "Code", "What is wrong, and what to do"]}
      rows={wrong.map(({ id, code, subject, expected, actual, hint }) => [
        <b key="i">{id}</b>,
        <code key="c">{code}</code>,
        <>
          {subject}: expected {expected}, got {actual}. {hint}
        </>,
      ])}
      total={wrong.length}
    />
  );
}

function Outliers({ check: { outliers } }: { readonly check: Check }) {
  if (outliers.length === 0) return null;
  return (
    <>
      <h3>Far from the others</h3>
      <p class="soft">
        Such a case may be right: look at it. z says how far it lies from the median of all cases, in robust standard
        deviations; from 3.5 on it is named.
      </p>
      <Listed
        caption="Cases far from the others"
        columns={["Case", "Figure", "#Of this case", "#Median of all", "#z"]}
        rows={outliers.map(({ caseId, measure, value, median, z }) => [
          <b key="i">{caseId}</b>,
          z === null ? "no tumour in its label map" : measure,
          value,
          median,
          formatFigure(z, 1),
        ])}
        total={outliers.length}
      />
    </>
  );
}

function sidesInWords(finest: number | undefined, coarsest: number | undefined): string {
  if (finest === undefined || coarsest === undefined) return "–";
  return finest === coarsest ? `${finest} mm` : `${finest} to ${coarsest} mm`;
}

function millilitres(value: number | undefined): string {
  return value === undefined ? "–" : `${value} ml`;
}
