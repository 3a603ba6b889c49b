/**
 * A study file is pasted, with the files that it names, shown in words, and submitted: the same text that `consilium study
 * submit` takes.
 */
import { useId, useState } from "preact/hooks";
import { coordinator, troubleOf } from "../api.ts";
import { countOf } from "../format.ts";
import { TroubleNote } from "../parts/parts.tsx";
import { type Plan, PlanText } from "../parts/plan.tsx";
import { StudyFiles } from "../parts/study-files.tsx";
import type { Trouble } from "../trouble.ts";

const EXAMPLE = `schema: consilium.study/1
name: First study
task: { spacingMm: 4 }
network: { kind: unet3d, levels: 3, baseFeatures: 8 }
training:
  optimiser: { kind: sgd, learningRate: 0.03 }
  patch: [24, 24, 24]
  stepsPerRound: { patchesPerCase: 4 }
rounds: { count: 3 }
`;

export function NewStudy({ sites }: { readonly sites: readonly string[] }) {
  const [yaml, setYaml] = useState(EXAMPLE);
  const [plan, setPlan] = useState<Plan>();
  const [trouble, setTrouble] = useState<Trouble>();
  const [busy, setBusy] = useState(false);
  const [bringing, setBringing] = useState(false);
  const [submitted, setSubmitted] = useState(false);
  const id = useId();
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setTrouble(undefined);
    try {
      await work();
    } catch (error) {
      setTrouble(troubleOf(error));
    } finally {
      setBusy(false);
    }
  };
  const check = (): Promise<void> =>
    attempt(async () => setPlan(JSON.parse((await coordinator.checkStudy({ yaml })).json) as Plan));
  const submit = (): Promise<void> =>
    attempt(async () => {
      await coordinator.submitStudy({ yaml, sites: [], hash: plan?.hash ?? "" });
      setSubmitted(true);
    });
  if (submitted) return <p role="status">Submitted: each site's reviewer is asked.</p>;
  return (
    <>
      <p class="field">
        <label for={id}>Study file (YAML)</label>
        <textarea
          id={id}
          rows={12}
          spellcheck={false}
          value={yaml}
          onInput={(event) => {
            setYaml(event.currentTarget.value);
            setPlan(undefined);
          }}
        />
      </p>
      <StudyFiles
        onChange={(now) => {
          setBringing(now);
          setPlan(undefined);
        }}
      />
      {trouble && <TroubleNote trouble={trouble} />}
      <p class="buttons">
        <button type="button" onClick={() => void check()} disabled={busy || bringing}>
          {busy && plan === undefined ? "One moment …" : "Check it"}
        </button>
        <button
          type="button"
          class="primary"
          onClick={() => void submit()}
          disabled={busy || bringing || plan === undefined}
        >
          Submit to {countOf(sites.length, "site")}
        </button>
      </p>
      {plan ? <PlanText plan={plan} /> : <p class="soft">Check it first: what would run is shown in words.</p>}
    </>
  );
}
