export { AUTHORISATION, DOWNLOADS, type DownloadName, ROLES, type Role } from "./authorisation.ts";
export { type ConsoleServer, startConsoleServer } from "./console-server.ts";
export { coordinatorConsole } from "./coordinator-console.ts";
export { offerLinks, requestLink, type SignInLink } from "./link-file.ts";
export type { ModelEntry } from "./models.ts";
export { siteConsole } from "./site-console.ts";
export { builtDashboard } from "./static-files.ts";
export { studyReport } from "./study-report.ts";
