/**
 * The closed list of error codes, each with the exit code that a command ends with.
 * Codes are stable: programs and runbooks match on them. Add a row rather than reuse one with another meaning.
 */
const EXIT = { failed: 1, usage: 2, badInput: 3, refused: 4, unreachable: 5, interrupted: 130 } as const;

export const ERROR_CODES = {
  internal: EXIT.failed,
  usage: EXIT.usage,
  interrupted: EXIT.interrupted,

  // files and folders
  "file-not-found": EXIT.badInput,
  "file-unreadable": EXIT.badInput,
  "file-corrupt": EXIT.badInput,
  "model-version": EXIT.badInput,
  "file-exists": EXIT.badInput,
  "folder-not-writable": EXIT.failed,
  "disk-full": EXIT.failed,

  // images and datasets
  "nifti-corrupt": EXIT.badInput,
  "nifti-unsupported": EXIT.badInput,
  "dicom-corrupt": EXIT.badInput,
  "dicom-unsupported": EXIT.badInput,
  "series-incomplete": EXIT.badInput,
  "series-refused": EXIT.badInput,
  "patients-mixed": EXIT.badInput,
  "registration-failed": EXIT.failed,
  "brain-not-found": EXIT.failed,
  "geometry-mismatch": EXIT.badInput,
  "geometry-invalid": EXIT.badInput,
  "modality-missing": EXIT.badInput,
  "intensity-invalid": EXIT.badInput,
  "label-unknown": EXIT.badInput,
  "label-convention-unknown": EXIT.badInput,
  "dataset-empty": EXIT.badInput,
  "dataset-too-small": EXIT.badInput,
  "dataset-invalid": EXIT.badInput,

  // review of drafts
  "review-state": EXIT.refused,
  "review-unchanged": EXIT.refused,

  // graphs and training
  "onnx-corrupt": EXIT.badInput,
  "onnx-unsupported": EXIT.badInput,
  "graph-invalid": EXIT.badInput,
  "operator-unsupported": EXIT.badInput,
  "gradient-unsupported": EXIT.badInput,
  "lowerings-invalid": EXIT.badInput,
  "shape-mismatch": EXIT.badInput,
  "tensors-corrupt": EXIT.badInput,
  "tensor-missing": EXIT.badInput,
  "training-diverged": EXIT.failed,
  "out-of-memory": EXIT.failed,
  "verification-failed": EXIT.failed,

  // studies
  "study-invalid": EXIT.badInput,
  "study-unknown": EXIT.badInput,
  "study-not-approved": EXIT.refused,
  "study-refused": EXIT.refused,
  "patch-too-large": EXIT.badInput,

  // aggregation
  "update-shape": EXIT.badInput,
  "update-not-finite": EXIT.badInput,
  "update-out-of-range": EXIT.badInput,
  "update-wrong-round": EXIT.refused,
  "update-counted": EXIT.refused,
  "aggregation-overflow": EXIT.refused,

  // privacy
  "privacy-event-unknown": EXIT.badInput,
  "privacy-delta-invalid": EXIT.badInput,
  "privacy-delta-too-small": EXIT.badInput,
  "privacy-parameters": EXIT.badInput,
  "privacy-budget-unset": EXIT.refused,
  "privacy-budget-exceeded": EXIT.refused,
  "privacy-work-differs": EXIT.refused,
  "masking-parameters": EXIT.badInput,
  "masking-below-threshold": EXIT.failed,
  "masking-message-invalid": EXIT.refused,
  "masking-key-invalid": EXIT.refused,
  "masking-share-invalid": EXIT.refused,
  "masking-both-shares": EXIT.refused,
  "masking-second-list": EXIT.refused,
  "masking-round-revealed": EXIT.refused,

  // identity, protocol and transfer
  "invitation-invalid": EXIT.refused,
  "invitation-expired": EXIT.refused,
  "invitation-used": EXIT.refused,
  "certificate-untrusted": EXIT.refused,
  "certificate-expired": EXIT.refused,
  "passphrase-missing": EXIT.refused,
  "passphrase-wrong": EXIT.refused,
  "authority-rotating": EXIT.refused,
  "site-unknown": EXIT.refused,
  "site-revoked": EXIT.refused,
  "signature-invalid": EXIT.refused,
  "message-replayed": EXIT.refused,
  "message-invalid": EXIT.badInput,
  "protocol-version": EXIT.refused,
  "sealing-refused": EXIT.refused,
  "sealing-invalid": EXIT.badInput,
  "sealing-key-unknown": EXIT.refused,
  "roster-mismatch": EXIT.refused,
  "object-missing": EXIT.badInput,
  "object-corrupt": EXIT.badInput,
  "object-refused": EXIT.refused,
  "limit-exceeded": EXIT.refused,

  // dashboard and console
  "sign-in-required": EXIT.refused,
  "role-refused": EXIT.refused,

  // federations
  "quorum-not-reached": EXIT.failed,
  "home-invalid": EXIT.badInput,
  "home-locked": EXIT.failed,
  "journal-corrupt": EXIT.badInput,
  "journal-version": EXIT.badInput,
  "journal-rolled-back": EXIT.refused,
  "proxy-authentication": EXIT.refused,
  "proxy-refused": EXIT.refused,
  unreachable: EXIT.unreachable,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function exitCodeOf(code: ErrorCode): number {
  return ERROR_CODES[code];
}
