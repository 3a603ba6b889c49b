/** `--federation`: a model is used only where a member of the named federation signed it. */
import { ConsiliumError } from "../base/index.ts";
import type { Model } from "../segmentation/index.ts";

/** @returns the model. @throws ConsiliumError `signature-invalid`. */
export function checkedSigner(model: Model, dir: string, federation: string | undefined): Model {
  if (federation === undefined || model.signer?.federationId === federation) return model;
  throw new ConsiliumError("signature-invalid", {
    subject: dir,
    expected: `a model signed by a member of federation ${federation}`,
    actual: model.signer === null ? "one without a signature" : `one of federation ${model.signer.federationId}`,
    hint: "Take the model from the federation's coordinator, or check the fingerprint.",
  });
}
