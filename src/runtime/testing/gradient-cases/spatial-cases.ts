/** Cases of convolutions, pooling and resizing. */
import { type Attributes, attr, float32Tensor } from "../../../graph/index.ts";
import { distinct, type GradientCase, simple, spread } from "../gradient-case.ts";

function conv(
  name: string,
  x: readonly number[],
  w: readonly number[],
  attributes: Attributes,
  bias = true,
): GradientCase {
  const inputs = bias ? [x, w, [w[0]]] : [x, w];
  return { op: "Conv", name, inputs, build: (b, names) => b.emit("Conv", names, attributes) };
}

function convTranspose(
  name: string,
  x: readonly number[],
  w: readonly number[],
  attributes: Attributes,
  outputs = w[1],
): GradientCase {
  return {
    op: "ConvTranspose",
    name,
    inputs: [x, w, [outputs]],
    build: (b, n) => b.emit("ConvTranspose", n, attributes),
  };
}

const ints = (name: string, ...values: number[]): Attributes => ({ [name]: attr.ints(values) });
const kernel = (...sizes: number[]): Attributes => ints("kernel_shape", ...sizes);
const strides = (...steps: number[]): Attributes => ints("strides", ...steps);
const pads = (...amounts: number[]): Attributes => ints("pads", ...amounts);
const dilations = (...gaps: number[]): Attributes => ints("dilations", ...gaps);
const autoPad = (mode: string): Attributes => ({ auto_pad: attr.string(mode) });
const group = (count: number): Attributes => ({ group: attr.int(count) });
const CEIL = { ceil_mode: attr.int(1) };

const CONVOLUTIONS: readonly GradientCase[] = [
  conv("1D", [2, 3, 9], [4, 3, 3], pads(1, 1)),
  conv("1D stride 3, dilated", [1, 2, 16], [3, 2, 3], { ...strides(3), ...dilations(2), ...pads(2, 1) }),
  conv("1D groups", [2, 4, 9], [4, 1, 3], { ...group(4), ...pads(1, 1) }),
  conv("2D stride 2", [2, 3, 8, 7], [4, 3, 3, 3], { ...strides(2, 2), ...pads(1, 1, 1, 1) }),
  conv("3D", [2, 3, 4, 5, 6], [4, 3, 3, 3, 3], pads(1, 1, 1, 1, 1, 1)),
  conv("3D without pads", [1, 2, 5, 4, 6], [3, 2, 3, 3, 3], {}),
  conv("3D asymmetric kernel and pads", [1, 2, 5, 4, 6], [3, 2, 1, 3, 2], pads(0, 1, 0, 0, 1, 1)),
  conv("3D pointwise", [2, 3, 2, 3, 4], [5, 3, 1, 1, 1], {}),
  conv("3D stride 2", [1, 2, 6, 8, 4], [3, 2, 3, 3, 3], { ...strides(2, 2, 2), ...pads(1, 1, 1, 1, 1, 1) }),
  conv("3D anisotropic stride, odd sides", [1, 2, 5, 7, 5], [3, 2, 3, 3, 3], {
    ...strides(1, 2, 2),
    ...pads(1, 1, 1, 1, 1, 1),
  }),
  conv("3D stride 3, kernel 2", [1, 2, 7, 6, 6], [3, 2, 2, 2, 2], strides(3, 3, 3)),
  conv("3D groups, stride 2", [1, 4, 4, 5, 6], [4, 2, 3, 3, 3], {
    ...group(2),
    ...strides(2, 2, 2),
    ...pads(1, 1, 1, 1, 1, 1),
  }),
  conv("3D dilated", [1, 2, 5, 6, 5], [2, 2, 2, 3, 2], { ...dilations(2, 1, 3), ...pads(1, 1, 1, 1, 1, 2) }),
  conv("2D dilated", [1, 2, 9, 9], [3, 2, 3, 3], { ...dilations(2, 2), ...pads(2, 2, 2, 2) }),
  conv("2D dilated stride 2", [1, 2, 9, 9], [3, 2, 3, 3], {
    ...dilations(2, 2),
    ...strides(2, 2),
    ...pads(2, 2, 2, 2),
  }),
  conv("2D padded beyond the kernel", [1, 2, 4, 4], [3, 2, 2, 2], pads(3, 2, 2, 3)),
  conv("2D groups", [1, 4, 5, 5], [6, 2, 3, 3], { ...group(2), ...pads(1, 1, 1, 1) }, false),
  conv("2D SAME_UPPER", [1, 2, 6, 5], [3, 2, 3, 3], { ...autoPad("SAME_UPPER"), ...strides(2, 2) }),
  conv("2D SAME_LOWER", [1, 2, 6, 5], [3, 2, 2, 3], autoPad("SAME_LOWER")),
  conv("2D VALID", [1, 2, 6, 5], [3, 2, 2, 3], autoPad("VALID")),
  convTranspose("1D", [2, 3, 5], [3, 2, 4], { ...strides(2), ...pads(1, 1) }),
  convTranspose("3D 2x2x2", [1, 3, 2, 3, 2], [3, 2, 2, 2, 2], strides(2, 2, 2)),
  convTranspose("3D stride 1", [1, 2, 3, 3, 2], [2, 3, 3, 3, 3], pads(1, 1, 1, 1, 1, 1)),
  convTranspose("2D overlapping, output padding", [1, 3, 4, 4], [3, 2, 3, 3], {
    ...strides(2, 2),
    ...pads(1, 1, 1, 1),
    ...ints("output_padding", 1, 1),
  }),
  convTranspose("2D groups", [1, 4, 3, 4], [4, 2, 2, 2], { ...group(2), ...strides(2, 2) }, 4),
  convTranspose("2D dilated", [1, 2, 4, 3], [2, 3, 3, 2], dilations(2, 3)),
  convTranspose("2D output shape", [1, 2, 3, 3], [2, 2, 3, 3], { ...strides(2, 2), ...ints("output_shape", 6, 6) }),
  convTranspose("2D SAME_UPPER", [1, 2, 3, 3], [2, 2, 3, 3], { ...strides(2, 2), ...autoPad("SAME_UPPER") }),
];

