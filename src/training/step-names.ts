/** Names of a step graph's inputs and outputs. */
export const STEP = {
  image: "image",
  labels: "labels",
  parameters: "parameters",
  state: "optimiserState",
  scalars: "stepScalars",
  anchor: "anchor",
  controlVariate: "controlVariate",
  average: "average",
  loss: "loss",
  nextParameters: "nextParameters",
  nextState: "nextOptimiserState",
  nextAverage: "nextAverage",
  nextBuffers: "nextBuffers",
  gradient: "gradient",
  logits: "logits",
} as const;
