/**
 * `consilium/runtime`: runs graphs, networks and training steps on ONNX Runtime (`onnxruntime-node`).
 *
 * A session is one graph at one shape of input; everything that its bits depend on is an option or in `runRecord`.
 * A run occupies its thread until it is done: long work belongs in a worker thread. What is exported here is stable: it
 * changes with a note in CHANGELOG.md.
 *
 * ```js
 * import { openTrainingSession, readOnnxFile } from "consilium/runtime";
 * import { networkParameters } from "consilium/training";
 *
 * const network = readOnnxFile("network.onnx");
 * const session = await openTrainingSession(network, { inputShape: [1, 4, 64, 64, 64], optimiser, threads: 2 });
 * session.load(networkParameters(network).data, null, 0);
 * const { loss } = await session.step({ image, labels }, 0.01);
 * ```
 */
export { ConsiliumError, type ErrorCode, type ErrorFields } from "../base/index.ts";
export * from "./index.ts";
