/** The files of a model that a study ended with: the best one, that of the last round, or the best of one region. */
import { useState } from "preact/hooks";
import type { Role } from "../api.ts";

interface Props {
  readonly role: Role;
  /** Its hash. */
  readonly study: string;
  /** Whose best model was kept by itself. */
  readonly regions: readonly string[];
  /** Whether the study's report can be had here. */
  readonly report?: boolean;
}

export function ModelFiles({ role, study, regions, report }: Props) {
  const [which, setWhich] = useState("");
  const query = `?study=${study}${which}`;
  return (
    <>
      <p class="buttons">
        <label>
          Model{" "}
          <select value={which} onChange={(event) => setWhich(event.currentTarget.value)}>
            <option value="">best by validation</option>
            <option value="&which=final">of the last round</option>
            {regions.map((region) => (
              <option key={region} value={`&region=${encodeURIComponent(region)}`}>
                best of {region}
              </option>
            ))}
          </select>
        </label>
      </p>
      <p class="buttons">
        {(role === "lead" || role === "operator") && (
          <>
            <a class="button primary" href={`/download/model.onnx${query}`} download>
              Download model.onnx
            </a>
            <a class="button" href={`/download/weights.safetensors${query}`} download>
              Weights
            </a>
            <a class="button" href={`/download/model.json${query}`} download>
              Description and signature
            </a>
          </>
        )}
        <a class="button" href={`/download/card.md${query}`} download>
          Model card
        </a>
        {report && (
          <a class="button" href={`/download/report.html?study=${study}`} target="_blank" rel="noreferrer">
            Report
          </a>
        )}
      </p>
    </>
  );
}
