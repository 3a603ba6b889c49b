export { type DpEvent, type DpLeaf, parseDpEvent } from "./accounting/dp-event.ts";
export { ACCOUNTANTS, type Accountant, type PrivacySpent, privacySpent } from "./accounting/epsilon.ts";
