/**
 * Which lowering each gradient of a convolution takes, as data: a table says for shapes that were measured what was
 * fastest, and for all others in which order the lowerings are tried. One ships with the product; `model tune` measures
 * another for a machine. The table is part of what a result's bits depend on, so its digest is in the run record.
 */
import { z } from "zod";
import { ConsiliumError, canonicalJson, invariant, type Sha256, sha256 } from "../base/index.ts";
import { elementCount } from "../graph/index.ts";
import type { ConvolutionShape } from "./convolution-shape.ts";
import shipped from "./shipped-lowerings.json" with { type: "json" };

/** By the input of a convolution (convolution-gradients.ts); the last fits every shape. */
export const INPUT_LOWERINGS = ["flippedKernel", "phases", "transposedConvolution"] as const;
export type InputLowering = (typeof INPUT_LOWERINGS)[number];

/** By the weight; the last but one fits every shape without groups, and groups are taken one by one. */
export const WEIGHT_LOWERINGS = ["rowsOfDy", "rowsOfDyByTap", "planesOfDy", "columns", "swappedConvolution"] as const;
export type WeightLowering = (typeof WEIGHT_LOWERINGS)[number];

/** Shapes that a table tells apart, at most: a network of a thousand convolutions at a few patches. */
const SHAPES = 10_000;

function section<const N extends readonly [string, ...string[]]>(names: N, fitsAll: N[number]) {
  return z.strictObject({
    /** By `shapeKey`. */
    shapes: z
      .record(z.string(), z.enum(names))
      .refine((shapes) => Object.keys(shapes).length <= SHAPES, `at most ${SHAPES} shapes`),
    /** The first that fits is taken. */
    otherwise: z
      .array(
        z.strictObject({
          use: z.enum(names),
          /** Only where the convolution has at most so many input channels for each output channel. */
          inputsPerOutputAtMost: z.number().positive().optional(),
          /** Only where the convolution has at least so many input channels. */
          inputsAtLeast: z.number().int().positive().optional(),
          /** Only where its input has at least so many voxels. */
          voxelsAtLeast: z.number().int().positive().optional(),
        }),
      )
      .refine((rules) => {
        const { use, ...conditions } = rules.at(-1) ?? {};
        return use === fitsAll && Object.values(conditions).every((condition) => condition === undefined);
      }, `a list that ends in {"use": "${fitsAll}"}, which fits every shape`),
  });
}

const schema = z.strictObject({
  schema: z.literal("consilium.lowerings/1"),
  /** For people: machine, threads and runtime. */
  measuredOn: z.string().max(400),
  inputGradient: section(INPUT_LOWERINGS, "transposedConvolution"),
  weightGradient: section(WEIGHT_LOWERINGS, "columns"),
});

export type LoweringTable = z.infer<typeof schema>;

/** @throws ConsiliumError `lowerings-invalid` for anything that is no table of this version. */
export function parseLoweringTable(value: unknown, subject: string): LoweringTable {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ConsiliumError("lowerings-invalid", {
    subject,
    expected: `a table of lowerings (consilium.lowerings/1) as \`consilium model tune\` writes it`,
    actual: `${issue.path.join(".") || "its whole"}: ${issue.message}`,
    hint: "Measure one anew with `consilium model tune`, or leave it out and take the one that ships.",
  });
}

export const SHIPPED_LOWERINGS: LoweringTable = parseLoweringTable(shipped, "the table that ships");

/** SHA-256 of the table as canonical JSON. */
export function loweringsDigest(table: LoweringTable): Sha256 {
  return sha256(canonicalJson(table));
}

/** How tables name a convolution: sizes of input and weight, then strides, pads, dilations and groups. */
export function shapeKey({ input, weight, window, group }: ConvolutionShape): string {
  const { strides, padsBegin, padsEnd, dilations } = window;
  const by = (sizes: readonly number[]): string => sizes.join("x");
  return `${by(input)} * ${by(weight)}, stride ${by(strides)}, pad ${by(padsBegin)}+${by(padsEnd)}, dilation ${by(dilations)}, group ${group}`;
}

/** Asked for each gradient of a convolution, with the lowerings that its shape could take. */
export interface Lowerings {
  byInput(shape: ConvolutionShape, fitting: readonly InputLowering[]): InputLowering;
  /** @param shape without groups. */
  byWeight(shape: ConvolutionShape, fitting: readonly WeightLowering[]): WeightLowering;
}

export function loweringsOf({ inputGradient, weightGradient }: LoweringTable): Lowerings {
  return {
    byInput: (shape, fitting) => choose(inputGradient, shape, fitting),
    byWeight: (shape, fitting) => choose(weightGradient, shape, fitting),
  };
}

/** By the table that ships. */
export const USUAL_LOWERINGS: Lowerings = loweringsOf(SHIPPED_LOWERINGS);

function choose<N extends string>(
  { shapes, otherwise }: Section<N>,
  shape: ConvolutionShape,
  fitting: readonly N[],
): N {
  const measured = shapes[shapeKey(shape)];
  if (measured !== undefined && fitting.includes(measured)) return measured;
  const [outputs, inputs] = shape.weight;
  const rule = otherwise.find(
    ({ use, inputsPerOutputAtMost = Infinity, inputsAtLeast = 0, voxelsAtLeast = 0 }) =>
      inputs / outputs <= inputsPerOutputAtMost &&
      inputs >= inputsAtLeast &&
      elementCount(shape.input.slice(2)) >= voxelsAtLeast &&
      fitting.includes(use),
  );
  invariant(rule !== undefined, "a lowering that fits every shape");
  return rule.use;
}

interface Section<N extends string> {
  readonly shapes: Readonly<Record<string, N>>;
  readonly otherwise: readonly {
    readonly use: N;
    readonly inputsPerOutputAtMost?: number | undefined;
    readonly inputsAtLeast?: number | undefined;
    readonly voxelsAtLeast?: number | undefined;
  }[];
}