const POOLS: readonly GradientCase[] = [
  simple("GlobalAveragePool", [2, 3, 4, 5]),
  { ...simple("GlobalMaxPool", [2, 3, 4]), domain: spread },
  { ...simple("MaxPool", [1, 2, 4, 6], { ...kernel(2, 2), ...strides(2, 2) }), domain: distinct },
  { ...simple("MaxPool", [1, 2, 9], { ...kernel(3), ...pads(1, 1) }), domain: distinct },
  { ...simple("MaxPool", [1, 2, 7, 6], { ...kernel(3, 3), ...strides(2, 2), ...pads(1, 1, 1, 1) }), domain: distinct },
  {
    ...simple("MaxPool", [2, 1, 4, 5, 4], { ...kernel(3, 2, 3), ...strides(2, 1, 2), ...pads(1, 0, 1, 1, 1, 0) }),
    domain: distinct,
  },
  { ...simple("MaxPool", [1, 1, 5, 7], { ...kernel(2, 2), ...strides(2, 2), ...CEIL }), domain: distinct },
  { ...simple("MaxPool", [1, 1, 7, 7], { ...kernel(2, 3), ...dilations(2, 2) }), domain: distinct },
  {
    ...simple("MaxPool", [1, 1, 6, 7], { ...kernel(3, 3), ...strides(2, 2), ...autoPad("SAME_UPPER") }),
    domain: distinct,
  },
  {
    ...simple("MaxPool", [1, 1, 6], { ...kernel(2), ...strides(2) }),
    name: "the first of equal elements, windows that tile",
    kink: { at: [[1, 1, 2, 3, 5, 4]], gradients: [[1, 0, 0, 1, 1, 0]] },
  },
  {
    ...simple("MaxPool", [1, 1, 5], { ...kernel(3), ...pads(1, 1) }),
    name: "the first of equal elements, windows that overlap",
    kink: { at: [[2, 2, 1, 3, 3]], gradients: [[2, 0, 0, 3, 0]] },
  },
  {
    ...simple("GlobalMaxPool", [1, 2, 3]),
    name: "several maxima",
    kink: { at: [[2, 1, 2, 0, 3, 1]], gradients: [[0.5, 0, 0.5, 0, 1, 0]] },
  },
  simple("AveragePool", [1, 2, 4, 6], { ...kernel(2, 2), ...strides(2, 2) }),
  simple("AveragePool", [1, 2, 5, 5], { ...kernel(3, 3), ...strides(2, 2), ...pads(1, 1, 1, 1) }),
  simple("AveragePool", [1, 2, 5, 6], { ...kernel(3, 2), ...pads(1, 1, 1, 0), count_include_pad: attr.int(1) }),
  { ...simple("AveragePool", [1, 1, 6, 7], { ...kernel(3, 2), ...strides(2, 2), ...CEIL }), opset: 19 },
  {
    ...simple("AveragePool", [1, 1, 6, 6], {
      ...kernel(3, 3),
      ...strides(2, 2),
      ...pads(0, 1, 0, 1),
      ...CEIL,
      count_include_pad: attr.int(1),
    }),
    opset: 19,
  },
  { ...simple("AveragePool", [1, 1, 7, 6], { ...kernel(2, 3), ...dilations(3, 2), ...pads(1, 1, 1, 1) }), opset: 19 },
  simple("AveragePool", [1, 2, 4, 5, 4], { ...kernel(3, 3, 3), ...strides(2, 2, 2), ...autoPad("SAME_LOWER") }),
];

