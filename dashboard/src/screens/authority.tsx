/** The federation's certificate authority: until when it holds, whether another takes over, and the lead's way to begin that. */
import { useId, useState } from "preact/hooks";
import type { CoordinatorStatus } from "../../../src/coordinator/index.ts";
import { coordinator, type Role } from "../api.ts";
import { formatTime } from "../format.ts";
import { Action, Badge, Digest, Section, Time } from "../parts/parts.tsx";

interface Props {
  readonly federation: CoordinatorStatus["federation"];
  readonly role: Role;
}

export function Authority({ federation: { id, authority }, role }: Props) {
  const { keySealed, notAfterMs, rotation } = authority;
  return (
    <Section
      title="Certificate authority"
      note="It vouches for every site and for this coordinator; invitations carry its fingerprint."
    >
      <dl class="facts">
        <dt>Fingerprint</dt>
        <dd>
          <Digest sha256={id} />
        </dd>
        <dt>Holds until</dt>
        <dd>
          <Time ms={notAfterMs} />
        </dd>
        <dt>Its key</dt>
        <dd>
          {keySealed ? (
            "encrypted under a passphrase"
          ) : (
            <>
              <Badge tone="bad">not encrypted</Badge> <code>consilium coordinator passphrase</code> encrypts it
            </>
          )}
        </dd>
        {rotation && (
          <>
            <dt>Takes over from</dt>
            <dd>
              <Digest sha256={rotation.fromSha256} />, believed until <Time ms={rotation.endsMs} />;{" "}
              {rotation.awaited.length === 0
                ? "every site has followed"
                : `not yet followed: ${rotation.awaited.join(", ")}`}
            </dd>
          </>
        )}
      </dl>
      {role === "lead" && rotation === null && <Rotate keySealed={keySealed} />}
    </Section>
  );
}

function Rotate({ keySealed }: { readonly keySealed: boolean }) {
  const [passphrase, setPassphrase] = useState("");
  const [days, setDays] = useState("");
  const [said, setSaid] = useState("");
  const [passphraseId, daysId] = [useId(), useId()];
  if (said !== "") return <p role="status">{said}</p>;
  return (
    <p class="buttons">
      <Action
        label="Replace the authority"
        explain="Makes a new authority, vouched for by the present one. For some days both are believed, and each site follows at its next contact; then the old one ends, and a site that was not heard joins anew. Invitations that are open hold until then."
        danger
        ready={!keySealed || passphrase !== ""}
        onOpen={() => setPassphrase("")}
        run={async () => {
          const overlap = days.trim() === "" ? {} : { overlapDays: Number(days) };
          const { json } = await coordinator.rotateAuthority({ passphrase, ...overlap });
          const { toSha256, endsMs } = JSON.parse(json) as { readonly toSha256: string; readonly endsMs: number };
          return `The new authority is ${toSha256}. The old one is believed until ${formatTime(endsMs)}. Copy the home to its safe place.`;
        }}
        onDone={(told) => {
          setPassphrase("");
          setSaid(told);
        }}
      >
        {keySealed && (
          <p class="field">
            <label for={passphraseId}>Passphrase of the authority's key</label>
            <input
              id={passphraseId}
              type="password"
              autocomplete="off"
              value={passphrase}
              onInput={(event) => setPassphrase(event.currentTarget.value)}
            />
          </p>
        )}
        <p class="field">
          <label for={daysId}>Days for which both are believed (as many as usual, if left empty)</label>
          <input id={daysId} inputMode="decimal" value={days} onInput={(event) => setDays(event.currentTarget.value)} />
        </p>
      </Action>
    </p>
  );
}
