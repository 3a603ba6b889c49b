/** The viewer of one case: panes, what is laid over them, figures, keys. Loaded on demand, with NiiVue beside it. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { troubleOf } from "../api.ts";
import { formatFigure } from "../format.ts";
import { Section, Table, TroubleNote } from "../parts/parts.tsx";
import type { Trouble } from "../trouble.ts";
import { DIFFERENCES, REGIONS, type RegionFigures, type RegionName } from "./maps.ts";
import { createPanes, type Panes, VIEWS } from "./panes.ts";
import { type Part, SCANS } from "./part-names.ts";
import { contentOf, createScene, type Overlay, overlaysOf, type Scene, type Settings } from "./scene.ts";
import type { CaseSource } from "./source.ts";

const OVERLAYS = { none: "Nothing", labels: "Label map", prediction: "Prediction", difference: "Difference" } as const;
const LAYOUTS = { scans: "All scans", one: "One scan", compare: "Maps side by side" } as const;
const PANES = [0, 1, 2, 3];

const KEYS: readonly (readonly [string, string])[] = [
  ["Up, Down", "the next slice; Page Up and Page Down, ten"],
  ["A, C, S", "axial, coronal, sagittal"],
  ["P, D", "three planes, 3D"],
  ["0", "all scans"],
  ["1 to 4", "one scan: T1 with contrast, T1, T2, FLAIR"],
  ["M", "the maps side by side"],
  ["O", "the next map over the scans, or none"],
  ["+, −", "the map denser or fainter"],
];

const FIRST: Settings = {
  view: "axial",
  layout: "scans",
  scan: "t1ce",
  overlay: "none",
  regions: new Set(REGIONS.map(({ name }) => name)),
  compared: "WT",
  opacity: 0.5,
};

export default function Viewer({ source }: { readonly source: CaseSource }) {
  const canvases = useRef<(HTMLCanvasElement | null)[]>([]);
  const panes = useRef<Panes>();
  const scene = useRef<Scene>();
  const [settings, setSettings] = useState<Settings>(FIRST);
  const [loaded, setLoaded] = useState<ReadonlySet<Part>>(new Set());
  const [unreadable, setUnreadable] = useState<ReadonlySet<Part>>(new Set());
  const [figures, setFigures] = useState<readonly RegionFigures[]>([]);
  const [place, setPlace] = useState<readonly number[]>([0.5, 0.5, 0.5]);
  const [trouble, setTrouble] = useState<Trouble>();
  const change = (part: Partial<Settings>): void => setSettings((before) => ({ ...before, ...part }));

  useEffect(() => {
    let current = true;
    setLoaded(new Set());
    setUnreadable(new Set());
    setFigures([]);
    setTrouble(undefined);
    const tell = (error: unknown): void => {
      if (current) setTrouble(asTrouble(error));
    };
    void (async () => {
      const [first, ...others] = canvases.current.filter((each) => each !== null);
      const opened = createPanes(setPlace);
      const drawn = createScene(source, opened);
      [panes.current, scene.current] = [opened, drawn];
      // One part that cannot be read leaves the others to be seen.
      const take = async (part: Part, pane?: Promise<void>): Promise<void> => {
        try {
          await drawn.add(part);
        } catch (error) {
          if (current) setUnreadable((before) => new Set([...before, part]));
          return tell(error);
        }
        await pane;
        if (!current) return;
        setLoaded((before) => new Set([...before, part]));
        setFigures(drawn.figures());
      };
      const [firstPart, ...parts] = inOrder(source.parts);
      // The first scan is read while its pane opens; the other panes wait until it is seen.
      const opening = opened.open(first);
      await Promise.all([opening, take(firstPart, opening)]);
      if (!current) return opened.close();
      await seen();
      for (const canvas of others) {
        if (!current) return opened.close();
        await opened.open(canvas);
      }
      for (const part of parts) {
        if (!current) return opened.close();
        await take(part);
      }
      if (!current) return;
      const [map] = drawn.overlays();
      if (map !== undefined) change({ overlay: map });
      const middle = drawn.middleMm();
      if (middle !== undefined) opened.goToMm(middle);
    })().catch(tell);
    return () => {
      current = false;
      panes.current?.close();
      panes.current = undefined;
      scene.current = undefined;
    };
  }, [source]);

  const readable = new Set(source.parts.filter((part) => !unreadable.has(part)));
  useEffect(() => {
    if (loaded.size === 0) return;
    scene.current?.show(settings);
    const scans = SCANS.filter(({ part }) => readable.has(part));
    if (scans.some(({ part }) => loaded.has(part))) mark("viewer-first-slice");
    if (scans.every(({ part }) => loaded.has(part))) mark("viewer-all-scans");
  }, [settings, loaded, unreadable]);

  const content = contentOf(settings, readable);
  const at = useMemo(() => scene.current?.at() ?? [], [place, loaded]);
  const { axis } = VIEWS.find(({ view }) => view === settings.view) ?? VIEWS[0];
  const slices = panes.current?.all[0]?.extent()?.[axis] ?? 1;
  const slice = Math.min(slices, Math.floor((place[axis] ?? 0) * slices) + 1);
  const toSlice = (wanted: number): void => {
    const bounded = Math.max(1, Math.min(slices, wanted));
    panes.current?.goTo(place.map((each, i) => (i === axis ? (bounded - 0.5) / slices : each)));
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
    // NiiVue's own keys would answer as well.
    event.stopPropagation();
    if (steer(event.key, { settings, change, step: (by) => toSlice(slice + by), maps: overlaysOf(loaded) })) {
      event.preventDefault();
    }
  };
  return (
    <Section title={source.id} note="Shown in this browser alone. For research; not for diagnosis.">
      {trouble && <TroubleNote trouble={trouble} />}
      <Controls settings={settings} change={change} parts={readable} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keys of the viewer need a place that has the focus */}
      <section class="viewer" tabIndex={0} aria-label="Panes; keys are listed below" onKeyDownCapture={onKey}>
        <div class={`panes ${content.length === 1 ? "alone" : ""}`}>
          {PANES.map((i) => (
            <figure key={i} hidden={content[i] === undefined}>
              <div class="canvas">
                <canvas
                  ref={(element) => {
                    canvases.current[i] = element;
                  }}
                  role="img"
                  aria-label={content[i] === undefined ? "" : captionOf(content[i])}
                />
              </div>
              <figcaption>
                {content[i] && captionOf(content[i])}
                {content[i] && !loaded.has(content[i].scan) && " – reading …"}
              </figcaption>
            </figure>
          ))}
        </div>
      </section>
      <p class="field">
        <label for="viewer-slice">
          Slice {slice} of {slices}
        </label>
        <input
          id="viewer-slice"
          type="range"
          min={1}
          max={slices}
          value={slice}
          disabled={settings.view === "3d"}
          onInput={(event) => toSlice(Number(event.currentTarget.value))}
        />
      </p>
      <p class="soft" role="status">
        {loaded.size < readable.size ? `Reading ${loaded.size + 1} of ${readable.size} …` : at.join(" · ")}
      </p>
      <Figures figures={figures} />
      <details>
        <summary>Keys</summary>
        <dl class="keys">
          {KEYS.map(([key, does]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
        <p class="soft">
          Click or drag to move, roll to turn slices, drag with the right button to change the contrast. The patient's
          left is on the right. These keys work while the panes have the focus.
        </p>
      </details>
    </Section>
  );
}

interface ControlsProps {
  readonly settings: Settings;
  readonly change: (part: Partial<Settings>) => void;
  readonly parts: ReadonlySet<Part>;
}

function Controls({ settings, change, parts }: ControlsProps) {
  const maps = overlaysOf(parts);
  const { overlay, layout, regions, compared, opacity } = settings;
  const differs = overlay === "difference" || layout === "compare";
  const toggle = (name: RegionName): void => {
    const next = new Set(regions);
    if (!next.delete(name)) next.add(name);
    change({ regions: next });
  };
  return (
    <div class="controls">
      <Choice
        label="View"
        value={settings.view}
        of={VIEWS.map(({ view, label }) => [view, label] as const)}
        onChoose={(view) => change({ view })}
      />
      <Choice
        label="Layout"
        value={layout}
        of={keysOf(LAYOUTS).filter(([each]) => each !== "compare" || maps.length > 1)}
        onChoose={(each) => change({ layout: each })}
      />
      {layout !== "scans" && (
        <Choice
          label="Scan"
          value={settings.scan}
          of={SCANS.filter(({ part }) => parts.has(part)).map(({ part, label }) => [part, label] as const)}
          onChoose={(scan) => change({ scan })}
        />
      )}
      {maps.length > 0 && layout !== "compare" && (
        <Choice
          label="Over it"
          value={overlay}
          of={keysOf(OVERLAYS).filter(([each]) => each === "none" || maps.includes(each))}
          onChoose={(each) => change({ overlay: each })}
        />
      )}
      {maps.length > 0 && (
        <fieldset>
          <legend>Regions</legend>
          {REGIONS.map(({ name, meaning }, i) => (
            <label key={name}>
              <input type="checkbox" checked={regions.has(name)} onChange={() => toggle(name)} />
              <span class={`swatch region-${i}`} aria-hidden="true" /> {name} <span class="soft">{meaning}</span>
            </label>
          ))}
        </fieldset>
      )}
      {differs && maps.length > 1 && (
        <>
          <Choice
            label="Difference of"
            value={compared}
            of={REGIONS.map(({ name }) => [name, name] as const)}
            onChoose={(each) => change({ compared: each })}
          />
          <p class="legend">
            {DIFFERENCES.map(({ name, meaning }, i) => (
              <span key={name}>
                <span class={`swatch difference-${i}`} aria-hidden="true" /> {meaning}
              </span>
            ))}
          </p>
        </>
      )}
      {maps.length > 0 && (
        <p class="field">
          <label for="viewer-opacity">Opacity {Math.round(opacity * 100)} %</label>
          <input
            id="viewer-opacity"
            type="range"
            min={0}
            max={100}
            step={10}
            value={Math.round(opacity * 100)}
            onInput={(event) => change({ opacity: Number(event.currentTarget.value) / 100 })}
          />
        </p>
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly of: readonly (readonly [T, string])[];
  readonly onChoose: (value: T) => void;
}

function Choice<T extends string>({ label, value, of, onChoose }: ChoiceProps<T>) {
  const id = `viewer-${label.toLowerCase().replaceAll(" ", "-")}`;
  return (
    <p class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChoose(event.currentTarget.value as T)}>
        {of.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </p>
  );
}

function Figures({ figures }: { readonly figures: readonly RegionFigures[] }) {
  if (figures.every(({ labelsMl, predictionMl }) => labelsMl === null && predictionMl === null)) return null;
  return (
    <Table
      caption="Volumes of the maps, and how they agree"
      columns={["Region", "#Label map, ml", "#Prediction, ml", "#Dice"]}
      rows={figures.map(({ name, labelsMl, predictionMl, dice }) => [
        name,
        formatFigure(labelsMl, 1),
        formatFigure(predictionMl, 1),
        formatFigure(dice),
      ])}
    />
  );
}

interface Steering {
  readonly settings: Settings;
  readonly change: (part: Partial<Settings>) => void;
  readonly step: (by: number) => void;
  readonly maps: readonly Overlay[];
}

const STEPS: Readonly<Record<string, number>> = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
const VIEW_KEYS = { a: "axial", c: "coronal", s: "sagittal", p: "planes", d: "3d" } as const;

/** @returns whether the key means something here */
function steer(key: string, { settings, change, step, maps }: Steering): boolean {
  const lower = key.toLowerCase();
  if (key in STEPS) step(STEPS[key]);
  else if (lower in VIEW_KEYS) change({ view: VIEW_KEYS[lower as keyof typeof VIEW_KEYS] });
  else if (key === "0") change({ layout: "scans" });
  else if (/^[1-4]$/.test(key)) change({ layout: "one", scan: SCANS[Number(key) - 1].part });
  else if (lower === "m" && maps.length > 1) change({ layout: "compare" });
  else if (lower === "o") change({ overlay: nextOf(["none", ...maps], settings.overlay) });
  else if (key === "+" || key === "=") change({ opacity: Math.min(1, settings.opacity + 0.1) });
  else if (key === "-") change({ opacity: Math.max(0, settings.opacity - 0.1) });
  else return false;
  return true;
}

function nextOf(all: readonly Overlay[], now: Overlay): Overlay {
  return all[(all.indexOf(now) + 1) % all.length];
}

function captionOf({ scan, overlay }: { readonly scan: string; readonly overlay: Overlay }): string {
  const label = SCANS.find(({ part }) => part === scan)?.label ?? scan;
  return overlay === "none" ? label : `${label}, ${OVERLAYS[overlay].toLowerCase()}`;
}

function keysOf<T extends string>(labels: Readonly<Record<T, string>>): readonly (readonly [T, string])[] {
  return Object.entries(labels) as [T, string][];
}

/** Scans first, that with contrast before all, so that there is something to see; then the maps. */
function inOrder(parts: readonly Part[]): readonly Part[] {
  const rank = (part: Part): number => {
    const scan = SCANS.findIndex((each) => each.part === part);
    return scan < 0 ? SCANS.length : scan;
  };
  return [...parts].sort((a, b) => rank(a) - rank(b));
}

/** Once the browser has drawn what it was given. */
function seen(): Promise<unknown> {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

function mark(name: string): void {
  void seen().then(() => performance.mark(name));
}

function asTrouble(error: unknown): Trouble {
  if (typeof error === "object" && error !== null && "hint" in error) return troubleOf(error);
  return {
    code: "viewer",
    subject: "the viewer",
    expected: "NIfTI files, and a browser with WebGL 2",
    actual: error instanceof Error ? error.message : "something else",
    hint: "Open the case in another browser, or in ITK-SNAP or Slicer.",
  };
}
