export {
  AUTHORISATION,
  type DownloadName,
  OPEN_ROUTES,
  type OpenRoute,
  ROLES,
  ROUTES,
  type Role,
  type Route,
} from "./authorisation.ts";
export type { WantedModel, WhichModel } from "./console-context.ts";
export { type ConsoleServer, startConsoleServer } from "./console-server.ts";
export { coordinatorConsole } from "./coordinator-console.ts";
export { type IdentityProvider, openIdProvider } from "./identity-provider.ts";
export { offerLinks, removePasskeyOf, requestLink, type SignInLink } from "./link-file.ts";
export type { Work } from "./long-work.ts";
export type { NextCommands } from "./next-commands.ts";
export { offeredStudies, type StudyCommands } from "./offered-studies.ts";
export { type ListedPasskey, listPasskeys, PASSKEYS_FILE } from "./passkeys.ts";
export { readSignInFile, roleOf, type SignInRules } from "./sign-in-file.ts";
export { type ListedCase, type ListedCases, type SiteCases, siteCases } from "./site-cases.ts";
export { siteConsole } from "./site-console.ts";
export {
  type DatasetView,
  type IntakeView,
  type OrTrouble,
  type ReviewView,
  type SiteDatasets,
  siteDatasets,
} from "./site-datasets.ts";
export { builtDashboard } from "./static-files.ts";
export { openStudyFiles, type StudyFilesThere, type StudyFileView } from "./study-files.ts";
export { checkedPlan, submittedPlan } from "./study-plan.ts";
export { studyReport } from "./study-report.ts";
export {
  type DoctorView,
  type Registered,
  type RegisterOrder,
  type RegistrationView,
  type ReplayView,
  registrationWork,
  replayWork,
  siteDoctor,
} from "./works.ts";
