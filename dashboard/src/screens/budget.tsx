/** The hospital's own privacy budget, set by its reviewer. */
import { useId, useState } from "preact/hooks";
import type { PrivacyAccount } from "../../../src/site/index.ts";
import { site } from "../api.ts";
import { Action } from "../parts/parts.tsx";

interface Props {
  readonly budget: PrivacyAccount["budget"];
  /** Whether a process works for the site. */
  readonly running: boolean;
  readonly onSet: () => void;
}

export function SetBudget({ budget, running, onSet }: Props) {
  const [epsilon, setEpsilon] = useState("");
  const [delta, setDelta] = useState("");
  const [accountant, setAccountant] = useState<string>(budget?.accountant ?? "rdp");
  const [said, setSaid] = useState("");
  const ids = [useId(), useId(), useId()];
  return (
    <>
      <p class="buttons">
        <Action
          label={budget === null ? "Set a budget" : "Change the budget"}
          explain="With a budget, studies without noise are refused, and noisy ones as soon as all of them together would exceed it. A budget below what is spent stops everything. It is written into the ledger, with the time."
          ready={isNumber(epsilon) && isNumber(delta)}
          onOpen={() => {
            setEpsilon(budget === null ? "" : String(budget.epsilon));
            setDelta(budget === null ? "" : String(budget.delta));
          }}
          run={async () => {
            await site.setBudget({ epsilon: Number(epsilon), delta: Number(delta), accountant });
            return `Epsilon ${epsilon} at delta ${delta} is this hospital's budget.`;
          }}
          onDone={(told) => {
            setSaid(told);
            onSet();
          }}
        >
          {running && (
            <p class="stale">
              A process works for this site: stop it first (<code>consilium site start</code>), or the budget is
              refused.
            </p>
          )}
          <NumberField id={ids[0]} label="Epsilon, of all studies together" value={epsilon} onChange={setEpsilon} />
          <NumberField
            id={ids[1]}
            label="Delta, well below one over the number of patients, such as 1e-5"
            value={delta}
            onChange={setDelta}
          />
          <p class="field">
            <label for={ids[2]}>Way of accounting</label>
            <select id={ids[2]} value={accountant} onChange={(event) => setAccountant(event.currentTarget.value)}>
              <option value="rdp">rdp: Rényi divergence</option>
              <option value="pld">pld: tighter and slower</option>
            </select>
          </p>
        </Action>
      </p>
      {said !== "" && <p role="status">{said}</p>}
    </>
  );
}

function isNumber(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

interface NumberFieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function NumberField({ id, label, value, onChange }: NumberFieldProps) {
  return (
    <p class="field">
      <label for={id}>{label}</label>
      <input id={id} inputMode="decimal" value={value} onInput={(event) => onChange(event.currentTarget.value)} />
    </p>
  );
}
