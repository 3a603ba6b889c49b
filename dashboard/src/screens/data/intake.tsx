/** A folder of intake: each case with its state, what is wrong in words, and its contact sheets once they are asked for. */
import { useEffect, useState } from "preact/hooks";
import type { IntakeView } from "../../../../src/console/index.ts";
import { countOf } from "../../format.ts";
import { Badge, Empty, Section, Tiles, TroubleNote } from "../../parts/parts.tsx";
import type { Trouble } from "../../trouble.ts";
import { Next } from "./next-commands.tsx";
import { loadSheet } from "./sheet-pictures.ts";

const STEP = 20;

type IntakeCase = IntakeView["cases"][number];

export function Intake({ view }: { readonly view: IntakeView }) {
  const { key, folder, total, done, failed, cases, next } = view;
  const [shown, setShown] = useState(STEP);
  return (
    <Section title="Intake from DICOM" note={<code>{folder}</code>}>
      <Tiles
        tiles={[
          [done, "done"],
          [failed, "failed"],
          [total - done - failed, "not finished"],
        ]}
      />
      <Next next={next} />
      {cases.length === 0 ? (
        <Empty title="No case has come in yet." />
      ) : (
        <ul class="cases">
          {cases.slice(0, shown).map((each) => (
            <Case each={each} intake={key} key={each.caseId} />
          ))}
        </ul>
      )}
      {cases.length > shown && (
        <p class="buttons">
          <button type="button" onClick={() => setShown((before) => before + STEP)}>
            Show more of {countOf(total, "case")}
          </button>
        </p>
      )}
      {total > cases.length && (
        <p class="soft">The first {countOf(cases.length, "case")}: intake's own page shows all.</p>
      )}
    </Section>
  );
}

function Case({ each, intake }: { readonly each: IntakeCase; readonly intake: string }) {
  const { caseId, subject, state, failure, brainMl, atlasOverlap, facts, legend, sheets } = each;
  const [open, setOpen] = useState(false);
  const figures = [
    `patient ${subject}`,
    ...(brainMl === null ? [] : [`brain ${brainMl.toFixed(0)} ml`]),
    ...(atlasOverlap === null ? [] : [`overlap with the atlas ${atlasOverlap.toFixed(2)}`]),
    ...facts,
  ];
  return (
    <li>
      <p>
        <b>{caseId}</b>{" "}
        {failure ? (
          <Badge tone="bad">failed towards {failure.towards}</Badge>
        ) : (
          <Badge tone={state === "done" ? "good" : "busy"}>{state}</Badge>
        )}{" "}
        <span class="soft">{figures.join("; ")}</span>
      </p>
      {failure && <TroubleNote trouble={failure as Trouble} />}
      {sheets.length > 0 && (
        <details onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>{countOf(sheets.length, "contact sheet")}</summary>
          {open && (
            <>
              <p class="soft">{legend}</p>
              <div class="sheets">
                {sheets.map((sheet) => (
                  <Sheet {...sheet} intake={intake} caseId={caseId} key={sheet.state} />
                ))}
              </div>
            </>
          )}
        </details>
      )}
    </li>
  );
}

interface SheetProps {
  readonly intake: string;
  readonly caseId: string;
  readonly state: string;
  readonly title: string;
}

function Sheet({ intake, caseId, state, title }: SheetProps) {
  const [url, setUrl] = useState<string>();
  const [trouble, setTrouble] = useState<Trouble>();
  useEffect(() => {
    let [current, made] = [true, ""];
    loadSheet(intake, caseId, state).then(
      (picture) => {
        if (!current) return;
        made = URL.createObjectURL(picture);
        setUrl(made);
      },
      (error: Trouble) => current && setTrouble(error),
    );
    return () => {
      current = false;
      if (made !== "") URL.revokeObjectURL(made);
    };
  }, [intake, caseId, state]);
  return (
    <figure>
      {trouble ? (
        <TroubleNote trouble={trouble} />
      ) : url === undefined ? (
        <p class="soft">Reading …</p>
      ) : (
        <img src={url} alt={`Contact sheet of ${caseId}: ${title}`} />
      )}
      <figcaption>{title}</figcaption>
    </figure>
  );
}
