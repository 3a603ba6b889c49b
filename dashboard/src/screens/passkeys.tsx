/** The operator's passkeys: what to sign in by without a link. */
import { useEffect, useState } from "preact/hooks";
import type { ListedPasskey } from "../../../src/console/index.ts";
import { troubleOf } from "../api.ts";
import { formatTime } from "../format.ts";
import { Action, Empty, Loading, Section, Table, TroubleNote } from "../parts/parts.tsx";
import { goToName, listPasskeys, registerPasskey, removePasskey } from "../passkeys-api.ts";
import type { Trouble } from "../trouble.ts";

export default function Passkeys({ at }: { readonly at: string }) {
  const [keys, setKeys] = useState<readonly ListedPasskey[]>();
  const [trouble, setTrouble] = useState<Trouble>();
  const [said, setSaid] = useState("");
  const fail = (error: unknown): void => setTrouble(troubleOf(error));
  useEffect(() => {
    listPasskeys().then(setKeys, fail);
  }, []);
  if (keys === undefined) return trouble ? <TroubleNote trouble={trouble} /> : <Loading what="the passkeys" />;
  return (
    <Section
      title="Passkeys of this home's operators"
      note="Kept by a device of yours, which asks for your finger, face or PIN. This home keeps their public half alone."
    >
      {trouble && <TroubleNote trouble={trouble} />}
      {said !== "" && <p role="status">{said}</p>}
      {keys.length === 0 ? (
        <Empty title="No passkey is registered." />
      ) : (
        <Table
          caption="Passkeys"
          columns={["Name", "Role", "Registered", "Last used", ""]}
          rows={keys.map(({ id, label, role, createdMs, lastUsedMs }) => [
            <b key="l">{label}</b>,
            role,
            formatTime(createdMs),
            lastUsedMs === null ? "never" : formatTime(lastUsedMs),
            <Action
              key="r"
              label={`Remove ${label}`}
              explain="Nobody signs in by it any more, and whoever is signed in by it is signed out."
              danger
              run={async () => {
                setKeys(await removePasskey(id));
                return `${label} is removed.`;
              }}
              onDone={setSaid}
            />,
          ])}
        />
      )}
      {location.origin === at ? (
        <p class="buttons">
          <Action
            label="Register a passkey"
            explain="Whoever has the device and unlocks it signs in here as operator. Your browser asks next."
            ask={{ label: "A name, to know it by" }}
            primary
            run={async (label) => {
              setKeys(await registerPasskey(label));
              return `${label} is registered.`;
            }}
            onDone={setSaid}
          />
        </p>
      ) : (
        <>
          <p>Browsers keep passkeys for names alone, and this page was opened at an address. Go on at its name:</p>
          <p class="buttons">
            <button type="button" class="primary" onClick={() => goToName().catch(fail)}>
              Go on at localhost
            </button>
          </p>
        </>
      )}
    </Section>
  );
}
