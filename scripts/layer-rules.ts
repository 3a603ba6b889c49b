/**
 * The layers of `src/`, lowest first: a folder imports only from folders before it, and only through their
 * `index.ts`. `study` is a pure schema: it needs nothing but `base`, and everything from `training` on may read it.
 * `check-layers.ts` runs them.
 */
import type { IForbiddenRuleType } from "dependency-cruiser";

export const LAYERS = [
  "base",
  "graph",
  "study",
  "training",
  "runtime",
  "networks",
  "imaging",
  "aggregation",
  "privacy",
  "segmentation",
  "protocol",
  "intake",
  "coordinator",
  "site",
  "simulate",
  "console",
  "cli",
];

function allowedBelow(layer: string): readonly string[] {
  return layer === "study" ? ["base"] : LAYERS.slice(0, LAYERS.indexOf(layer));
}

const layerRules = LAYERS.map(
  (layer): IForbiddenRuleType => ({
    name: `layer-${layer}`,
    comment: `src/${layer} imports only from: ${[...allowedBelow(layer), "itself"].join(", ")}`,
    severity: "error",
    from: { path: `^src/${layer}/` },
    to: { path: "^src/", pathNot: `^src/(${[...allowedBelow(layer), layer].join("|")})/` },
  }),
);

export const LAYER_RULES: IForbiddenRuleType[] = [
  ...layerRules,
  {
    name: "only-through-index",
    comment: "A folder's public face is its index.ts",
    severity: "error",
    from: { path: "^src/([^/]+)/" },
    to: { path: "^src/", pathNot: ["^src/$1/", "^src/[^/]+/index[.]ts$"] },
  },
  {
    name: "known-folder",
    comment: "Every folder of src/ has its place in the list of layers",
    severity: "error",
    from: { path: "^src/", pathNot: `^src/(${LAYERS.join("|")})/` },
    to: {},
  },
  {
    name: "page-runs-messages-only",
    comment: "The page names types of src/ and runs nothing of it but the generated messages",
    severity: "error",
    from: { path: "^dashboard/" },
    to: { path: "^src/", pathNot: "^src/protocol/gen/", dependencyTypesNot: ["type-only"] },
  },
  { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
  { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  {
    name: "no-development-packages",
    comment: "What ships imports only what it declares",
    severity: "error",
    from: { path: "^src/", pathNot: "[.]test[.]ts$|/testing/" },
    to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
  },
];
