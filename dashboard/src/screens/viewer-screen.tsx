/** Where a case is chosen to be looked at: one that is registered at this site, or files of the reader's own machine. */
import { lazy, Suspense } from "preact/compat";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { ListedCase, ListedCases } from "../../../src/console/index.ts";
import { site, troubleOf } from "../api.ts";
import { useLoaded } from "../live.ts";
import { Empty, Loading, ProgressBar, Section, TroubleNote } from "../parts/parts.tsx";
import type { Trouble } from "../trouble.ts";
import { type Part, partOfName } from "../viewer/part-names.ts";
import { type CaseSource, caseOfFiles, caseOfSite } from "../viewer/source.ts";

const Viewer = lazy(() => import("../viewer/viewer.tsx"));

const POLL_MS = 1000;

/** The cases of a site. */
export function SiteViewer() {
  const { value, trouble, reload } = useLoaded(
    async () => JSON.parse((await site.listCases({})).json) as ListedCases,
    "",
  );
  const [chosen, setChosen] = useState("");
  const [refused, setRefused] = useState<Trouble>();
  const working = value?.work !== null && value !== undefined;
  useEffect(() => {
    if (!working) return;
    const timer = setInterval(reload, POLL_MS);
    return () => clearInterval(timer);
  }, [working]);
  if (trouble) return <TroubleNote trouble={trouble} retry={reload} />;
  if (value === undefined) return <Loading what="the site's cases" />;
  const { cases, model, work, failed } = value;
  const listed = cases.find(({ id }) => id === chosen);
  const outline = async (): Promise<void> => {
    setRefused(undefined);
    await site.predictCase({ caseId: chosen }).then(reload, (error: unknown) => setRefused(troubleOf(error)));
  };
  return (
    <>
      <Section title="Cases of this site" note="Scans come from this machine to this browser, and go nowhere else.">
        {cases.length === 0 ? (
          <Empty title="No data is registered.">
            Register it on this machine: <code>consilium site data</code>
          </Empty>
        ) : (
          <div class="controls">
            <p class="field">
              <label for="viewer-case">Case</label>
              <select id="viewer-case" value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
                <option value="">Choose one</option>
                {cases.map(({ id, side, predicted }) => (
                  <option key={id} value={id}>
                    {id} ({side}
                    {predicted ? ", outlined" : ""})
                  </option>
                ))}
              </select>
            </p>
            {listed && model && !listed.predicted && (
              <p class="field">
                <button type="button" disabled={work !== null} onClick={() => void outline()}>
                  Outline it by the model
                </button>
              </p>
            )}
          </div>
        )}
        {work && (
          <>
            <p role="status">The model outlines {work.caseId} …</p>
            <ProgressBar label={`Outlining ${work.caseId}`} done={work.done} total={work.total} />
          </>
        )}
        {refused && <TroubleNote trouble={refused} />}
        {failed && <TroubleNote trouble={failed.error as unknown as Trouble} />}
        <p class="soft">
          {model === null
            ? "Once a study has ended, its model can outline a case, for comparison with the label map."
            : `The model is that of “${model.study}”, round ${model.round}. A case that it was trained on flatters it.`}
        </p>
      </Section>
      {listed && <Shown source={listed} />}
    </>
  );
}

function Shown({ source: { id, scans, labels, predicted } }: { readonly source: ListedCase }) {
  const source = useMemo(
    () =>
      caseOfSite(id, [
        ...(scans as readonly Part[]),
        ...(labels ? (["labels"] as const) : []),
        ...(predicted ? (["prediction"] as const) : []),
      ]),
    [id, predicted],
  );
  return <Opened source={source} />;
}

function Opened({ source }: { readonly source: CaseSource }) {
  return (
    <Suspense fallback={<Loading what="the viewer" />}>
      <Viewer source={source} key={`${source.id} ${source.parts}`} />
    </Suspense>
  );
}

/** Files of the reader's own machine: they stay in this browser. */
export function FileViewer() {
  const [files, setFiles] = useState<readonly File[]>([]);
  const [enhancing, setEnhancing] = useState<3 | 4>(3);
  const source = useMemo(() => caseOfFiles(files, enhancing), [files, enhancing]);
  const unknown = files.filter(({ name }) => partOfName(name) === undefined);
  return (
    <>
      <Section
        title="Files of this machine"
        note="They are read by this page and go nowhere, not even to the coordinator, which has no scans."
      >
        <div class="controls">
          <p class="field">
            <label for="viewer-files">Scans and maps of one case (.nii, .nii.gz)</label>
            <input
              id="viewer-files"
              type="file"
              multiple
              accept=".nii,.gz"
              onChange={(event) => setFiles([...(event.currentTarget.files ?? [])])}
            />
          </p>
          <p class="field">
            <label for="viewer-enhancing">Enhancing tumour is</label>
            <select
              id="viewer-enhancing"
              value={String(enhancing)}
              onChange={(event) => setEnhancing(event.currentTarget.value === "4" ? 4 : 3)}
            >
              <option value="3">3 (BraTS 2023 on)</option>
              <option value="4">4 (BraTS to 2021)</option>
            </select>
          </p>
        </div>
        <p class="soft">
          Names tell what a file is: …t1ce or t1c, …t1 or t1n, …t2 or t2w, …flair or t2f, …seg for the label map,
          …prediction for a model's.
        </p>
        {unknown.length > 0 && (
          <p role="alert">
            Not shown, since the name does not say what it is: {unknown.map(({ name }) => name).join(", ")}
          </p>
        )}
      </Section>
      {source.parts.length > 0 && <Opened source={source} />}
    </>
  );
}
