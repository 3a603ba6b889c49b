/** Cases of activations, softmax and normalisation. */
import { attr, float32Tensor } from "../../../graph/index.ts";
import { awayFromZero, distinct, type GradientCase, several, simple } from "../gradient-case.ts";

const ALPHA = { alpha: attr.float(0.7) };

export const ACTIVATION_CASES: readonly GradientCase[] = [
  simple("Sigmoid"),
  simple("Tanh"),
  simple("Softplus"),
  { ...simple("Softsign"), domain: awayFromZero },
  { ...simple("Relu"), domain: awayFromZero },
  { ...simple("LeakyRelu"), domain: awayFromZero },
  { ...simple("LeakyRelu", [2, 3, 4], { alpha: attr.float(0.1) }), domain: awayFromZero },
  { ...simple("Elu"), domain: awayFromZero },
  { ...simple("Elu", [2, 3, 4], ALPHA), domain: awayFromZero },
  { ...simple("Selu"), domain: awayFromZero },
  { ...simple("Selu", [2, 3, 4], { ...ALPHA, gamma: attr.float(1.3) }), domain: awayFromZero },
  { ...simple("Celu"), domain: awayFromZero },
  { ...simple("Celu", [2, 3, 4], ALPHA), domain: awayFromZero },
  // whole numbers and a tenth: no kink at a multiple of one half is near
  { ...simple("HardSigmoid"), domain: (v, i) => distinct(v, i) / 10 + 0.05 },
  {
    ...simple("HardSigmoid", [2, 3, 4], { alpha: attr.float(0.5), beta: attr.float(0.2) }),
    domain: (_, i) => (i % 7) - 3.1,
  },
  { ...simple("HardSwish"), domain: (_, i) => (i % 11) / 1.3 - 3.6 },
  { ...simple("Mish"), opset: 18 },
  {
    ...several("PRelu", [
      [2, 3, 4],
      [3, 1],
    ]),
    domain: awayFromZero,
  },
  { ...simple("Gelu"), opset: 20 },
  { ...simple("Gelu", [2, 3, 4], { approximate: attr.string("tanh") }), opset: 20 },
  simple("Softmax", [2, 4, 3], { axis: attr.int(1) }),
  simple("Softmax"),
  simple("LogSoftmax", [2, 4, 3], { axis: attr.int(1) }),
  simple("LogSoftmax"),
  { ...simple("Relu", [3]), name: "at zero", kink: { at: [[0, -2, 2]], gradients: [[0, 0, 1]] } },
  { ...simple("HardSwish", [3]), name: "at its corners", kink: { at: [[-3, 0, 3]], gradients: [[0, 0.5, 1]] } },
  several("InstanceNormalization", [[2, 3, 4, 5, 2], [3], [3]]),
  several("InstanceNormalization", [[2, 3, 7], [3], [3]], { epsilon: attr.float(0.5) }),
  several("LayerNormalization", [[2, 3, 5], [5], [5]]),
  several("LayerNormalization", [[2, 3, 5], [5]], { epsilon: attr.float(0.5) }),
  several(
    "LayerNormalization",
    [
      [2, 3, 5],
      [3, 5],
      [3, 5],
    ],
    { axis: attr.int(1) },
  ),
  several("LayerNormalization", [[2, 3, 5], [3, 1], [5]], { axis: attr.int(-2) }),
  { ...several("GroupNormalization", [[2, 6, 3, 4], [6], [6]], { num_groups: attr.int(3) }), opset: 21 },
  {
    ...several("GroupNormalization", [[2, 6, 5], [2], [2]], { num_groups: attr.int(2), epsilon: attr.float(0.5) }),
    opset: 18,
  },
  {
    op: "BatchNormalization",
    name: "frozen statistics",
    inputs: [[2, 3, 4], [3], [3]],
    build: (b, x) => {
      const mean = b.weight("mean", float32Tensor([3], [0.1, -0.2, 0.3]));
      const variance = b.weight("variance", float32Tensor([3], [0.5, 1.5, 1]));
      return b.emit("BatchNormalization", [...x, mean, variance], { epsilon: attr.float(0.1) });
    },
  },
  ...[
    [2, 3, 4],
    [3, 3, 2, 2, 2],
  ].map(
    (shape): GradientCase => ({
      op: "BatchNormalization",
      name: `the batch's statistics [${shape}]`,
      inputs: [shape, [3], [3]],
      build: (b, x) => {
        const running = [
          b.weight("mean", float32Tensor([3], [0, 0, 0])),
          b.weight("variance", float32Tensor([3], [1, 1, 1])),
        ];
        const attributes = { epsilon: attr.float(0.1), training_mode: attr.int(1) };
        return b.emitMany("BatchNormalization", [...x, ...running], 3, attributes)[0];
      },
    }),
  ),
];
