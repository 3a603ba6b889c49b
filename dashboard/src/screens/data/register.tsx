/** A folder that the console offers becomes this site's data: checked case by case, and registered. */
import { useId, useState } from "preact/hooks";
import type { DatasetView, RegistrationView } from "../../../../src/console/index.ts";
import { site } from "../../api.ts";
import { countOf } from "../../format.ts";
import { Progressing, useLongWork } from "../../parts/long-work.tsx";
import { Badge, Empty, Section, Time, TroubleNote } from "../../parts/parts.tsx";

type Last = NonNullable<RegistrationView["last"]>;

const SCANS = ["t1", "t1ce", "t2", "flair"] as const;

interface Props {
  readonly offered: DatasetView["offered"];
  /** A check has ended: what it found is to be read. */
  readonly onEnd: () => void;
}

export function Register({ offered, onEnd }: Props) {
  const work = useLongWork<Last["result"]>(() => site.getRegistration({}), onEnd);
  const { view, trouble, reload } = work;
  return (
    <Section
      title="Register a dataset"
      note="Reads and checks every case, which takes a while; files stay where they are. Stop this site's process first. The same as: consilium site data --home HOME --dataset DIR"
    >
      {trouble && <TroubleNote trouble={trouble} retry={reload} />}
      {offered.length === 0 ? (
        <Empty title="No folder is offered.">
          Start this console with <code>--data DIR</code>: folders are named on this machine alone, never by a browser.
        </Empty>
      ) : (
        <Form offered={offered} busy={view === undefined || view.running !== null} work={work} />
      )}
      <Progressing work={work} doing="checking" />
      {view?.last && <Came last={view.last} />}
    </Section>
  );
}

interface FormProps {
  readonly offered: DatasetView["offered"];
  readonly busy: boolean;
  readonly work: { readonly begin: (work: () => Promise<unknown>) => Promise<void> };
}

function Form({ offered, busy, work }: FormProps) {
  const [key, setKey] = useState(offered[0].key);
  const [labels, setLabels] = useState("");
  const [mayMiss, setMayMiss] = useState<readonly string[]>([]);
  const [excludeBroken, setExcludeBroken] = useState(false);
  const [counts, setCounts] = useState("");
  const [keyId, labelsId, countsId] = [useId(), useId(), useId()];
  const submit = (event: Event): void => {
    event.preventDefault();
    const chosen = offered.some((each) => each.key === key) ? key : offered[0].key;
    void work.begin(() => site.registerData({ key: chosen, labels, mayMiss: [...mayMiss], excludeBroken, counts }));
  };
  return (
    <form class="register" onSubmit={submit}>
      <p class="field">
        <label for={keyId}>Folder</label>
        <select id={keyId} value={key} onChange={(event) => setKey(event.currentTarget.value)}>
          {offered.map((each) => (
            <option key={each.key} value={each.key}>
              {each.folder}
              {each.registered ? " (registered now)" : ""}
            </option>
          ))}
        </select>
      </p>
      <p class="field">
        <label for={labelsId}>How labels are written</label>
        <select id={labelsId} value={labels} onChange={(event) => setLabels(event.currentTarget.value)}>
          <option value="">as file names tell</option>
          <option value="brats2021">brats2021: enhancing tumour is 4</option>
          <option value="brats2023">brats2023: enhancing tumour is 3</option>
          <option value="brats2024">brats2024: enhancing tumour is 3, a cavity 4</option>
        </select>
      </p>
      <p class="field">
        <label for={countsId}>Numbers of cases</label>
        <select id={countsId} value={counts} onChange={(event) => setCounts(event.currentTarget.value)}>
          <option value="">as before</option>
          <option value="told">studies are told them</option>
          <option value="private">nobody is told: they leave inside masked sums alone</option>
        </select>
      </p>
      <fieldset>
        <legend>A case may lack</legend>
        {SCANS.map((scan) => (
          <label key={scan} class="tick">
            <input
              type="checkbox"
              checked={mayMiss.includes(scan)}
              onChange={(event) =>
                setMayMiss(event.currentTarget.checked ? [...mayMiss, scan] : mayMiss.filter((each) => each !== scan))
              }
            />
            {scan}
          </label>
        ))}
      </fieldset>
      <p>
        <label class="tick">
          <input
            type="checkbox"
            checked={excludeBroken}
            onChange={(event) => setExcludeBroken(event.currentTarget.checked)}
          />
          Leave out cases with a problem, instead of refusing the dataset
        </label>
      </p>
      <p class="buttons">
        <button type="submit" class="primary" disabled={busy}>
          Check and register
        </button>
      </p>
    </form>
  );
}

function Came({ last: { endedMs, result } }: { readonly last: Last }) {
  const { training, validation, added, gone, excluded, outliers, privateCounts } = result;
  return (
    <p role="status">
      <Badge tone="good">registered</Badge> {training} training and {countOf(validation, "validation case")}, {added}{" "}
      new, {gone} gone, {excluded} left out, {outliers} far from the others
      {privateCounts ? "; these numbers stay here" : ""}.{" "}
      <span class="soft">
        <Time ms={endedMs} />
      </span>
    </p>
  );
}