function resize(
  name: string,
  shape: readonly number[],
  to: { readonly scales: readonly number[] } | { readonly sizes: readonly number[] },
  words: Readonly<Record<string, string>>,
  more: Attributes = {},
): GradientCase {
  const attributes = Object.fromEntries(Object.entries(words).map(([key, value]) => [key, attr.string(value)]));
  return {
    op: "Resize",
    name,
    inputs: [shape],
    build: (b, x) => {
      const target =
        "scales" in to ? ["", b.constant(float32Tensor([to.scales.length], to.scales))] : ["", "", b.ints(to.sizes)];
      return b.emit("Resize", [x[0], ...target], { ...attributes, ...more });
    },
    opset: 19,
  };
}

const LINEAR = { mode: "linear" };
const coordinates = (mode: string): Record<string, string> => ({ coordinate_transformation_mode: mode });

const RESIZES: readonly GradientCase[] = [
  resize("linear by scales", [1, 2, 3, 4], { scales: [1, 1, 2, 1.5] }, LINEAR),
  resize("linear in three dimensions, smaller and larger", [1, 1, 4, 3, 2], { sizes: [1, 1, 2, 5, 4] }, LINEAR),
  resize("linear, a scale that leaves one size", [1, 1, 3, 4], { scales: [1, 1, 1.25, 2] }, LINEAR),
  // ONNX Runtime copies where no size changes, whatever the scales are
  resize("linear, a scale that leaves every size", [1, 1, 3, 4], { scales: [1, 1, 1.25, 1] }, LINEAR),
  ...["align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"].map((mode) =>
    resize(`linear, ${mode}`, [1, 1, 3, 4], { scales: [1, 1, 1.7, 0.3] }, { ...LINEAR, ...coordinates(mode) }),
  ),
  ...["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"].map((nearest) =>
    resize(
      `nearest, ${nearest}`,
      [1, 1, 3, 4],
      { scales: [1, 1, 2, 2.5] },
      { ...coordinates("asymmetric"), nearest_mode: nearest },
    ),
  ),
  resize("nearest by sizes, half_pixel", [1, 2, 3, 4], { sizes: [1, 2, 6, 3] }, coordinates("half_pixel")),
  resize("cubic", [1, 1, 4, 5], { scales: [1, 1, 2, 1.6] }, { mode: "cubic" }),
  resize(
    "cubic, what is outside left out",
    [1, 1, 4, 5],
    { sizes: [1, 1, 7, 4] },
    { mode: "cubic" },
    {
      exclude_outside: attr.int(1),
      cubic_coeff_a: attr.float(-0.5),
    },
  ),
  resize("linear on named axes", [2, 3, 4], { scales: [2] }, LINEAR, { axes: attr.ints([2]) }),
];

export const SPATIAL_CASES: readonly GradientCase[] = [...CONVOLUTIONS, ...POOLS, ...RESIZES];
