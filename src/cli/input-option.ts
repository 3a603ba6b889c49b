/** The shape of a network's input, for the commands that build something from an ONNX file alone. */
import { option } from "./options.ts";

export const inputOption = option.parsed(
  "N,C,D,H,W",
  "shape of the input, cases and channels first",
  (typed): readonly number[] => {
    const sizes = typed.split(",").map(Number);
    if (sizes.length < 3 || !sizes.every((size) => Number.isSafeInteger(size) && size > 0))
      throw new RangeError("sizes with commas between them, such as 1,4,64,64,64");
    return sizes;
  },
);
