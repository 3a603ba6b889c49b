/** A small network with a norm over the batch, for tests of what becomes of running statistics. */
import { createRandom } from "../../base/index.ts";
import { attr, createGraphBuilder, encodeOnnx, float32Tensor } from "../../graph/index.ts";

/** A convolution, a norm over the batch and a convolution of single voxels. */
export function normedModel(): Uint8Array {
  const b = createGraphBuilder(17);
  const random = createRandom("normed model");
  const weight = (name: string, shape: number[], value = random.normal): string => {
    const count = shape.reduce((product, n) => product * n, 1);
    return b.weight(name, float32Tensor(shape, Float32Array.from({ length: count }, value)));
  };
  const image = b.input("image", "float32", [1, 4, 8, 8, 8]);
  const hidden = b.emit("Conv", [image, weight("first", [3, 4, 1, 1, 1])], {});
  const statistics = [weight("mean", [3], () => 0), weight("variance", [3], () => 1)];
  const affine = [weight("scale", [3], () => 1), weight("bias", [3], () => 0)];
  const normed = b.emit("BatchNormalization", [hidden, ...affine, ...statistics], { momentum: attr.float(0.9) });
  const last = b.emit("Conv", [b.emit("Relu", [normed]), weight("last", [4, 3, 1, 1, 1])], {});
  return encodeOnnx(b.build("normed", [last]));
}
