/** What the documentation holds, in the order of its readers: sources relative to the package's folder. */
export interface Part {
  readonly title: string;
  /** Source and the name in the list of pages. */
  readonly pages: readonly (readonly [source: string, name: string])[];
}

export const CONTENTS: readonly Part[] = [
  {
    title: "Begin",
    pages: [
      ["README.md", "What Consilium is"],
      ["docs/START.md", "Start in ten minutes"],
      ["docs/RESULTS.md", "Results"],
      ["docs/GLOSSARY.md", "Glossary"],
    ],
  },
  {
    title: "For study leads",
    pages: [
      ["docs/LEADS.md", "Run a study"],
      ["docs/COMBINATIONS.md", "What goes together"],
      ["docs/DASHBOARD.md", "Dashboard and console"],
    ],
  },
  {
    title: "For hospital IT",
    pages: [
      ["docs/OPERATIONS.md", "Install and run"],
      ["docs/INTAKE.md", "Intake from DICOM"],
      ["docs/DATASETS.md", "Datasets"],
    ],
  },
  {
    title: "For reviewers and data protection",
    pages: [
      ["docs/REVIEWERS.md", "Review a study"],
      ["docs/PRIVACY.md", "Privacy"],
      ["docs/THREAT_MODEL.md", "Threat model"],
    ],
  },
  {
    title: "For clinicians",
    pages: [
      ["docs/CLINICIANS.md", "Outline a tumour"],
      ["docs/USE.md", "Models in use"],
      ["docs/METRICS.md", "What figures mean"],
    ],
  },
  {
    title: "For developers",
    pages: [
      ["docs/ARCHITECTURE.md", "Architecture"],
      ["docs/ENGINE.md", "The engine as a library"],
      ["docs/EXTENDING.md", "Add to it"],
      ["docs/NETWORKS.md", "Networks"],
      ["docs/PERFORMANCE.md", "Performance"],
      ["docs/adr/0001-exact-sums.md", "Decision: exact sums"],
      ["docs/adr/0002-gradient-lowerings.md", "Decision: lowerings"],
      ["docs/adr/0003-no-dicom-node.md", "Decision: no DICOM node"],
      ["docs/adr/0004-sealed-calls.md", "Decision: sealed calls"],
      ["CONTRIBUTING.md", "Contributing"],
    ],
  },
  {
    title: "Reference",
    pages: [
      ["docs/reference/COMMANDS.md", "Commands"],
      ["docs/reference/STUDY_FILE.md", "Study file"],
      ["docs/reference/API.md", "API"],
      ["docs/reference/WHERE.md", "What can be done where"],
      ["docs/reference/ERRORS.md", "Error codes"],
      ["docs/reference/METRICS.md", "Figures"],
      ["docs/OPERATORS.md", "Operators"],
      ["CHANGELOG.md", "Changelog"],
    ],
  },
];

/** `docs/adr/0001-exact-sums.md` to `adr/0001-exact-sums.html`; the README is the first page. */
export function pathOf(source: string): string {
  if (source === "README.md") return "index.html";
  return source.replace(/^docs\//, "").replace(/[.]md$/, ".html");
}
