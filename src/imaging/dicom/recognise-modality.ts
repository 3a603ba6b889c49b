/**
 * Which of the four sequences a series is, from its tags, with a confidence and the reasons for it.
 *
 * Two witnesses are asked: names that people gave (description, protocol, sequence) and the physics that the scanner
 * wrote down (TR, TE, TI). Where they agree the confidence is high, where only one speaks middling, and where they
 * contradict each other so low that nobody relies on it. Contrast is told by the agent's tag or by a name; T1 without
 * either is T1 before contrast. Reasons quote keywords and numbers, never text of the file, which may hold a name.
 */
import type { Modality } from "../../study/index.ts";
import type { DicomSeries } from "./scan-series.ts";

export type Recognition =
  | { readonly kind: "modality"; readonly modality: Modality; readonly confidence: number; readonly reason: string }
  /** No scan of the four kinds, and no mistake either: a localiser, a map, a screenshot. */
  | { readonly kind: "other"; readonly reason: string };

/** Below it a series is used only where somebody says so. */
export const MIN_CONFIDENCE = 0.5;

type Weighting = "t1" | "t2" | "flair";
interface Opinion {
  readonly weighting: Weighting;
  readonly because: string;
}

const SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7";
const NOT_WANTED_TYPES = ["LOCALIZER", "MOSAIC", "ADC", "TRACE", "FA", "MIP", "PROJECTION IMAGE", "MPR", "SUBTRACTION"];
const NOT_WANTED_WORDS =
  /(localizer|localiser|scout|survey|loc\b|smart.?brain|dwi|diff|dti|adc|trace|b1000|perf|dsc|dce|asl\b|swi|swan|t2\*|t2star|hemo|tof|angio|mra\b|mrv\b|mip\b|mpr\b|subtract|\bsub\b|bold|fmri|spectro|fieldmap|field.?map|phase.?map|calib|screen)/;
const FLAIR_WORDS = /(flair|dark.?fl|tirm)/;
const T2_WORDS = /(t2)/;
const T1_WORDS = /(t1|mp.?rage|spgr|bravo|\btfl|tfe|vibe|\bmpr(?!.*recon))/;
const NO_CONTRAST_WORDS = /(\bpre\b|pre.?(gd|gad|con|km)|non.?(contrast|enh)|without|w\/?o\b|nativ|-c\b|unenh)/;
const CONTRAST_WORDS = /(\bgd\b|t1gd|gad|\+ ?c\b|\+ ?gd|\bpost|\bce\b|t1ce|t1c\b|contrast|\bkm\b|enhanced|c\+)/;
const NO_AGENT = /^(no|none|n|0|without|nativ|-|nil|false)$/i;

export function recogniseModality(series: Pick<DicomSeries, "modality" | "sopClass" | "tags" | "frames">): Recognition {
  const { tags } = series;
  const words = [tags.description, tags.protocol, tags.sequenceName].join(" ").toLowerCase().replaceAll("_", " ");
  const other = reasonAgainst(series, words);
  if (other !== undefined) return { kind: "other", reason: other };
  const named = opinionOfNames(words);
  const measured = opinionOfTiming(series);
  const weighting = named?.weighting ?? measured?.weighting;
  if (weighting === undefined) return { kind: "other", reason: "neither names nor timing tell a weighting" };
  const contrast = weighting === "t1" ? contrastOf(tags.contrastAgent, words) : undefined;
  const modality: Modality = weighting === "t1" && contrast?.given === true ? "t1ce" : weighting;
  const because = [named?.because, measured?.because, contrast?.because]
    .filter((part) => part !== undefined)
    .join("; ");
  if (named !== undefined && measured !== undefined && named.weighting !== measured.weighting) {
    return { kind: "modality", modality, confidence: 0.3, reason: `contradictory: ${because}` };
  }
  const sure = named !== undefined && measured !== undefined ? 0.95 : named !== undefined ? 0.75 : 0.65;
  return { kind: "modality", modality, confidence: sure - (contrast?.doubt ?? 0), reason: because };
}

function reasonAgainst(
  { modality, sopClass, tags }: Pick<DicomSeries, "modality" | "sopClass" | "tags">,
  words: string,
): string | undefined {
  if (modality !== "MR")
    return `its DICOM modality is ${/^[A-Z]{2,8}$/.test(modality) ? modality : "not given"}, not MR`;
  if (sopClass.startsWith(SECONDARY_CAPTURE)) return "a secondary capture (a screenshot or a picture made elsewhere)";
  const type = tags.imageType.find((value) => NOT_WANTED_TYPES.includes(value));
  if (type !== undefined) return `image type ${type}`;
  if (tags.imageType[0] === "DERIVED") return "a derived image, not the scanner's own";
  const word = NOT_WANTED_WORDS.exec(words)?.[1];
  // Vendors' names for the four sequences hold some of these words.
  if (word !== undefined && !(word.startsWith("mpr") && /mprage|rage/.test(words))) return `named "${word.trim()}"`;
  return undefined;
}

function opinionOfNames(words: string): Opinion | undefined {
  const flair = FLAIR_WORDS.exec(words)?.[1];
  const t1 = T1_WORDS.exec(words)?.[1];
  // T1 FLAIR is a T1-weighted sequence; "t2 flair" and plain "flair" are the other.
  if (flair !== undefined && !(t1?.startsWith("t1") && !T2_WORDS.test(words))) {
    return { weighting: "flair", because: `named "${flair}"` };
  }
  if (t1 !== undefined) return { weighting: "t1", because: `named "${t1}"` };
  return T2_WORDS.test(words) ? { weighting: "t2", because: 'named "t2"' } : undefined;
}

function opinionOfTiming({ tags, frames }: Pick<DicomSeries, "tags" | "frames">): Opinion | undefined {
  const { repetitionTimeMs: tr, inversionTimeMs: ti, scanningSequence } = tags;
  const te = frames[0]?.frame.echoTimeMs;
  if (te === undefined || te <= 0) return undefined;
  const said = `TE ${round(te)} ms${tr ? `, TR ${round(tr)} ms` : ""}${ti ? `, TI ${round(ti)} ms` : ""}`;
  if (te >= 60) {
    const fluidAttenuated = ti !== undefined && ti >= 1400;
    return { weighting: fluidAttenuated ? "flair" : "t2", because: said };
  }
  const prepared = ti !== undefined && ti >= 300 && ti <= 1400;
  const gradientEcho = scanningSequence.includes("GR");
  if (te <= 30 && (prepared || (tr !== undefined && tr > 0 && tr <= 1000) || (gradientEcho && te < 10))) {
    return { weighting: "t1", because: said };
  }
  return undefined;
}

interface Contrast {
  readonly given: boolean;
  readonly because: string;
  readonly doubt: number;
}

function contrastOf(agent: string, words: string): Contrast {
  const tagged = agent !== "" && !NO_AGENT.test(agent);
  const denied = NO_CONTRAST_WORDS.exec(words)?.[1];
  const named = denied === undefined ? CONTRAST_WORDS.exec(words)?.[1] : undefined;
  if (denied !== undefined) {
    return { given: false, because: `named "${denied}"`, doubt: tagged ? 0.5 : 0 };
  }
  if (tagged || named !== undefined) {
    const parts = [tagged ? "an agent is tagged" : undefined, named && `named "${named.trim()}"`];
    return { given: true, because: parts.filter(Boolean).join(", "), doubt: 0 };
  }
  return { given: false, because: "no contrast is told", doubt: 0.05 };
}

function round(x: number): number {
  return Number(x.toFixed(1));
}
