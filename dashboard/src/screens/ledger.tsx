/** This hospital's privacy account: its own budget, what all studies spent of it, and what stands outside. */
import type { PrivacyAccount } from "../../../src/site/index.ts";
import { type Role, site } from "../api.ts";
import { countOf, formatFigure } from "../format.ts";
import { useLoaded } from "../live.ts";
import type { LiveSite } from "../live-site.ts";
import { Digest, Empty, Loading, Section, Table, Tiles, TroubleNote } from "../parts/parts.tsx";
import { SetBudget } from "./budget.tsx";

interface Props {
  readonly status: LiveSite;
  readonly role: Role;
}

export function Ledger({ status, role }: Props) {
  const rounds = status.studies.map(({ round, updateMade }) => `${round} ${updateMade}`).join();
  const { value, trouble, reload } = useLoaded(
    async () => JSON.parse((await site.getLedger({})).json) as PrivacyAccount,
    rounds,
  );
  if (trouble) return <TroubleNote trouble={trouble} retry={reload} />;
  if (value === undefined) return <Loading what="the ledger" />;
  const { budget, spent, studies, outside, entries, head } = value;
  return (
    <>
      <Section title="Budget">
        {budget === null ? (
          <Empty title="No budget is set.">
            Studies with patient-level privacy are refused until this site's reviewer sets one here, or by{" "}
            <code>consilium site budget</code>
          </Empty>
        ) : (
          <Tiles
            tiles={[
              [formatFigure(budget.epsilon, 2), `epsilon allowed, at delta ${budget.delta}`],
              [formatFigure(spent?.epsilon, 2), "epsilon spent by all studies together"],
            ]}
          />
        )}
        {role === "reviewer" && <SetBudget budget={budget} running={status.running} onSet={reload} />}
      </Section>
      <Section title="By study" note={`${countOf(entries, "line")} in the ledger, its chain verified.`}>
        {studies.length === 0 ? (
          <Empty title="No study has worked on patients here yet." />
        ) : (
          <Table
            caption="Privacy by study"
            columns={["Study", "Hash", "#Rounds with noise", "#Epsilon", "#Rounds without noise"]}
            rows={studies.map(({ studyHash, name, rounds: noisy, epsilon, unprotectedRounds }) => [
              <b key="n">{name ?? "no longer kept"}</b>,
              <Digest sha256={studyHash} key="d" />,
              noisy,
              formatFigure(epsilon, 2),
              unprotectedRounds,
            ])}
          />
        )}
        <p class="soft">
          Head of the ledger <Digest sha256={head} />
        </p>
      </Section>
      <Section title="Outside the account" note="What no entry covers:">
        <ul>
          {outside.map((each) => (
            <li key={each}>{each}</li>
          ))}
        </ul>
      </Section>
    </>
  );
}
